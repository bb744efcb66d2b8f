"""GPT-2, Llama and other decoders: forward calls and greedy texts."""

import torch
import transformers as t

from draw import Case
from translators import rules


def finish(r, name, config, parts, longest, suffix="ForCausalLM"):
    """The case of one of a family's classes."""
    part = r.one(suffix, suffix, *parts)
    if "Classification" in part:
        for key, value in r.labels().items():
            setattr(config, key, value)
    kind, words = getattr(t, name + part), config.vocab_size
    window = getattr(config, "sliding_window", None)
    cases = r.texts(words, longest, config.pad_token_id, least=window or 1)
    masked(r, cases, words, longest)
    if name != "Bloom":
        placed(r, cases, words, longest)
    if "SequenceClassification" in part:
        # Without padding in between: where the last token is would be a matter of taste.
        for inputs in cases.values():
            ids = inputs["input_ids"]
            mask = inputs.get("attention_mask", torch.ones_like(ids))
            pad = config.pad_token_id
            ids[(ids == pad) & (mask == 1)] = (pad + 1) % words
    case = Case(kind, config, cases, arguments=["--max-seq", str(longest)])
    if "Question" not in part:
        case.call = {"use_cache": False}
    if part == suffix:
        if r.chance(0.15):
            # As Llama 3 has it.
            config.eos_token_id = r.sample(range(words), min(words, r.to(1, 3)))
        case.generation = rules(r, words)
        case.generation.pop("forced_bos_token_id", None)
        for how in {}, {"num_beams": r.to(2, 4)}:
            length = r.to(1, longest - 1)
            new = min(longest - length, r.to(2, 24))
            case.prompts.append((r.ids(words, length).tolist(), {"max_new_tokens": new, **how}))
    return case


def masked(r, cases, words, longest):
    """Padding on the left, and masks with holes; every row sees its first token that counts."""
    if longest < 3:
        return
    width = r.to(2, longest)
    mask = torch.ones(2, width).long()
    mask[0, :r.to(1, width - 1)] = 0
    cases["left"] = {"input_ids": r.ids(words, 2, width), "attention_mask": mask}
    holes = (torch.rand((2, width), generator=r.torch) > 0.3).long()
    holes[:, 0] = holes[:, -1] = 1
    cases["holes"] = {"input_ids": r.ids(words, 2, width), "attention_mask": holes}


def placed(r, cases, words, longest):
    """Positions that are given. Without a mask, what does not count up would be several texts in a
    row to transformers."""
    width = r.to(1, longest)
    ids, start = r.ids(words, 2, width), r.to(0, longest - width)
    places = torch.arange(start, start + width)[None].expand(2, width)
    cases["later"] = {"input_ids": ids, "position_ids": places}
    if r.chance(0.5):
        cases["placed"] = {"input_ids": ids, "position_ids": r.ids(longest, 2, width),
                           "attention_mask": torch.ones(2, width).long()}


def ids(r, words):
    return dict(pad_token_id=r.to(0, words - 1), bos_token_id=r.to(0, words - 1),
                eos_token_id=r.to(0, words - 1))


def gpt2(r):
    hidden, heads = r.heads()
    words, longest = r.to(6, 120), r.length(4)
    config = t.GPT2Config(
        vocab_size=words, n_positions=longest, n_embd=hidden, n_head=heads, n_layer=r.to(1, 3),
        **ids(r, words), **r.some(
            n_inner=r.to(1, 60), activation_function=r.activation(),
            layer_norm_epsilon=r.epsilon(), scale_attn_weights=False,
            scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True,
            tie_word_embeddings=False))
    return finish(r, "GPT2", config, [
        "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
        longest, "LMHeadModel")


def opt(r):
    hidden, heads = r.heads()
    words, longest = r.to(6, 120), r.length(4)
    config = t.OPTConfig(
        vocab_size=words, hidden_size=hidden, num_attention_heads=heads, ffn_dim=r.to(1, 60),
        num_hidden_layers=r.to(1, 3), max_position_embeddings=longest, **ids(r, words),
        word_embed_proj_dim=r.one(hidden, r.to(2, 20)), **r.some(
            do_layer_norm_before=False, enable_bias=False, layer_norm_elementwise_affine=False,
            activation_function=r.activation(), tie_word_embeddings=False,
            _remove_final_layer_norm=True))
    return finish(
        r, "OPT", config, ["Model", "ForSequenceClassification", "ForQuestionAnswering"], longest)


def bloom(r):
    hidden, heads = r.heads()
    words = r.to(6, 120)
    config = t.BloomConfig(
        vocab_size=words, hidden_size=hidden, n_head=heads, n_layer=r.to(1, 3), **ids(r, words),
        **r.some(apply_residual_connection_post_layernorm=True, tie_word_embeddings=False,
                 layer_norm_epsilon=r.epsilon(), slow_but_exact=True, pretraining_tp=heads))
    return finish(r, "Bloom", config, [
        "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
        r.length(4))


def scaling(r, width, longest):
    """How rotary positions are stretched, if they are."""
    if r.chance(0.5):
        return {}
    kind = r.one("linear", "dynamic", "yarn", "llama3", "longrope")
    scaled = {"rope_type": kind, "factor": r.one(1.5, 2.0, 4.0)}
    original = max(2, longest // 2)
    if kind == "yarn":
        scaled |= r.some(beta_fast=r.one(2.0, 32.0), beta_slow=1.5, attention_factor=0.8,
                         mscale=1.2, mscale_all_dim=r.one(0.0, 0.7), truncate=False,
                         original_max_position_embeddings=original)
    if kind == "llama3":
        scaled |= dict(low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=original)
    if kind == "longrope":
        pairs = width // 2
        scaled |= dict(short_factor=[1 + r.random() for _ in range(pairs)],
                       long_factor=[2 + r.random() for _ in range(pairs)])
        scaled |= r.some(attention_factor=1.3)
        return {"rope_scaling": scaled, **r.some(
            original_max_position_embeddings=r.one(longest, original))}
    if r.chance(0.3):
        scaled["type"] = scaled.pop("rope_type")
    return {"rope_scaling": scaled}


def rotary(name, own=lambda r, keys: {}, parts=("Model",), config=None, partial=0):
    """A relative of Llama: `own` draws the keys that others do not have."""
    def draw(r):
        words, longest = r.to(6, 120), r.length(4)
        groups = r.to(1, 3)
        heads, width = groups * r.to(1, 3), 2 * r.to(1, 6)
        if partial:
            width = partial * r.to(1, 3)
        keys = dict(
            vocab_size=words, hidden_size=heads * width, num_attention_heads=heads,
            num_key_value_heads=groups, intermediate_size=r.to(1, 60),
            num_hidden_layers=r.to(1, 3), **ids(r, words),
            max_position_embeddings=longest + r.one(0, 0, r.to(1, 60)),
            **r.some(hidden_act=r.activation(), tie_word_embeddings=r.chance(0.5),
                     rms_norm_eps=r.epsilon(), rope_theta=r.one(1e2, 5e5)))
        keys |= scaling(r, width, keys["max_position_embeddings"])
        keys |= own(r, keys)
        made = getattr(t, config or name + "Config")(**keys)
        return finish(r, name, made, parts, longest)
    return draw


HEADS = "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"


def wide(r, keys):
    """Heads of another width than the hidden one's part."""
    if "long_factor" in keys.get("rope_scaling", {}):
        return {"head_dim": keys["hidden_size"] // keys["num_attention_heads"]}
    return r.some(head_dim=2 * r.to(1, 8))


def llama(r, keys):
    return {**wide(r, keys), **r.some(attention_bias=True, mlp_bias=True)}


def kinds(r, keys):
    """The kind of each layer, if it is named."""
    count = keys["num_hidden_layers"]
    return r.some(layer_types=[r.one("full_attention", "sliding_attention") for _ in range(count)])


def windows(r, keys):
    """Windows in some layers."""
    layers = keys["num_hidden_layers"]
    more = kinds(r, keys) if r.chance(0.4) else {}
    if more:
        return {**more, "use_sliding_window": True, "sliding_window": r.to(2, 40)}
    return r.some(use_sliding_window=True, sliding_window=r.to(2, 40),
                  max_window_layers=r.to(0, layers))


def mistral(r, keys):
    return {**wide(r, keys), "sliding_window": r.one(None, r.to(2, 40))}


def qwen2(r, keys):
    return {**wide(r, keys), **windows(r, keys)}


def qwen3(r, keys):
    return {**wide(r, keys), **windows(r, keys), **r.some(attention_bias=True)}


def gemma(r, keys):
    if r.chance(0.5):
        keys.pop("hidden_act", None)
    width = keys["hidden_size"] // keys["num_attention_heads"]
    return {"head_dim": wide(r, keys).get("head_dim", width), **r.some(
        hidden_activation=r.activation(), attention_bias=True)}


def gemma2(r, keys):
    return {**gemma(r, keys), "sliding_window": r.to(2, 40), **kinds(r, keys), **r.some(
        query_pre_attn_scalar=r.one(r.to(1, 30), 0.7), final_logit_softcapping=r.one(None, 9.0),
        attn_logit_softcapping=r.one(None, 3.0))}


def gemma3(r, keys):
    return {**gemma2(r, keys), **r.some(
        sliding_window_pattern=r.to(1, 3), rope_local_base_freq=1e3,
        use_bidirectional_attention=r.chance(0.3))}


def phi(r, keys):
    more = r.some(partial_rotary_factor=r.one(0.25, 0.5, 1.0), qk_layernorm=True,
                  layer_norm_eps=r.epsilon())
    if "qk_layernorm" not in more and "long_factor" not in keys.get("rope_scaling", {}):
        more |= r.some(head_dim=8 * r.to(1, 3))
    return more


def stablelm(r, keys):
    return r.some(partial_rotary_factor=r.one(0.25, 0.5, 1.0), qk_layernorm=True,
                  use_parallel_residual=True, use_qkv_bias=True, layer_norm_eps=r.epsilon())


def neox(r, keys):
    keys.pop("num_key_value_heads")
    return r.some(rotary_pct=r.one(0.25, 0.5, 1.0), use_parallel_residual=False,
                  attention_bias=False, rotary_emb_base=1000, layer_norm_eps=r.epsilon())


def phi3(r, keys):
    if keys.get("rope_scaling", {}).get("rope_type") != "longrope":
        keys.pop("rope_scaling", None)
    else:
        keys["rope_scaling"]["type"] = "longrope"
        for key in "rope_type", "factor", "attention_factor":
            keys["rope_scaling"].pop(key, None)
    more = {"sliding_window": r.one(None, r.to(2, 40))}
    pairs = keys["hidden_size"] // keys["num_attention_heads"] // 2
    if pairs > 1 and r.chance(0.4):
        # So that a whole number of pairs turns.
        turned = r.to(1, pairs)
        more["partial_rotary_factor"] = min(1.0, (turned + 0.01) / pairs)
        for key in "short_factor", "long_factor":
            if key in keys.get("rope_scaling", {}):
                keys["rope_scaling"][key] = keys["rope_scaling"][key][:turned]
    return more


def olmo2(r, keys):
    if keys.pop("rope_scaling", None) and "original_max_position_embeddings" not in keys:
        keys["rope_scaling"] = {"type": r.one("linear", "dynamic"), "factor": 2.0}
    return {**wide(r, keys), **r.some(attention_bias=True)}


def starcoder2(r, keys):
    return {"sliding_window": r.one(None, r.to(2, 40)), **wide(r, keys), **r.some(
        use_bias=False, norm_epsilon=r.epsilon())}


def smollm3(r, keys):
    layers = keys["num_hidden_layers"]
    return {**wide(r, keys), **windows(r, keys), **r.some(
        no_rope_layers=[r.to(0, 1) for _ in range(layers)], no_rope_layer_interval=r.to(1, 3),
        attention_bias=True, mlp_bias=True)}


def granite(r, keys):
    return {**wide(r, keys), **r.some(
        embedding_multiplier=2.5, logits_scaling=3.0, residual_multiplier=0.4,
        attention_multiplier=0.3, attention_bias=True, mlp_bias=True)}


def mixtral(r, keys):
    experts = r.to(1, 6)
    return {**mistral(r, keys), "num_local_experts": experts,
            "num_experts_per_tok": r.to(1, experts)}


def experts(r, keys):
    count = r.to(1, 8)
    return {"num_experts": count, "num_experts_per_tok": r.to(1, count),
            **r.some(norm_topk_prob=r.chance(0.5))}


def sparse(r, keys):
    layers = keys["num_hidden_layers"]
    return {**experts(r, keys), "moe_intermediate_size": r.to(1, 30), **r.some(
        decoder_sparse_step=r.to(1, 2), mlp_only_layers=[r.to(0, layers - 1)])}


def qwen2_moe(r, keys):
    return {**sparse(r, keys), **windows(r, keys), "shared_expert_intermediate_size": r.to(1, 30),
            **r.some(qkv_bias=False)}


def qwen3_moe(r, keys):
    return {**sparse(r, keys), **qwen3(r, keys)}


def olmoe(r, keys):
    return {**experts(r, keys), **r.some(clip_qkv=1.25, attention_bias=True)}


FAMILIES = {
    "gpt2": gpt2, "opt": opt, "bloom": bloom,
    "gpt-neox": rotary("GPTNeoX", neox, HEADS), "llama": rotary("Llama", llama, HEADS),
    "mistral": rotary("Mistral", mistral, HEADS), "qwen2": rotary("Qwen2", qwen2, HEADS),
    "qwen3": rotary("Qwen3", qwen3, HEADS), "gemma": rotary("Gemma", gemma, HEADS[:3]),
    "gemma2": rotary("Gemma2", gemma2, HEADS[:3]),
    "gemma3": rotary(
        "Gemma3", gemma3, ("TextModel", "TextForSequenceClassification"), "Gemma3TextConfig"),
    "phi": rotary("Phi", phi, HEADS[:3], partial=8),
    "phi3": rotary("Phi3", phi3, HEADS[:3]),
    "stablelm": rotary("StableLm", stablelm, HEADS[:3], partial=8),
    "olmo2": rotary("Olmo2", olmo2),
    "starcoder2": rotary("Starcoder2", starcoder2, HEADS[:3]),
    "smollm3": rotary("SmolLM3", smollm3, HEADS), "granite": rotary("Granite", granite),
    "mixtral": rotary("Mixtral", mixtral, HEADS),
    "qwen2-moe": rotary("Qwen2Moe", qwen2_moe, HEADS),
    "qwen3-moe": rotary("Qwen3Moe", qwen3_moe, HEADS), "olmoe": rotary("Olmoe", olmoe)}
