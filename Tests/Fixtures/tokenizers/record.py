"""Trains small tokenizers with PyPI's `tokenizers` and records what they make of awkward text.

    python Tests/Fixtures/tokenizers/record.py

writes patterns.json, how Split cuts text at regular expressions, NAME.json, a tokenizer.json, and NAME.cases.json, what `tokenizers` returns, for each NAME,
and directories.json: tokenizers in several files and what transformers makes of them.
"""

import json
import pathlib
import random

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and nobody was surprised.",
    "It's a question of trust: they're sure we've won, I'm not, he'd rather wait, we'll see.",
    "In 1969 the engine weighed 12,345.67 kilograms; by 2024 it was 8% lighter.",
    "Tokenization of unusual words, unbelievably, undoes the doing of doers.",
    "Die Straße führt über die Brücke nach Düsseldorf, wo Müller schläft.",
    "Le garçon a mangé une crème brûlée à l'hôtel près de la forêt.",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "Съешь ещё этих мягких французских булок, да выпей чаю.",
    "机器学习模型需要大量的数据。東京は日本の首都です。",
    "모든 인간은 태어날 때부터 자유롭다.",
    "इस वाक्य में कई शब्द हैं। النص العربي هنا.",
    "def f(x):\n    return x ** 2  # square\n\nprint(f(3))\n",
    "emoji 😀 and 👨‍👩‍👧‍👦 and flags 🇩🇪🇫🇷 in text",
] * 3

TEXTS = [
    "", " ", "   ", "\n", "a", "Hello, world!", "  leading and trailing  ", "two  spaces   three",
    "It's they're WE'VE I'm he'd we'll 's 't 'S 'LL ''s don't",
    "The quick brown fox unbelievably retokenizes doers.",
    "caf\u00e9 cafe\u0301 \u00e9\u0301 e\u0301\u0323 e\u0323\u0301 a\u0315\u0300\u05ae\u0062",
    "q\u0307\u0323 \u1e0b\u0323 \u1e0d\u0307 \u0344 \u0f73 \u0f81 \u2126 \u212b \u212a",
    "\u0130stanbul \u0131 \u1e9e \u01c5 \u03a3\u03a3 \u03c2 \ua64a \u0390",
    "机器学习 東京は、日本。\u3000全角 ＡＢＣ１２３ ｶﾞ \u2f800 \u20000",
    "\u1112\u1161\u11ab\u1100\u1173\u11af 한글 \uac00\u11a8 \u1100\u1161\u11a7",
    "😀 👨‍👩‍👧‍👦 🇩🇪🇫🇷 👍🏽 ❤️ ☃ \U0001f9ff",
    "nul\0byte bell\x07 tab\tcr\r\nlf\n\nvt\x0bff\x0c del\x7f \x85 \ufeff \u200b \u200d \u00ad",
    "\u00a0nbsp\u2028line\u2029para\u2003em\u1680ogham\u202fnarrow",
    "² ³ ½ Ⅷ ① ٣ ३ 12345 1,234.5 1e10 ௰ \U0001d7d9",
    "ﬁnal ﬂow ﬃ \U0001d4d0\U0001d4ea ㎏ ℡ \ufdfa \u01c4",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ¿¡«»…—–‘’“” ･ \u2e3b $ € + ©",
    "สวัสดีชาวโลก مرحبا بالعالم שָׁלוֹם नमस्ते தமிழ்",
    "a[MASK]b [MASK] [CLS]x[SEP] <mask> a <mask>b <s> </s> <|endoftext|> word",
    "Odd tokens: ab\u0301c ABC abc xabcx abc, [ x ] [x] <a><ab> <abc> oneword one wordone Ünïcode unicode",
    "https://example.com/a?b=c&d=%20 user@host.org #tag @name C++ C# .NET snake_case camelCase",
    "line one\n  indented\n\n\n   more \r\n\r\n end\n", "\ufffd\U000e0001\ue000\U0010ffff\u0378",
    "don\u2019t can't \u2018quoted\u2019 rock'n'roll 'tis 'S\u017f '\u017f",
]
LONG_WORDS = "x" * 99 + " " + "y" * 100 + " " + "z" * 101 + " " + "\u00e9" * 101
PAIRS = [
    ("Who jumps?", "The quick brown fox jumps over the lazy dog."), ("", "only the second"),
    ("only the first", ""), ("Müller's naïve  question", "東京は日本の首都です。 😀 done "),
]
TRUNCATIONS = [
    dict(max=8, strategy="longest_first", side="right", stride=0),
    dict(max=9, strategy="longest_first", side="left", stride=2),
    dict(max=12, strategy="only_second", side="right", stride=3),
    dict(max=14, strategy="only_first", side="left", stride=1),
]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def bert(lowercase, size):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=special, show_progress=False))
    cls, sep = t.token_to_id("[CLS]"), t.token_to_id("[SEP]")
    if lowercase:
        t.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    else:
        t.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    return t


def byte_level(split, prefix_space, special, size=420, normalizer=None, **bpe):
    t = Tokenizer(models.BPE(**bpe))
    if normalizer:
        t.normalizer = normalizer
    if split == GPT2:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return t


def gpt2():
    t = byte_level(GPT2, False, ["<|endoftext|>"])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def roberta(prefix_space, trim):
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    t = byte_level(GPT2, prefix_space, special)
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=prefix_space)
    return t


def llama3():
    t = byte_level(LLAMA3, False, ["<|begin|>", "<|end|>"])
    model = json.loads(t.to_str())
    model["model"]["ignore_merges"] = True
    t = Tokenizer.from_str(json.dumps(model))
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1",
            special_tokens=[("<|begin|>", 0)])])
    return t


def odd():
    """Every kind of added token, and normalizers that change offsets."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="@",
                             end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([
        normalizers.Replace("''", "\""), normalizers.Replace(Regex(r"\s{2,}"), " "),
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
        normalizers.Strip(left=False, right=True)])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.Punctuation("merged_with_previous")])
    t.decoder = decoders.BPEDecoder(suffix="</w>")
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>"], show_progress=False,
        continuing_subword_prefix="@", end_of_word_suffix="</w>", limit_alphabet=60))
    t.add_tokens([
        AddedToken("abc", single_word=True), AddedToken("[x]", lstrip=True, rstrip=True),
        AddedToken("<a>", normalized=False), AddedToken("<ab", normalized=False),
        AddedToken("Ünïcode", normalized=True), AddedToken("word", rstrip=True, single_word=True)])
    t.add_special_tokens([AddedToken("[MASK]", lstrip=True), AddedToken("<|endoftext|>")])
    return t


def sentencepiece_like():
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([
        normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(
        [line.replace(" ", "▁") for line in CORPUS], trainers.BpeTrainer(
            vocab_size=480, special_tokens=special, show_progress=False, limit_alphabet=60))
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    spec = json.loads(t.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(spec))


def word_level():
    words = sorted({w for line in CORPUS for w in line.split()})[:80]
    t = Tokenizer(models.WordLevel({"<unk>": 0} | {w: i + 1 for i, w in enumerate(words)}, "<unk>"))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Split("▁", "removed")])
    t.decoder = decoders.Metaspace()
    return t


TOKENIZERS = {
    "bert-uncased": lambda: bert(True, 400), "bert-cased": lambda: bert(False, 400),
    "gpt2": gpt2, "roberta": lambda: roberta(False, True),
    "roberta-prefix": lambda: roberta(True, True), "llama3": llama3,
    "qwen2": lambda: byte_level(QWEN2, False, ["<|im_end|>"], normalizer=normalizers.NFC()),
    "o200k": lambda: byte_level(O200K, False, ["<|endoftext|>"]),
    "odd": odd, "byte-fallback": sentencepiece_like, "words": word_level,
}


def encoded(e, all_fields=True):
    result = dict(ids=e.ids, offsets=[x for o in e.offsets for x in o], words=e.word_ids)
    if all_fields:
        result |= dict(types=e.type_ids, sequences=e.sequence_ids, special=e.special_tokens_mask,
                       attention=e.attention_mask)
    return result


def record(name, tokenizer):
    path = HERE / f"{name}.json"
    path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")))
    t = Tokenizer.from_file(str(path))
    cases = []
    for text in TEXTS + ([LONG_WORDS] if name.startswith("bert") else []):
        e = t.encode(text)
        cases.append(dict(text=text, encoding=encoded(e, False), skipping=t.decode(e.ids),
                          keeping=t.decode(e.ids, skip_special_tokens=False)))
    for a, b in PAIRS:
        for add in (True, False):
            cases.append(dict(text=a, pair=b, add=add, encoding=encoded(t.encode(a, b, add_special_tokens=add))))
        for cut in TRUNCATIONS:
            t.enable_truncation(cut["max"], stride=cut["stride"], strategy=cut["strategy"], direction=cut["side"])
            try:
                e = t.encode(a, b)
                t.enable_padding(length=16, pad_id=1, direction=cut["side"])
                padded = encoded(t.encode(a, b))
                t.no_padding()
                e = dict(encoding=padded, overflowing=[encoded(o, False) for o in e.overflowing])
            except BaseException:  # a panic where the cut is impossible: recorded as null
                e = dict(encoding=None)
            cases.append(dict(text=a, pair=b, truncation=cut) | e)
            t.no_truncation()
    ids = random.Random(7)
    for _ in range(4):
        some = [ids.randrange(t.get_vocab_size()) for _ in range(20)]
        cases.append(dict(ids=some, skipping=t.decode(some), keeping=t.decode(some, skip_special_tokens=False)))
    lines = ",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in cases)
    (HERE / f"{name}.cases.json").write_text(
        '{"recorded_with":"tokenizers %s","cases":[\n%s\n]}\n' % (tokenizers.__version__, lines))


DIRECTORY_TEXTS = ["Hello, WORLD! Café 東京 x", "A <mask> b[MASK] c<|endoftext|> d", " lead  the lazy dog"]
LISTED = {"5": dict(content="dog", lstrip=True, rstrip=False, normalized=False, single_word=False, special=False)}


def directories():
    """Files of a directory by name; a name of another tokenizer stands for its tokenizer.json."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "hello", "Hello", "world", "cafe", "café",
             "Café", "東", "the", "lazy", "##a", "x", ",", "!", "東京", "a", "A", "b", "c", "d"]
    vocab_txt = "\n".join(words) + "\n"
    bpe = json.loads((HERE / "gpt2.json").read_text())["model"]
    pair = {"vocab.json": json.dumps(bpe["vocab"]),
            "merges.txt": "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in bpe["merges"])}
    roberta = dict(pair)
    roberta["vocab.json"] = json.dumps(bpe["vocab"] | {t: 500 + i for i, t in enumerate(
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])})

    def config(**values):
        return {"tokenizer_config.json": json.dumps(values)}

    def model(kind):
        return {"config.json": json.dumps(dict(model_type=kind))}

    bert = config(tokenizer_class="BertTokenizer")
    return {
        "bert vocabulary": {"vocab.txt": vocab_txt} | model("bert"),
        "bert vocabulary, CR LF": {"vocab.txt": vocab_txt.replace("\n", "\r\n")} | bert,
        "bert vocabulary, cased": {"vocab.txt": vocab_txt} | config(
            tokenizer_class="BertTokenizer", do_lower_case=False, tokenize_chinese_chars=False),
        "bert vocabulary, accents kept": {"vocab.txt": vocab_txt} | config(
            tokenizer_class="DistilBertTokenizer", do_lower_case=True, strip_accents=False),
        "bert, special tokens elsewhere": {
            "vocab.txt": vocab_txt, "special_tokens_map.json": json.dumps(dict(mask_token="dog"))} | bert,
        "gpt2 vocabulary": pair | model("gpt2"),
        "gpt2 vocabulary, prefix space": pair | config(tokenizer_class="GPT2Tokenizer", add_prefix_space=True),
        "gpt2 vocabulary, bos": pair | config(tokenizer_class="GPT2Tokenizer", add_bos_token=True),
        "roberta vocabulary": roberta | model("roberta"),
        "roberta vocabulary, prefix space": roberta | config(
            tokenizer_class="RobertaTokenizer", add_prefix_space=True, trim_offsets=False),
        "bert file, other case": {"tokenizer.json": "bert-cased"} | bert,
        "bert file, listed tokens": {"tokenizer.json": "bert-uncased"} | config(
            tokenizer_class="BertTokenizer", added_tokens_decoder=LISTED, do_lower_case=False),
        "gpt2 file, unlisted tokens": {"tokenizer.json": "llama3"} | config(
            tokenizer_class="PreTrainedTokenizerFast", eos_token="lazy", pad_token="<pad>",
            additional_special_tokens=["the"]),
        "roberta file": {"tokenizer.json": "roberta-prefix"} | config(tokenizer_class="RobertaTokenizer"),
    }


PATTERNS = [
    GPT2, LLAMA3, O200K, r"\w+|[^\w\s]+", r"\W+", r"[^\W\d_]+", r"\d{1,3}(?=(?:\d{3})*\b)", r"(?i:[a-k]+|S)|\s",
    r"[^\S\n]+|^.|.$", r"(?<!a)[\p{L}&&[^e]]++", r"\p{Lu}\p{M}*|\p{Nd}|\p{^P}\p{Po}", r"(?>a+|b)c?|(?:x|y|z)+w",
    r"\s+(?!\S)|\h{2,}?", r"(?=l)|(?<=[eo])", r"\A.|.\z|\b[tT]", r"[[:punct:]]|[[:digit:][:space:]]+|[^[:word:]]",
    r"a{,2}e|e{2}|x{3,}|o{1,2}+", r"(?m:a.c)|(?i)the(?-i)|\x{e9}|\u00fc|[\x41-\x43\-\]]", r"(?<name>un|re).*?o",
    r"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[一-龥぀-ゟ゠-ヿ]+", r"\p{Number}|\p{Uppercase_Letter}|\p{Z}",
]


def record_patterns():
    entries = []
    behaviors = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
    texts = TEXTS[6:10] + TEXTS[17:21] + TEXTS[25:] + ["¤¹8lag ²ª", "xxxw xyzw aac ac bc", "e l hello\nee\n"]
    for i, pattern in enumerate(PATTERNS):
        behavior, invert = behaviors[i % 5], i % 3 == 2
        split = pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)
        entries.append(dict(
            pattern=pattern, behavior="".join(w.capitalize() for w in behavior.split("_")), invert=invert,
            cases=[dict(text=t, offsets=[x for _, o in split.pre_tokenize_str(t) for x in o]) for t in texts]))
    lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
    (HERE / "patterns.json").write_text('{"patterns":[\n%s\n]}\n' % lines)


def record_directories():
    import tempfile
    import transformers
    result = []
    for name, files in directories().items():
        with tempfile.TemporaryDirectory() as path:
            if "config.json" not in files:
                files["config.json"] = json.dumps(dict(model_type="bert"))
            for file, content in files.items():
                if file == "tokenizer.json":
                    content = (HERE / f"{content}.json").read_text()
                (pathlib.Path(path) / file).write_text(content, newline="")
            t = transformers.AutoTokenizer.from_pretrained(path, use_fast=True)
            cases = []
            for text in DIRECTORY_TEXTS:
                e = t(text, return_offsets_mapping=True)
                cases.append(dict(text=text, ids=e["input_ids"], offsets=[x for o in e["offset_mapping"] for x in o],
                                  skipping=t.decode(e["input_ids"], skip_special_tokens=True,
                                                    clean_up_tokenization_spaces=False)))
            result.append(dict(name=name, files=files, pad=t.pad_token_id, cases=cases))
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in result)
    (HERE / "directories.json").write_text(
        '{"recorded_with":"transformers %s","directories":[\n%s\n]}\n' % (transformers.__version__, lines))


if __name__ == "__main__":
    record_patterns()
    for name, make in TOKENIZERS.items():
        record(name, make())
    record_directories()
