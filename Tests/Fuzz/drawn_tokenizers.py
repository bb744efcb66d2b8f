"""Tokenizers of random parts, trained on a few sentences, and awkward texts for them."""

import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZERS = os.path.join(HERE, "..", "Fixtures", "tokenizers")
sys.path.insert(0, TOKENIZERS)

from record import CORPUS, GPT2, LLAMA3, O200K, PATTERNS, QWEN2, TEXTS

# How published tokenizers cut text, beside those that are recorded.
SPLITS = [GPT2, LLAMA3, QWEN2, O200K, *PATTERNS,
          r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM
          r"[0-9][0-9][0-9]", r"\p{N}{1,3}", r"\s?\p{L}+|\s?\p{N}+|\s?[^\s\p{L}\p{N}]+|\s+", r"\d", r"▁"]
BEHAVIORS = "removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"
MARKS = "▁", "_", "Ġ", "·"
SPECIAL = "<unk>", "<s>", "</s>", "<pad>", "<mask>"
# Scalars that normalisation, spaces and classes of letters treat in ways of their own.
SCALARS = (
    " \t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u202f\u3000\u200b\u200d\ufeff\xad\x07\x7f"
    "\u0301\u0323\u0308\u030a\u0338\u05bf\u064b\u093c\u0345\u1161\u11a8\uac00\u1100\uff76\uff9e"
    "éÅßẞİıſςΣǅﬁ㎏½²٣๓𝟙Ⅷ東龥ぬｱ😀👍🏽🇩\U000e0001\ue000\U0010ffff\ufffd\u0378"
    "▁_Ġ·'’\"`.,!?()[]<>/\\|@#$€+~^-–—0123456789aAbBeEsStT")


class Draw(random.Random):
    def one(self, *choices):
        return self.choice(choices)

    def chance(self, probability):
        return self.random() < probability

    def few(self, most, draw):
        return [draw() for _ in range(self.randint(0, most))]


def characters(name):
    """The character map of a recorded tokenizer."""
    with open(os.path.join(TOKENIZERS, name + ".json")) as file:
        steps = [json.load(file)["normalizer"]]
    while steps:
        step = steps.pop()
        if step["type"] == "Precompiled":
            return step
        steps += step.get("normalizers", [])


# MARK: Parts

def normalizer(r):
    kind = r.randint(0, 12)
    if kind < 4:
        return r.one(normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD)()
    if kind == 4:
        return normalizers.BertNormalizer(
            clean_text=r.chance(0.5), handle_chinese_chars=r.chance(0.5),
            strip_accents=r.one(None, True, False), lowercase=r.chance(0.5))
    if kind == 5:
        return normalizers.Prepend(r.one("▁", " ", "x", "▁▁", "é"))
    if kind in (6, 7):
        pattern = r.one(" ", "''", "``", "▁", "e", "\n", "é")
        if r.chance(0.5):
            pattern = Regex(r.one(r" {2,}", r"\s+", r"\p{M}", r"\d", r"[aeiou]", r"\s+$", r"^\s*", r"(?<=a)b?"))
        return normalizers.Replace(pattern, r.one("", " ", "▁", "\"", "xy", "é"))
    if kind == 8:
        return normalizers.Strip(left=r.chance(0.5), right=r.chance(0.5))
    return r.one(normalizers.Lowercase, normalizers.StripAccents, normalizers.Nmt, normalizers.ByteLevel)()


def pre_tokenizer(r):
    kind = r.randint(0, 11)
    if kind < 3:
        split = r.choice(SPLITS)
        return pre_tokenizers.Split(
            r.one("▁", " ", "e", "th") if r.chance(0.2) else Regex(split), r.choice(BEHAVIORS),
            invert=r.chance(0.25))
    if kind in (3, 4):
        return pre_tokenizers.Metaspace(
            replacement=r.choice(MARKS) if r.chance(0.3) else "▁",
            prepend_scheme=r.one("always", "first", "never"), split=r.chance(0.6))
    if kind == 5:
        return pre_tokenizers.Punctuation(r.choice(BEHAVIORS))
    if kind == 6:
        return pre_tokenizers.Digits(individual_digits=r.chance(0.5))
    if kind == 7:
        return pre_tokenizers.CharDelimiterSplit(r.one(" ", "e", "▁", "東"))
    if kind == 8:
        return pre_tokenizers.ByteLevel(add_prefix_space=r.chance(0.5), use_regex=r.chance(0.6))
    if kind == 9:
        return r.one(pre_tokenizers.UnicodeScripts, pre_tokenizers.BertPreTokenizer)()
    return r.one(pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit)()


def decoder(r):
    kind = r.randint(0, 9)
    if kind == 0:
        return decoders.Replace(r.one("▁", "Ġ", "e", Regex(r"\s+"), Regex("[aeiou]")), r.one(" ", "", "xy"))
    if kind == 1:
        return decoders.Strip(r.one(" ", "▁", "e"), r.randint(0, 2), r.randint(0, 2))
    if kind == 2:
        return decoders.Metaspace(
            replacement=r.choice(MARKS) if r.chance(0.3) else "▁",
            prepend_scheme=r.one("always", "first", "never"), split=r.chance(0.5))
    if kind == 3:
        return decoders.WordPiece(prefix=r.one("##", "@"), cleanup=r.chance(0.5))
    if kind == 4:
        return decoders.BPEDecoder(suffix=r.one("</w>", "e"))
    if kind == 5:
        return decoders.CTC(pad_token=r.one("<pad>", "e"), word_delimiter_token=r.one("|", "▁"),
                            cleanup=r.chance(0.5))
    return r.one(decoders.ByteLevel, decoders.ByteFallback, decoders.Fuse)()


def sequence(r, kind, steps):
    """Some steps in a row, one alone, or none."""
    steps = [step for step in steps if step is not None]
    if len(steps) == 1 and r.chance(0.7):
        return steps[0]
    return kind(steps) if steps else None


def odd_steps(r, draw, step, most=2):
    """The step of a kind, now and then with others around it."""
    if r.chance(0.6):
        return [step]
    return [*r.few(most, draw), step, *r.few(most, draw)]


def post_processor(r, t):
    """Tokens around a text."""
    kind = r.randint(0, 6)
    names = [n for n in SPECIAL if t.token_to_id(n) is not None]
    if kind == 0 or not names:
        return processors.ByteLevel(trim_offsets=r.chance(0.5), add_prefix_space=r.chance(0.5))
    (a, b) = ((n, t.token_to_id(n)) for n in (r.choice(names), r.choice(names)))
    if kind == 1:
        return processors.BertProcessing(a, b)
    if kind == 2:
        return processors.RobertaProcessing(
            a, b, trim_offsets=r.chance(0.5), add_prefix_space=r.chance(0.5))
    if kind == 3:
        return processors.Sequence([processors.ByteLevel(trim_offsets=r.chance(0.5)), template(r, a, b)])
    return template(r, a, b) if kind < 6 else None


def template(r, a, b):
    single = r.one(f"{a[0]} $A {b[0]}", f"{a[0]} $A", f"$A {b[0]}", f"{a[0]} {a[0]} $A:1 {b[0]}:1")
    return processors.TemplateProcessing(
        single=single, pair=f"{single} $B:1 {b[0]}:1", special_tokens=list({a[0]: a, b[0]: b}.values()))


def added(r):
    """Tokens to be found in text, with the properties that decide where."""
    words = ["abc", "ab", "<a>", "[x]", "word", "Ünïcode", "e\u0301", " the", "the", "1", "\n", "  ", "東京", "tok en",
             "<|im_start|>", "▁a", "é", "É", "A", "😀", "##s", "ﬁ"]
    return [AddedToken(content, single_word=r.chance(0.3), lstrip=r.chance(0.3), rstrip=r.chance(0.3),
                       normalized=r.chance(0.5), special=r.chance(0.4))
            for content in r.sample(words, r.randint(0, 5))]


# MARK: Kinds

def train(t, trainer):
    t.train_from_iterator(CORPUS, trainer)
    return t


def byte_level(r):
    """GPT-2 and what came after it."""
    t = Tokenizer(models.BPE())
    split = r.choice(SPLITS)
    last = pre_tokenizers.ByteLevel(add_prefix_space=r.chance(0.3), use_regex=split == GPT2)
    before = []
    if split != GPT2:
        before = [pre_tokenizers.Split(Regex(split), r.one("isolated", *BEHAVIORS), invert=r.chance(0.1))]
    elif r.chance(0.3):
        before = [r.one(pre_tokenizers.Digits(individual_digits=r.chance(0.7)),
                        pre_tokenizers.Punctuation("contiguous"))]
    t.pre_tokenizer = sequence(r, pre_tokenizers.Sequence, [*before, last])
    if r.chance(0.3):
        t.normalizer = sequence(r, normalizers.Sequence, odd_steps(r, lambda: normalizer(r), normalizers.NFC()))
    t.decoder = decoders.ByteLevel()
    return train(t, trainers.BpeTrainer(
        vocab_size=r.randint(270, 450), special_tokens=r.sample(SPECIAL, 3), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))


def byte_fallback(r):
    """Llama 2, Gemma, and Mistral: spaces as a mark, bytes for what is not there."""
    t = Tokenizer(models.BPE(
        **({"unk_token": "<unk>"} if r.chance(0.7) else {}), byte_fallback=True, fuse_unk=r.chance(0.5)))
    kind = r.one("llama", "gemma", "metaspace")
    if kind == "llama":
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif kind == "gemma":
        t.normalizer = normalizers.Replace(" ", "▁")
        t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace(
            prepend_scheme=r.one("always", "first", "never"), split=r.chance(0.5))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if kind != "gemma":
        steps.append(decoders.Strip(" ", 1, 0))
    t.decoder = decoders.Sequence(steps)
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    if r.chance(0.2):
        bytes_ = r.sample(bytes_, 200)
    return unlisted(train(t, trainers.BpeTrainer(
        vocab_size=r.randint(320, 480), special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False,
        limit_alphabet=r.randint(20, 90))))


def unlisted(t, **model):
    """Without the bytes among the added tokens."""
    spec = json.loads(t.to_str())
    spec["added_tokens"] = [a for a in spec["added_tokens"] if not a["content"].startswith("<0x")]
    spec["model"] |= model
    return Tokenizer.from_str(json.dumps(spec))


def suffixes(r):
    """BPE over characters, with marks for the ends of words or for their insides, as CLIP has it."""
    prefix, suffix = r.one(None, "@", "##"), r.one(None, "</w>", "#")
    more = {k: v for k, v in dict(continuing_subword_prefix=prefix, end_of_word_suffix=suffix).items() if v}
    t = Tokenizer(models.BPE(
        **({"unk_token": "<unk>"} if r.chance(0.6) else {}), fuse_unk=r.chance(0.5), **more))
    t.normalizer = sequence(r, normalizers.Sequence, r.few(3, lambda: normalizer(r)))
    t.pre_tokenizer = sequence(
        r, pre_tokenizers.Sequence, odd_steps(r, lambda: pre_tokenizer(r), pre_tokenizers.Whitespace()))
    t.decoder = decoders.BPEDecoder(suffix=suffix or "</w>")
    return train(t, trainers.BpeTrainer(
        vocab_size=r.randint(100, 320), special_tokens=["<unk>", *r.sample(SPECIAL[1:], 2)], show_progress=False,
        limit_alphabet=r.randint(20, 90), **more))


def unigram(r):
    """T5, XLM-R, ALBERT."""
    t = Tokenizer(models.Unigram())
    steps = r.few(2, lambda: normalizer(r))
    t.pre_tokenizer = sequence(r, pre_tokenizers.Sequence, [
        pre_tokenizers.WhitespaceSplit() if r.chance(0.3) else None,
        pre_tokenizers.Metaspace(prepend_scheme=r.one("always", "first", "never"), split=r.chance(0.8))])
    t.decoder = decoders.Metaspace(prepend_scheme=r.one("always", "first", "never"))
    t.normalizer = sequence(r, normalizers.Sequence, steps)
    special, has_bytes = ["<pad>", "<unk>", "<s>", "</s>"], r.chance(0.3)
    if has_bytes:
        special += [f"<0x{b:02X}>" for b in range(256)]
    train(t, trainers.UnigramTrainer(
        vocab_size=r.randint(220, 400) + 256 * has_bytes, special_tokens=special, unk_token="<unk>",
        show_progress=False, max_piece_length=r.randint(2, 12)))
    spec = json.loads(unlisted(t, byte_fallback=has_bytes).to_str())
    if r.chance(0.6):
        more = [characters(r.one("t5", "albert"))]
        if spec["normalizer"]:
            more = [spec["normalizer"], *more] if r.chance(0.5) else [*more, spec["normalizer"]]
        spec["normalizer"] = {"type": "Sequence", "normalizers": more} if len(more) > 1 else more[0]
    if r.chance(0.1):
        spec["model"]["unk_id"] = None
    return Tokenizer.from_str(json.dumps(spec))


def word_piece(r):
    """BERT's."""
    prefix = r.one("##", "##", "@", "")
    t = Tokenizer(models.WordPiece(unk_token="<unk>"))
    t.normalizer = sequence(r, normalizers.Sequence, odd_steps(
        r, lambda: normalizer(r), normalizers.BertNormalizer(
            clean_text=r.chance(0.8), handle_chinese_chars=r.chance(0.8),
            strip_accents=r.one(None, True, False), lowercase=r.chance(0.5))))
    t.pre_tokenizer = sequence(
        r, pre_tokenizers.Sequence, odd_steps(r, lambda: pre_tokenizer(r), pre_tokenizers.BertPreTokenizer()))
    t.decoder = decoders.WordPiece(prefix=prefix, cleanup=r.chance(0.5))
    train(t, trainers.WordPieceTrainer(
        vocab_size=r.randint(100, 400), special_tokens=list(SPECIAL), show_progress=False,
        limit_alphabet=r.randint(20, 120), continuing_subword_prefix=prefix))
    spec = json.loads(t.to_str())
    spec["model"]["max_input_chars_per_word"] = r.one(100, 100, r.randint(1, 12))
    return Tokenizer.from_str(json.dumps(spec))


def words(r):
    """Whole words, cut in any way."""
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = sequence(r, normalizers.Sequence, r.few(3, lambda: normalizer(r)))
    t.pre_tokenizer = sequence(r, pre_tokenizers.Sequence, r.few(3, lambda: pre_tokenizer(r)))
    return train(t, trainers.WordLevelTrainer(
        vocab_size=r.randint(20, 200), special_tokens=list(SPECIAL), show_progress=False))


KINDS = {"byte-level": byte_level, "byte-fallback": byte_fallback, "suffixes": suffixes, "unigram": unigram,
         "word-piece": word_piece, "words": words}


def tokenizer(r, kind):
    t = KINDS[kind](r)
    tokens = added(r)
    for token in tokens:
        (t.add_special_tokens if token.special else t.add_tokens)([token])
    if r.chance(0.5):
        t.add_special_tokens([AddedToken("<mask>", lstrip=r.chance(0.7))])
    made = post_processor(r, t)
    if made is not None:
        t.post_processor = made
    if r.chance(0.3):
        steps = r.few(3, lambda: decoder(r))
        if steps:
            t.decoder = sequence(r, decoders.Sequence, steps)
    spec = json.loads(t.to_str())
    if "ignore_merges" in spec["model"] and r.chance(0.3):
        spec["model"]["ignore_merges"] = True
    return spec, [token.content for token in tokens]


def texts(r, tokens):
    """Recorded texts, texts put together from pieces of them, and scalars at random."""
    pieces = [*tokens, "<mask>", "<s>", "<0x41>", *" ".join(CORPUS).split()]
    made = r.sample(TEXTS, 6) + [r.choice(CORPUS)]
    for _ in range(14):
        made.append("".join(
            r.choice(pieces if r.chance(0.5) else SCALARS) + r.one("", "", " ", "  ", "\n")
            for _ in range(r.randint(1, 12))))
    made.append("".join(chr(r.one(r.randint(1, 0x2ff), r.randint(0x300, 0xd7ff), r.randint(0xe000, 0x1ffff)))
                        for _ in range(30)))
    return made
