"""Trains small tokenizers of the families that record.py lacks and records what they make of awkward text.

    python Tests/Fixtures/tokenizers/record_families.py

writes NAME.json, a tokenizer.json trained by PyPI's `tokenizers`, and NAME.cases.json, what the
library makes of the texts of record.py. The character maps are made by PyPI's `sentencepiece`.
"""

import base64
import io
import json
import pathlib
import tempfile
import unicodedata

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from record import CORPUS, TEXTS

HERE = pathlib.Path(__file__).resolve().parent
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
          r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
MORE = [
    "a\u0301bc A\u030aB \u1ea1\u0302 \u1e9b\u0323 \u00a9\u200d\u00ae x\u200dy \t\u0301z", "ｶﾞｷﾞ ﾊﾟ が ｈｅｌｌｏ　ｗｏｒｌｄ ①②③ ㍿ ﷺ ﷺ!",
    "\u00ad\u200b zero\u200bwidth \u00a0\u2003 \u0007bell\u0085", "``quoted'' ''twice`` and \"plain\"  double  spaces ",
    "▁▁ already ▁marked▁ <unk> <0x41> <s>a</s>b<pad> <extra_id_0>", "\n\n\n\t\tx\n y\r\nz ",
]


def trained(corpus=CORPUS, rules=None, **options):
    """A model of the library whose files and character maps have this form, as its protobuf."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory:
        if rules:
            path = pathlib.Path(directory) / "rules.tsv"
            lines = (" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) for a, b in rules)
            path.write_text("\n".join(lines) + "\n")
            options["normalization_rule_tsv"] = str(path)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_writer=out, hard_vocab_limit=False, minloglevel=2,
            num_threads=1, **options)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return model


def rules(casefold=False):
    """Rules like those of the published models for the characters of the texts."""
    found = {}
    texts = TEXTS + MORE
    keys = {c for t in texts for c in t} | {a + b for t in texts for a, b in zip(t, t[1:]) if unicodedata.combining(b)}
    for key in sorted(keys):
        if key in "\t\n\r\x0b\x0c\x85" or unicodedata.category(key[0]) in ("Zs", "Zl", "Zp"):
            value = " "
        elif unicodedata.category(key[0]) in ("Cc", "Cf") and key != "\u200d":
            value = ""
        else:
            value = unicodedata.normalize("NFKC", key)
            value = value.lower() if casefold else value
        if value != key and "\0" not in key:
            found[key] = value
    return sorted(found.items())


def character_map(**options):
    model = trained(rules=rules(**options), vocab_size=60, model_type="bpe", corpus=CORPUS[:2])
    return normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)


def unigram(special, size, normalizer, pre_tokenizer, unknown="<unk>"):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer, t.decoder = normalizer, pre_tokenizer, decoders.Metaspace()
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=special, unk_token=unknown, show_progress=False, max_piece_length=8))
    return t


def template(t, single, pair, *tokens):
    t.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(x, t.token_to_id(x)) for x in tokens])
    return t


def t5():
    extra = [f"<extra_id_{i}>" for i in range(3)]
    t = unigram(["<pad>", "</s>", "<unk>"], 260, character_map(), pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]))
    t.add_special_tokens(extra)
    return template(t, "$A </s>", "$A </s> $B </s>", "</s>")


def xlm_roberta():
    t = unigram(["<s>", "<pad>", "</s>", "<unk>"], 300, normalizers.Sequence(
        [character_map(), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Metaspace(prepend_scheme="always"))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return template(t, "<s> $A </s>", "<s> $A </s> </s> $B </s>", "<s>", "</s>")


def albert():
    t = unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], 220, normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
        normalizers.Lowercase(), character_map(casefold=True), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Metaspace(prepend_scheme="always"))
    return template(t, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", "[CLS]", "[SEP]")


def unigram_bytes():
    """Whole texts as one word, bytes for what is unknown, as Llama's relatives with Unigram have it."""
    t = unigram(["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)], 420, None,
                pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    spec = json.loads(t.to_str())
    spec["model"]["byte_fallback"] = True
    spec["added_tokens"] = spec["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(spec))
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return template(t, "<s> $A", "<s> $A <s>:1 $B:1", "<s>")


def byte_fallback(special, size=420):
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    special = special + [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator([line.replace(" ", "▁") for line in CORPUS], trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False, limit_alphabet=50))
    spec = json.loads(t.to_str())
    spec["added_tokens"] = [a for a in spec["added_tokens"] if not a["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(spec))


def llama2():
    t = byte_fallback(["<unk>", "<s>", "</s>"])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return template(t, "<s> $A", "<s> $A <s>:1 $B:1", "<s>")


def gemma():
    t = byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>"])
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_tokens([AddedToken(x, normalized=False) for x in ("\n\n", "\n\n\n", "▁▁", "▁▁▁", "\t\t")])
    return template(t, "<bos> $A", "<bos> $A <bos>:1 $B:1", "<bos>")


def gpt4():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CL100K), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    spec = json.loads(t.to_str())
    spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
    t = Tokenizer.from_str(json.dumps(spec))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def scripts():
    t = unigram(["<unk>"], 200, None, pre_tokenizers.Sequence(
        [pre_tokenizers.UnicodeScripts(), pre_tokenizers.Metaspace(prepend_scheme="never")]))
    return t


FAMILIES = {
    "scripts": scripts,
    "t5": t5, "xlm-roberta": xlm_roberta, "albert": albert, "unigram-bytes": unigram_bytes, "llama2": llama2,
    "gemma": gemma, "gpt4": gpt4,
}


def record(name, tokenizer):
    path = HERE / f"{name}.json"
    path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")))
    t = Tokenizer.from_file(str(path))
    cases = []
    for text in TEXTS + MORE:
        e = t.encode(text)
        cases.append(dict(text=text, encoding=dict(
            ids=e.ids, offsets=[x for o in e.offsets for x in o], words=e.word_ids),
            skipping=t.decode(e.ids), keeping=t.decode(e.ids, skip_special_tokens=False)))
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    (HERE / f"{name}.cases.json").write_text(
        '{"recorded_with":"tokenizers %s","cases":[\n%s\n]}\n' % (tokenizers.__version__, lines))


if __name__ == "__main__":
    for name, make in FAMILIES.items():
        record(name, make())
