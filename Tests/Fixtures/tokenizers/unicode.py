"""Writes Sources/BurinHub/Tokenizer/UnicodeData.swift from what PyPI's `tokenizers` does.

The package mixes the tables of five libraries and four Unicode versions: each property is asked of
the component that uses it, for every scalar, so that new assignments are treated as it treats them.

    python Tests/Fixtures/tokenizers/unicode.py
"""

import pathlib
import unicodedata

import tokenizers
from tokenizers import Regex
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(SCALARS)
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"


def matched(pattern):
    """The scalars that a regular expression of the Split pre-tokenizer (Oniguruma) matches."""
    split = P.Split(Regex(f"(?:{pattern})+"), behavior="removed", invert=True)
    found = set()
    for piece, _ in split.pre_tokenize_str(TEXT):
        found.update(piece)
    return found


def each(normalizer, bar="\n"):
    """What a normalizer makes of every scalar by itself; it leaves the bar alone."""
    others = [c for c in SCALARS if c != bar]
    out = normalizer.normalize_str("".join(c + bar for c in others)).split(bar)
    assert len(out) == len(others) + 1
    return dict(zip(others, out)) | {bar: bar}


def kept(pre_tokenizer):
    found = set()
    for piece, _ in pre_tokenizer.pre_tokenize_str(TEXT):
        found.update(piece)
    return found


everything = set(SCALARS)
category = {}
for number, name in enumerate(CATEGORIES):
    for c in matched(r"\p{%s}" % name):
        assert c not in category, (hex(ord(c)), name)
        category[c] = number
assert len(category) == len(SCALARS), len(category)

clean = each(N.BertNormalizer(True, False, False, False), "|")
accents = each(N.BertNormalizer(False, False, True, False))
marks = each(N.StripAccents())
nfd, nfkd = each(N.NFD()), each(N.NFKD())
nfc, nfkc = each(N.NFC()), each(N.NFKC())
lower = each(N.Lowercase())
punctuation = everything - kept(P.Punctuation("removed"))
space = everything - kept(P.WhitespaceSplit())
numeric = set()
for piece, _ in P.Digits(True).pre_tokenize_str("".join("|" + c for c in SCALARS)):
    # A number stands alone; everything else stays with the bar before it.
    if not piece.startswith("|"):
        numeric.add(piece[0])
word = set()
probe = "".join(c + "a " for c in SCALARS)
for piece, _ in P.Whitespace().pre_tokenize_str(probe):
    if len(piece) == 2 and piece[1] == "a":
        word.add(piece[0])
regex_word, regex_space, regex_digit = matched(r"\w"), matched(r"\s"), matched(r"\d")

combining = {}
for c in SCALARS:
    ccc = unicodedata.combining(c)
    if ccc:
        other = "\u0334" if ccc > 1 else "\u0323"
        pair = c + other if ccc > 1 else other + c
        if N.NFD().normalize_str("a" + pair) == "a" + N.NFD().normalize_str(pair[1] + pair[0]) and \
                N.NFD().normalize_str("a" + pair) != "a" + nfd[pair[0]] + nfd[pair[1]]:
            combining[c] = ccc

hangul = {chr(c) for c in range(0xAC00, 0xD7A4)}
canonical = {c: d for c, d in nfd.items() if d != c and c not in hangul}
compatible = {c: d for c, d in nfkd.items() if d != nfd[c] and c not in hangul}
compose = {}
for c, d in canonical.items():
    head = N.NFC().normalize_str(d[:-1])
    if len(d) > 1 and len(head) == 1 and nfc[c] == c and N.NFC().normalize_str(head + d[-1]) == c:
        compose[(head, d[-1])] = c
second = {b for _, b in compose} | {chr(c) for c in range(0x1161, 0x11C3)}

assert all(clean[c] in ("", " ", c) for c in SCALARS)
flags = {}
for c in SCALARS:
    bits = [
        clean[c] == "" and c not in "\0\ufffd",
        accents[c] == "",
        marks[c] == "",
        c in punctuation,
        c in space,
        c in numeric,
        c in word,
        c in regex_word,
        c in regex_space,
        c in canonical or c in combining or c in hangul,
        c in compatible or c in canonical or c in combining or c in hangul,
        c in second or nfc[c] != c,
        lower[c] != c,
    ]
    flags[c] = category[c] | sum(1 << (5 + i) for i, bit in enumerate(bits) if bit)
assert regex_digit == {c for c in SCALARS if category[c] == CATEGORIES.index("Nd")}


def varint(value):
    out = ""
    while value >= 32:
        out += ALPHABET[32 | value & 31]
        value >>= 5
    return out + ALPHABET[value]


def runs():
    """(length, class) over all code points; surrogates count as the scalar before them."""
    out, last, length = [], flags["\0"], 0
    for code in range(0x110000):
        bits = last if 0xD800 <= code < 0xE000 else flags[chr(code)]
        if bits != last:
            out.append((length, last))
            last, length = bits, 0
        length += 1
    return out + [(length, last)]


def mapping(table):
    out, last = varint(len(table)), 0
    for c in sorted(table):
        out += varint(ord(c) - last) + varint(len(table[c])) + "".join(varint(ord(d)) for d in table[c])
        last = ord(c)
    return out


classes = sorted(set(flags.values()))
assert len(classes) <= 256, len(classes)
number = {bits: i for i, bits in enumerate(classes)}
print(len(classes), "classes,", len(runs()), "runs")
ccc_runs, codes = [], sorted(ord(c) for c in combining)
for code in codes:
    ccc = combining[chr(code)]
    if ccc_runs and ccc_runs[-1][0] + ccc_runs[-1][1] == code and ccc_runs[-1][2] == ccc:
        ccc_runs[-1][1] += 1
    else:
        ccc_runs.append([code, 1, ccc])

tables = {
    "classes": "".join(map(varint, [len(classes)] + classes)),
    "runs": "".join(varint(n) + varint(number[bits]) for n, bits in runs()),
    "combining": varint(len(ccc_runs)) + "".join("".join(map(varint, run)) for run in ccc_runs),
    "canonical": mapping(canonical),
    "compatible": mapping(compatible),
    "lowercase": mapping({c: d for c, d in lower.items() if d != c}),
    "compositions": varint(len(compose)) + "".join(
        varint(ord(a)) + varint(ord(b)) + varint(ord(compose[(a, b)])) for a, b in sorted(compose)),
}
docs = {
    "classes": "The property bits of each class of scalars.",
    "runs": "Lengths and classes of runs that cover all code points.",
    "combining": "First scalar, length and canonical combining class of runs.",
    "canonical": "Full canonical decompositions, without Hangul.",
    "compatible": "Full compatibility decompositions where they differ from the canonical ones.",
    "lowercase": "Lower-case mappings of single scalars.",
    "compositions": "Primary composites: two scalars and the one that they make, without Hangul.",
}
lines = [
    "// Generated by Tests/Fixtures/tokenizers/unicode.py from tokenizers " + tokenizers.__version__ + ".",
    "// Numbers in digits of 5 bits, the lowest first, 32 added to all but the last; newlines do not count.",
    "",
    "/// The tables behind `UnicodeTables`.",
    "enum UnicodeData {",
]
for name, data in tables.items():
    lines.append(f"  /// {docs[name]}")
    lines.append(f'  static let {name}: StaticString = """')
    lines += ["    " + data[i:i + 92] for i in range(0, len(data), 92)]
    lines += ['    """', ""]
lines[-1] = "}"
root = pathlib.Path(__file__).resolve().parents[3]
path = root / "Sources/BurinHub/Tokenizer/UnicodeData.swift"
path.write_text("\n".join(lines).replace("do not count.", "do not\n// count.") + "\n")
print({k: len(v) for k, v in tables.items()})
