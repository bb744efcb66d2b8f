"""More of the fixtures' tiny models: relatives of BART, T5 and DeBERTa, and their heads.

`target` says what a decoder is given beside the source: eleven tokens of its own if absent, or
nothing, so that forward() makes them of the source. `ends` puts one end token into each source.
"""

import json
import os

import torch
import transformers as t

from fixture_models import ENTITIES, MOODS, bart, sized, t5


def deberta(kind, hidden, heads, intermediate, layers=2, vocab=107, **more):
    return kind(**{
        "vocab_size": vocab, "pad_token_id": 0, "pos_att_type": ["c2p", "p2c"],
        "relative_attention": True, **sized(hidden, heads, intermediate, layers), **more})


TOKENIZERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizers")
TEXTS = ("The river rises in the mountains.", "quick lazy dogs", "e\u0301 \u6771\u4eac 1873")


def save_translator(kind, directory):
    """The tokenizer of a multilingual translator, over a small SentencePiece model."""
    model = os.path.join(TOKENIZERS, "xlm-roberta.spm")
    if kind == "nllb":
        tokenizer = t.NllbTokenizerFast(model, additional_special_tokens=["eng_Latn", "fra_Latn", "ron_Latn"])
    elif kind == "mbart":
        tokenizer = t.MBartTokenizerFast(model, src_lang="ro_RO")
    elif kind == "m2m100":
        pieces = json.load(open(os.path.join(TOKENIZERS, "sentencepiece.json")))["directories"]
        vocabulary = next(d for d in pieces if d["name"] == "m2m100")["files"]["vocab.json"]
        path = os.path.join(directory, "vocab.json")
        open(path, "w").write(vocabulary)
        tokenizer = t.M2M100Tokenizer(path, model, language_codes="wmt21")
    else:
        marian = json.load(open(os.path.join(TOKENIZERS, "sentencepiece.json")))["directories"]
        vocabulary = next(d for d in marian if d["name"] == "marian")["files"]["vocab.json"]
        path = os.path.join(directory, "vocab.json")
        open(path, "w").write(vocabulary)
        models = [os.path.join(TOKENIZERS, name + ".spm") for name in ("source", "target")]
        tokenizer = t.MarianTokenizer(*models, path)
    tokenizer.save_pretrained(directory)


def record_languages(kind, model, directory):
    """Texts in one language, and what the model makes of them in another."""
    tokenizer = t.AutoTokenizer.from_pretrained(directory)
    pairs = {
        "nllb": [("eng_Latn", "fra_Latn"), ("ron_Latn", "eng_Latn"), (None, "ron_Latn")],
        "mbart": [("en_XX", "ro_RO"), ("zh_CN", "de_DE"), (None, "en_XX")],
        "m2m100": [("en", "de"), ("ja", "zh"), (None, "cs")],
        "marian": [(None, "fra"), (None, "deu"), (None, "deu")]}[kind]
    cases = []
    for (source, target), text in zip(pairs, TEXTS):
        if source:
            tokenizer.src_lang = source
        else:
            tokenizer = t.AutoTokenizer.from_pretrained(directory)
        given = f">>{target}<< {text}" if kind == "marian" else text
        ids = tokenizer(given)["input_ids"]
        how = {}
        if kind == "m2m100":
            how["forced_bos_token_id"] = tokenizer.get_lang_id(target)
        elif kind != "marian":
            how["forced_bos_token_id"] = tokenizer.convert_tokens_to_ids(target)
        tokens = model.generate(
            torch.tensor([ids]), max_new_tokens=16, do_sample=False, **how)[0, 1:].tolist()
        cases.append({
            "source": source, "target": target, "text": text, "ids": ids, "tokens": tokens,
            "decoded": tokenizer.decode(tokens, skip_special_tokens=True)})
    with open(os.path.join(directory, "languages.json"), "w") as file:
        file.write(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


FROM_SOURCE = {"target": "none"}
ENDED = {"target": "none", "ends": True}

FIXTURES = {
    # Relatives of BART
    "m2m-100": (t.M2M100Model, bart(t.M2M100Config, 27, 3, 35, encoder_layers=1), {}),
    "m2m-100-lm": (
        t.M2M100ForConditionalGeneration,
        bart(t.M2M100Config, 22, 2, 37, decoder_layers=3, encoder_layerdrop=0.5,
             activation_function="relu", scale_embedding=False), {"translate": True}),
    "blenderbot-lm": (
        t.BlenderbotForConditionalGeneration,
        bart(t.BlenderbotConfig, 20, 4, 33, decoder_layers=1, encoder_no_repeat_ngram_size=0),
        {"translate": True}),
    "blenderbot-small-lm": (
        t.BlenderbotSmallForConditionalGeneration,
        bart(t.BlenderbotSmallConfig, 24, 3, 31, encoder_layers=3), {"translate": True}),
    "bart-sequence-classification": (
        t.BartForSequenceClassification, bart(t.BartConfig, 21, 3, 31, **MOODS), ENDED),
    "bart-question-answering": (
        t.BartForQuestionAnswering, bart(t.BartConfig, 20, 4, 29), FROM_SOURCE),
    "bart-from-source": (t.BartModel, bart(t.BartConfig, 18, 3, 25), FROM_SOURCE),
    "mbart-lm-from-source": (
        t.MBartForConditionalGeneration, bart(t.MBartConfig, 16, 2, 27), FROM_SOURCE),
    "mbart-sequence-classification": (
        t.MBartForSequenceClassification,
        bart(t.MBartConfig, 18, 2, 29, scale_embedding=True, **MOODS), ENDED),
    "mbart-question-answering": (
        t.MBartForQuestionAnswering, bart(t.MBartConfig, 22, 2, 31), FROM_SOURCE),
    # Multilingual translators
    "nllb-languages": (
        t.M2M100ForConditionalGeneration, bart(t.M2M100Config, 16, 2, 23, vocab_size=265),
        {"languages": "nllb"}),
    "m2m-100-languages": (
        t.M2M100ForConditionalGeneration, bart(t.M2M100Config, 14, 2, 21, vocab_size=277),
        {"languages": "m2m100"}),
    "mbart-languages": (
        t.MBartForConditionalGeneration, bart(t.MBartConfig, 12, 2, 21, vocab_size=287),
        {"languages": "mbart"}),
    "marian-languages": (
        t.MarianMTModel,
        bart(t.MarianConfig, 14, 2, 19, vocab_size=239, pad_token_id=238, eos_token_id=0,
             decoder_start_token_id=238), {"languages": "marian"}),
    # Relatives of T5
    "t5-sequence-classification": (
        t.T5ForSequenceClassification,
        t5(t.T5Config, 21, 2, 8, 33, decoder_start_token_id=3, **MOODS), ENDED),
    "t5-token-classification": (
        t.T5ForTokenClassification, t5(t.T5Config, 20, 3, 7, 31, **ENTITIES), {}),
    "mt5-question-answering": (
        t.MT5ForQuestionAnswering, t5(t.MT5Config, 22, 2, 6, 35), FROM_SOURCE),
    "umt5-lm": (
        t.UMT5ForConditionalGeneration,
        t5(t.UMT5Config, 22, 2, 7, 29, num_decoder_layers=1, relative_attention_num_buckets=12,
           relative_attention_max_distance=25), {"translate": True}),
    "umt5-token-classification": (
        t.UMT5ForTokenClassification,
        t5(t.UMT5Config, 20, 2, 9, 33, feed_forward_proj="gated-silu", **ENTITIES), {}),
    # DeBERTa
    "deberta": (t.DebertaModel, deberta(t.DebertaConfig, 27, 3, 41), {}),
    "deberta-sequence-classification": (
        t.DebertaForSequenceClassification,
        deberta(t.DebertaConfig, 24, 2, 37, max_relative_positions=9, pos_att_type="c2p|p2c",
                position_biased_input=False, type_vocab_size=3, pooler_hidden_act="tanh",
                **MOODS), {}),
    "deberta-masked-lm": (
        t.DebertaForMaskedLM,
        deberta(t.DebertaConfig, 22, 2, 33, pos_att_type=["p2c"], embedding_size=18), {}),
    "deberta-v2": (
        t.DebertaV2Model,
        deberta(t.DebertaV2Config, 24, 4, 37, position_biased_input=False, share_att_key=True,
                position_buckets=8, max_relative_positions=29, norm_rel_ebd="layer_norm"), {}),
    "deberta-v2-sequence-classification": (
        t.DebertaV2ForSequenceClassification,
        deberta(t.DebertaV2Config, 20, 2, 31, position_buckets=14, conv_kernel_size=3,
                conv_act="gelu", norm_rel_ebd="layer_norm", share_att_key=True, **MOODS), {}),
    "deberta-v2-token-classification": (
        t.DebertaV2ForTokenClassification,
        deberta(t.DebertaV2Config, 21, 3, 35, pos_att_type=["c2p"], position_buckets=7,
                max_relative_positions=16, **ENTITIES), {}),
    "deberta-v2-question-answering": (
        t.DebertaV2ForQuestionAnswering,
        deberta(t.DebertaV2Config, 18, 3, 29, conv_kernel_size=5, conv_groups=2,
                position_biased_input=False, type_vocab_size=2), {}),
    "deberta-v2-masked-lm": (
        t.DebertaV2ForMaskedLM,
        deberta(t.DebertaV2Config, 26, 2, 33, embedding_size=20, position_buckets=10), {}),
}
