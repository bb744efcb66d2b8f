"""T5 and BART with their relatives: the classes, and what is generated."""

import torch
import transformers as t

from draw import Case


def rules(r, words):
    """What generation_config.json may say beside the ids."""
    def some(count):
        return r.sample(range(words), min(count, words))
    drawn = r.some(**{
        key: value for key, value in dict(
            no_repeat_ngram_size=r.to(1, 3), repetition_penalty=r.one(0.8, 1.3),
            min_length=r.to(0, 8), bad_words_ids=[some(1), some(2)], suppress_tokens=some(3),
            begin_suppress_tokens=some(3), forced_bos_token_id=r.to(0, words - 1),
            forced_eos_token_id=r.to(0, words - 1), encoder_no_repeat_ngram_size=r.to(1, 3),
            length_penalty=r.one(0.0, 0.6, 2.0, -1.0), early_stopping=r.one(True, False, "never"),
            min_new_tokens=r.to(0, 6), renormalize_logits=True,
            encoder_repetition_penalty=1.5, exponential_decay_length_penalty=[2, 1.4],
            sequence_bias=[[some(1), 3.0], [some(2), -2.5]],
            eos_token_id=some(2)).items() if r.chance(0.25)})
    if "exponential_decay_length_penalty" in drawn:
        # An end that is still forbidden becomes no number, and beams of those have no order.
        drawn.pop("min_length", None)
        drawn.pop("min_new_tokens", None)
    return drawn


def with_targets(r, config, cases, longest):
    """Targets beside the sources: one for each row, some with a mask of their own."""
    words = getattr(config, "decoder_vocab_size", None) or config.vocab_size
    for name, inputs in cases.items():
        count = inputs["input_ids"].shape[0]
        if name == "alone":
            batch = cases["batch"]
            for key in "decoder_input_ids", "decoder_attention_mask":
                if key in batch:
                    inputs[key] = batch[key][1:].clone()
            continue
        width = r.one(1, longest if name == "longest" else 2, r.to(1, longest))
        inputs["decoder_input_ids"] = r.ids(words, count, width)
        if r.chance(0.3) and width > 1:
            mask = torch.ones(count, width).long()
            mask[0, r.to(1, width - 1):] = 0
            inputs["decoder_attention_mask"] = mask
    return cases


def ended(cases, end, words):
    """One end token in each source, as classifiers of sequences want it."""
    for inputs in cases.values():
        ids = inputs["input_ids"]
        ids[ids == end] = (end + 1) % words
        mask = inputs.get("attention_mask", torch.ones_like(ids))
        ids[torch.arange(len(ids)), mask.sum(1) - 1] = end
    return cases


def finish(r, kind, config, longest, alone):
    """The case of a class: `alone` where it has no decoder."""
    words = config.vocab_size
    cases = r.texts(words, longest, config.pad_token_id)
    name = kind.__name__
    if "SequenceClassification" in name:
        cases = ended(cases, config.eos_token_id, words)
    if not alone and not ("Classification" in name or "Question" in name and r.chance(0.5)):
        cases = with_targets(r, config, cases, longest)
    case = Case(kind, config, cases, arguments=["--max-seq", str(longest)])
    if not alone:
        case.call = {"use_cache": False}
    if "Conditional" in name or "MTModel" in name:
        case.generation = rules(r, words)
        new = max(1, min(longest - 1, r.to(4, 24)))
        more = {"max_new_tokens": new}
        if getattr(config, "num_decoder_layers", 0) > getattr(config, "num_layers", 0):
            more["use_cache"] = False  # transformers' cache has as many layers as the encoder
        for how in {}, {"num_beams": 4}, {"num_beams": r.to(2, 5)}:
            length = r.to(1, longest)
            case.prompts.append((r.ids(words, length).tolist(), {**more, **how}))
    return case


T5_HEADS = (
    "Model", "EncoderModel", "ForConditionalGeneration", "ForConditionalGeneration",
    "ForConditionalGeneration", "ForSequenceClassification", "ForTokenClassification",
    "ForQuestionAnswering")


def t5(name):
    def draw(r):
        words, part = r.to(6, 120), r.one(*T5_HEADS)
        alone = "Encoder" in part or "Token" in part
        buckets = 2 * r.to(2, 20) + r.to(0, 1)
        config = getattr(t, name + "Config")(
            vocab_size=words, d_model=r.to(2, 50), num_heads=r.to(1, 5), d_kv=r.to(1, 12),
            d_ff=r.to(1, 50), num_layers=r.to(1, 3), decoder_start_token_id=r.to(0, words - 1),
            pad_token_id=r.one(0, r.to(0, words - 1)), eos_token_id=r.one(1, r.to(0, words - 1)),
            initializer_factor=1.0,
            **(r.labels() if "Classification" in part else {}), **r.some(
                num_decoder_layers=r.to(1, 3), tie_word_embeddings=r.chance(0.5),
                layer_norm_epsilon=r.epsilon(),
                feed_forward_proj=r.one("", "gated-") + r.activation()))
        if r.chance(0.5):
            config.relative_attention_num_buckets = buckets
            config.relative_attention_max_distance = r.to(buckets // (4 if alone else 2) + 1, 80)
        return finish(r, getattr(t, name + part), config, r.length(2), alone)
    return draw


BART_HEADS = {
    "Bart": ["Model", "ForSequenceClassification", "ForQuestionAnswering"],
    "MBart": ["Model", "ForSequenceClassification", "ForQuestionAnswering"],
}


def bart(name):
    def draw(r):
        words = r.to(8, 120)
        hidden, heads = r.heads(2, even=True)
        others = [heads, 1] if hidden % 2 else [heads, 1, 2]
        language = "MTModel" if name == "Marian" else "ForConditionalGeneration"
        part = r.one(language, *BART_HEADS.get(name, ["Model"]), language)
        longest = r.length()
        keys = dict(
            vocab_size=words, d_model=hidden, encoder_layers=r.to(1, 3), decoder_layers=r.to(1, 3),
            encoder_attention_heads=heads, decoder_attention_heads=r.one(*others),
            encoder_ffn_dim=r.to(1, 50), decoder_ffn_dim=r.to(1, 50),
            max_position_embeddings=longest, pad_token_id=r.to(0, words - 1),
            bos_token_id=r.to(0, words - 1), eos_token_id=r.to(0, words - 1),
            decoder_start_token_id=r.to(0, words - 1),
            **r.some(activation_function=r.activation(), scale_embedding=r.chance(0.5),
                     forced_eos_token_id=None, tie_word_embeddings=r.chance(0.8)),
            **(r.labels() if "Classification" in part else {}))
        if name == "Marian" and r.chance(0.5):
            keys |= dict(share_encoder_decoder_embeddings=r.chance(0.5), decoder_vocab_size=words)
        if name == "M2M100":
            keys["pad_token_id"] = r.to(0, 5)
        config = getattr(t, name + "Config")(**keys)
        return finish(r, getattr(t, name + part), config, longest, False)
    return draw


FAMILIES = {
    "t5": t5("T5"), "mt5": t5("MT5"), "umt5": t5("UMT5"), "bart": bart("Bart"),
    "mbart": bart("MBart"), "marian": bart("Marian"), "pegasus": bart("Pegasus"),
    "m2m-100": bart("M2M100"), "blenderbot": bart("Blenderbot"),
    "blenderbot-small": bart("BlenderbotSmall")}
