"""Writes model directories of decoders with random weights, for measuring.

    python3 decoder_model.py llama-1.1b|qwen3-0.6b|gpt2 DIRECTORY [bf16|f32]

Only numpy is needed. The weights are strips of one block of random numbers: how fast a model runs does
not depend on them.
"""

import json
import os
import sys

import numpy

SHAPES = {
    "llama-1.1b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
        "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4,
        "intermediate_size": 5632, "vocab_size": 32000, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2},
    "qwen3-0.6b": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936,
        "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": 151643,
        "eos_token_id": 151645},
    "gpt2": {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_layer": 12,
        "n_head": 12, "vocab_size": 50257, "n_positions": 1024, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new", "bos_token_id": 50256, "eos_token_id": 50256}}


def llama_tensors(config):
    """Names, shapes and scales; norms are ones."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = config.get("head_dim", hidden // config["num_attention_heads"])
    queries, keys = (width * config[f"num_{name}_heads"] for name in ("attention", "key_value"))
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}."
        yield stem + "input_layernorm.weight", (hidden,)
        yield stem + "self_attn.q_proj.weight", (queries, hidden)
        yield stem + "self_attn.k_proj.weight", (keys, hidden)
        yield stem + "self_attn.v_proj.weight", (keys, hidden)
        yield stem + "self_attn.o_proj.weight", (hidden, queries)
        if config["model_type"] == "qwen3":
            yield stem + "self_attn.q_norm.weight", (width,)
            yield stem + "self_attn.k_norm.weight", (width,)
        yield stem + "post_attention_layernorm.weight", (hidden,)
        yield stem + "mlp.gate_proj.weight", (inner, hidden)
        yield stem + "mlp.up_proj.weight", (inner, hidden)
        yield stem + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (config["vocab_size"], hidden)


def gpt2_tensors(config):
    hidden = config["n_embd"]
    yield "transformer.wte.weight", (config["vocab_size"], hidden)
    yield "transformer.wpe.weight", (config["n_positions"], hidden)
    for layer in range(config["n_layer"]):
        stem = f"transformer.h.{layer}."
        for name, shape in [
                ("attn.c_attn", (hidden, 3 * hidden)), ("attn.c_proj", (hidden, hidden)),
                ("mlp.c_fc", (hidden, 4 * hidden)), ("mlp.c_proj", (4 * hidden, hidden))]:
            yield f"{stem}{name}.weight", shape
            yield f"{stem}{name}.bias", shape[1:]
        for name in ["ln_1", "ln_2"]:
            yield f"{stem}{name}.weight", (hidden,)
            yield f"{stem}{name}.bias", (hidden,)
    yield "transformer.ln_f.weight", (hidden,)
    yield "transformer.ln_f.bias", (hidden,)


TENSORS = {"llama": llama_tensors, "qwen3": llama_tensors, "gpt2": gpt2_tensors}


def bf16(values):
    """The upper halves of f32, rounded to the nearest."""
    bits = values.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(numpy.uint16)


class Weights:
    """Tensors of random numbers, the same for the same names in the same order."""

    def __init__(self, stored):
        self.stored = bf16 if stored == "bf16" else lambda values: values.astype(numpy.float32)
        self.block = self.stored(
            numpy.random.default_rng(0).standard_normal((1 << 22) + 8191) * 0.02)
        self.place = 0

    def tensor(self, name, shape):
        count = int(numpy.prod(shape))
        if len(shape) == 1:
            return self.stored(numpy.full(shape, 0.0 if name.endswith("bias") else 1.0))
        self.place = (self.place + 7919) % 8191  # so that no two tensors are alike
        start = self.block[self.place:self.place + (1 << 22)]
        return numpy.resize(start, count).reshape(shape)


def write(shape, directory, stored="bf16"):
    config = {**SHAPES[shape], "torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[stored]}
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file, indent=1)
    tensors = list(TENSORS[config["model_type"]](config))
    header, offset = {}, 0
    for name, extents in tensors:
        end = offset + (2 if stored == "bf16" else 4) * int(numpy.prod(extents))
        header[name] = {
            "dtype": stored.upper(), "shape": list(extents), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    weights = Weights(stored)
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, extents in tensors:
            file.write(weights.tensor(name, extents).tobytes())


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in SHAPES or not {*sys.argv[3:]} <= {"bf16", "f32"}:
        sys.exit(__doc__)
    write(*sys.argv[1:])
