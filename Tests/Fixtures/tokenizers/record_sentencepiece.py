"""Trains small SentencePiece models and records what transformers makes of directories that hold them.

    python Tests/Fixtures/tokenizers/record_sentencepiece.py

writes NAME.spm, a model of PyPI's `sentencepiece`, and sentencepiece.json: files of directories, in
which the name of a model stands for its contents, and what AutoTokenizer's tokenizers return.
"""

import json
import pathlib
import tempfile

import sentencepiece
import transformers

from record import CORPUS, TEXTS
from record_families import MORE, rules, trained

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = [TEXTS[i] for i in (4, 6, 9, 13, 16, 22, 25)] + MORE


def models():
    unigram = dict(model_type="unigram", vocab_size=260, rules=rules())
    bpe = dict(model_type="bpe", byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity",
               remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True)
    return {
        "t5": trained(pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **unigram),
        "xlm-roberta": trained(unk_id=0, bos_id=1, eos_id=2, **unigram),
        "albert": trained(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols="[CLS],[SEP],[MASK]",
                          user_defined_symbols="(,)", **dict(unigram, rules=rules(casefold=True))),
        "deberta": trained(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
                           eos_piece="[SEP]", unk_piece="[UNK]", **dict(unigram, rules=rules()[:40])),
        "llama": trained(unk_id=0, bos_id=1, eos_id=2, vocab_size=480, **bpe),
        "gemma": trained(pad_id=0, eos_id=1, bos_id=2, unk_id=3, vocab_size=480, add_dummy_prefix=False,
                         user_defined_symbols="<start_of_turn>,<end_of_turn>,\t\t", **bpe),
        "source": trained(unk_id=1, bos_id=-1, eos_id=0, corpus=CORPUS[:4] * 3, **dict(unigram, vocab_size=150)),
        "target": trained(unk_id=1, bos_id=-1, eos_id=0, corpus=CORPUS[4:8] * 3, **dict(unigram, vocab_size=150)),
    }


def config(**values):
    return {"tokenizer_config.json": json.dumps(values)}


def kind(name):
    return {"config.json": json.dumps(dict(model_type=name))}


def directories(found):
    pieces = ["</s>", "<unk>", ">>deu<<", ">>fra<<"]
    for name in ("source", "target"):
        pieces += [p.piece for p in found[name].pieces if p.piece not in pieces]
    # Some of the pieces are missing, as in published vocabularies.
    pieces = pieces[:60] + pieces[70:] + ["<pad>"]
    vocab = {"vocab.json": json.dumps({p: i for i, p in enumerate(pieces)}, ensure_ascii=False)}
    many = {"sentencepiece.bpe.model": "xlm-roberta", "vocab.json": json.dumps({p: i for i, p in enumerate(
        ["<s>", "<pad>", "</s>", "<unk>"] + [p.piece for p in found["xlm-roberta"].pieces][3:])}, ensure_ascii=False)}
    marian = {"source.spm": "source", "target.spm": "target"} | vocab
    apart = {"target_vocab.json": json.dumps({p.piece: i for i, p in enumerate(
        found["target"].pieces)}, ensure_ascii=False)}
    return {
        "t5": {"spiece.model": "t5"} | kind("t5") | config(extra_ids=3),
        "t5, not legacy": {"spiece.model": "t5"} | kind("t5") | config(
            tokenizer_class="T5Tokenizer", legacy=False, extra_ids=2,
            additional_special_tokens=["<extra_id_0>", "<extra_id_1>"]),
        "mt5": {"spiece.model": "t5"} | kind("mt5") | config(tokenizer_class="T5Tokenizer", extra_ids=0),
        "xlm-roberta": {"sentencepiece.bpe.model": "xlm-roberta"} | kind("xlm-roberta"),
        "camembert": {"sentencepiece.bpe.model": "xlm-roberta"} | kind("camembert"),
        "albert": {"spiece.model": "albert"} | kind("albert"),
        "albert, cased": {"spiece.model": "albert"} | config(
            tokenizer_class="AlbertTokenizer", do_lower_case=False, keep_accents=True),
        "deberta": {"spm.model": "deberta"} | kind("deberta-v2"),
        "deberta, punctuation": {"spm.model": "deberta"} | config(
            tokenizer_class="DebertaV2Tokenizer", do_lower_case=True, split_by_punct=True),
        "pegasus": {"spiece.model": "t5"} | kind("pegasus") | config(offset=7),
        "llama": {"tokenizer.model": "llama"} | kind("llama"),
        "llama, not legacy": {"tokenizer.model": "llama"} | config(
            tokenizer_class="LlamaTokenizer", legacy=False, add_eos_token=True, pad_token="<pad>"),
        "llama, no space": {"tokenizer.model": "llama"} | config(
            tokenizer_class="LlamaTokenizer", add_prefix_space=False, add_bos_token=False),
        "gemma": {"tokenizer.model": "gemma"} | kind("gemma"),
        "marian": marian | kind("marian"),
        "mbart": {"sentencepiece.bpe.model": "xlm-roberta"} | kind("mbart") | config(src_lang="de_DE"),
        "mbart50": {"sentencepiece.bpe.model": "xlm-roberta"} | config(tokenizer_class="MBart50Tokenizer"),
        "nllb": {"sentencepiece.bpe.model": "xlm-roberta"} | kind("m2m_100") | config(
            tokenizer_class="NllbTokenizer", src_lang="ron_Latn"),
        "nllb, legacy, bpe": {"sentencepiece.bpe.model": "llama"} | kind("m2m_100") | config(
            tokenizer_class="NllbTokenizer", legacy_behaviour=True,
            additional_special_tokens=["fra_Latn", "eng_Latn"]),
        "m2m100": many | kind("m2m_100"),
        "m2m100, listed tokens": many | kind("m2m_100") | config(
            tokenizer_class="M2M100Tokenizer", src_lang="fr", additional_special_tokens=["__en__", "__fr__"]),
        "marian, listed tokens": marian | config(
            tokenizer_class="MarianTokenizer", source_lang="eng", target_lang="deu", eos_token="</s>"),
        "marian, two vocabularies": marian | apart | config(
            tokenizer_class="MarianTokenizer", separate_vocabs=True),
    }


def record():
    found = models()
    for name, model in found.items():
        model.trainer_spec.ClearField("input")
        (HERE / f"{name}.spm").write_bytes(model.SerializeToString())
    result = []
    for name, files in directories(found).items():
        with tempfile.TemporaryDirectory() as path:
            files.setdefault("config.json", json.dumps(dict(model_type="bert")))
            for file, content in files.items():
                if file.endswith((".model", ".spm")):
                    (pathlib.Path(path) / file).write_bytes((HERE / f"{content}.spm").read_bytes())
                else:
                    (pathlib.Path(path) / file).write_text(content)
            t = transformers.AutoTokenizer.from_pretrained(path)
            texts = SOURCES + ([">>fra<< Der Hund", "a</s>b <unk> c"] if "marian" in name else [])
            if any(kind in name for kind in ("m2m", "nllb", "mbart")):
                # Tokens of languages that are listed without their ids get wrong ones from transformers.
                texts += ["__fr__ Der <unk> Hund"] * ("listed" not in name) + ["de_DE a</s>b fra_Latn"]
            cases = []
            for text in texts:
                e = t(text, return_offsets_mapping=t.is_fast)
                cases.append(dict(text=text, ids=e["input_ids"], skipping=t.decode(
                    e["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False)))
                if t.is_fast:
                    cases[-1]["offsets"] = [x for o in e["offset_mapping"] for x in o]
            if t.is_fast:
                cases.append(dict(text=SOURCES[0], pair=SOURCES[1], ids=t(SOURCES[0], SOURCES[1])["input_ids"]))
        result.append(dict(name=name, files=files, pad=t.pad_token_id, cases=cases))
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in result)
    (HERE / "sentencepiece.json").write_text(
        '{"recorded_with":"transformers %s, sentencepiece %s","directories":[\n%s\n]}\n' % (
            transformers.__version__, sentencepiece.__version__, lines))


if __name__ == "__main__":
    record()
