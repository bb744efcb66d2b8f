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
    }
