"""More tiny decoders: mixtures of experts, and configurations that once went wrong."""

import torch
import transformers as t


def fixtures(rotary):
    """Directories by name, as in `fixture_models`; `rotary` gives the keys of Llama."""
    return {
        "mixtral-lm": (
            t.MixtralForCausalLM,
            rotary(t.MixtralConfig, 24, 4, 2, 37, layers=3, head_dim=10, sliding_window=9,
                   num_local_experts=5, num_experts_per_tok=2), {"generate": True}),
        "qwen2-moe-lm": (
            t.Qwen2MoeForCausalLM,
            rotary(t.Qwen2MoeConfig, 24, 4, 2, 41, layers=3, decoder_sparse_step=2,
                   moe_intermediate_size=19, shared_expert_intermediate_size=33, num_experts=7,
                   num_experts_per_tok=3), {"generate": True}),
        "qwen3-moe-lm": (
            t.Qwen3MoeForCausalLM,
            rotary(t.Qwen3MoeConfig, 26, 4, 2, 35, layers=3, head_dim=12, attention_bias=True,
                   mlp_only_layers=[1], moe_intermediate_size=21, num_experts=11,
                   num_experts_per_tok=4, norm_topk_prob=True, tie_word_embeddings=True),
            {"generate": True}),
        "qwen3-moe-lm-bf16": (
            t.Qwen3MoeForCausalLM,
            rotary(t.Qwen3MoeConfig, 32, 2, 1, 35, head_dim=16, moe_intermediate_size=32,
                   num_experts=6, num_experts_per_tok=1),
            {"generate": True, "store": torch.bfloat16, "shard": "60KB"}),
        "olmoe-lm": (
            t.OlmoeForCausalLM,
            rotary(t.OlmoeConfig, 24, 4, 4, 19, num_experts=6, num_experts_per_tok=2,
                   clip_qkv=1.25), {"generate": True}),
        # The text model of a directory that reads pictures too, sizes of its own defaults left out.
        "gemma3-conditional-lm": (
            t.Gemma3ForConditionalGeneration,
            t.Gemma3Config(
                text_config=dict(
                    vocab_size=113, hidden_size=24, intermediate_size=31, num_hidden_layers=3,
                    num_key_value_heads=2, head_dim=6, query_pre_attn_scalar=7, sliding_window=9,
                    max_position_embeddings=127, sliding_window_pattern=2, pad_token_id=None,
                    rope_scaling={"rope_type": "linear", "factor": 2.0}),
                vision_config=dict(
                    hidden_size=8, intermediate_size=9, num_hidden_layers=1,
                    num_attention_heads=2, image_size=8, patch_size=4),
                mm_tokens_per_image=4, bos_token_id=0, eos_token_id=0), {"generate": True}),
        # Heads for question answering, whose files call the body as GPT-2's do, or not.
        "llama-question-answering": (
            t.LlamaForQuestionAnswering, rotary(t.LlamaConfig, 24, 4, 2, 37), {}),
        "mixtral-question-answering": (
            t.MixtralForQuestionAnswering,
            rotary(t.MixtralConfig, 24, 4, 2, 21, num_local_experts=3), {}),
        "bloom-lm-after": (
            t.BloomForCausalLM,
            t.BloomConfig(
                vocab_size=113, hidden_size=21, n_head=3, n_layer=2, bos_token_id=0,
                eos_token_id=0, pad_token_id=None,
                apply_residual_connection_post_layernorm=True), {"generate": True}),
        # Products that are summed up in parts lose their biases.
        "bloom-lm-in-parts": (
            t.BloomForCausalLM,
            t.BloomConfig(
                vocab_size=113, hidden_size=20, n_head=5, n_layer=2, bos_token_id=0,
                eos_token_id=0, pad_token_id=None, pretraining_tp=4, slow_but_exact=True), {}),
        # ALiBi counts the tokens that are not padding.
        "bloom-with-holes": (
            t.BloomModel,
            t.BloomConfig(
                vocab_size=113, hidden_size=24, n_head=3, n_layer=2, bos_token_id=0,
                eos_token_id=0, pad_token_id=3), {"holes": [[5, 6, 7, 20], [2], [1, 2]]}),
        # As EmbeddingGemma: half of a window lies before a token, and half behind it.
        "gemma3-both-ways": (
            t.Gemma3TextModel,
            rotary(t.Gemma3TextConfig, 24, 4, 2, 37, layers=3, head_dim=8, sliding_window=26,
                   layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                   query_pre_attn_scalar=11, use_bidirectional_attention=True), {}),
        # A soft cap of attention that transformers does not read, beside one that it does.
        "gemma3-lm-capped": (
            t.Gemma3ForCausalLM,
            rotary(t.Gemma3TextConfig, 24, 4, 2, 37, layers=3, head_dim=8, sliding_window=7,
                   layer_types=["full_attention", "sliding_attention", "full_attention"],
                   query_pre_attn_scalar=11, attn_logit_softcapping=0.5,
                   final_logit_softcapping=9.0), {"generate": True}),
        # Keys that are cached stay turned as they were when a text outgrows its original context.
        "llama-lm-long": (
            t.LlamaForCausalLM,
            rotary(t.LlamaConfig, 24, 3, 1, 31, original_max_position_embeddings=19,
                   rope_scaling={"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.4],
                                 "long_factor": [1.5, 2.0, 3.0, 5.0]}), {"outgrows": True}),
        # A quarter of 6 elements is one, which turns with itself.
        "stablelm-lm-single": (
            t.StableLmForCausalLM,
            rotary(t.StableLmConfig, 24, 4, 2, 35, hidden_act="mish"), {"generate": True}),
        # Of 12 elements 3 turn: two pairs, for which YaRN has one step.
        "gpt-neox-lm-yarn": (
            t.GPTNeoXForCausalLM,
            rotary(t.GPTNeoXConfig, 24, 2, None, 33, hidden_act="relu2", rotary_emb_base=100,
                   rope_scaling={"rope_type": "yarn", "factor": 4.0, "beta_fast": 2.0,
                                 "original_max_position_embeddings": 32}), {"generate": True}),
    }
