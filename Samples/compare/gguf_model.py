"""Writes a directory that decoder_model.py made as a GGUF file, for llama.cpp.

    python3 gguf_model.py DIRECTORY FILE.gguf f32|bf16|q8_0|q4_0

Needs the package gguf. Without a vocabulary of words: only ids go in and logits come out.
"""

import json
import os
import sys

import gguf
import numpy

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm", "ln_1": "attn_norm",
    "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0)}


def tensors(directory):
    """Names and arrays of f32, one after the other."""
    path = os.path.join(directory, "model.safetensors")
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            file.seek(8 + size + begin)
            data = file.read(end - begin)
            if entry["dtype"] == "BF16":
                data = numpy.frombuffer(data, dtype=numpy.uint16).astype(numpy.uint32) << 16
            yield name, numpy.frombuffer(data, dtype=numpy.float32).reshape(entry["shape"])


def renamed(name):
    stem, kind = name.rsplit(".", 1)
    for start in ("model.layers.", "transformer.h."):
        if stem.startswith(start):
            layer, rest = stem[len(start):].split(".", 1)
            return f"blk.{layer}.{NAMES[rest]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def turned(array, heads):
    """Rows of a projection in the order in which llama.cpp rotates them: pairs side by side."""
    width = array.shape[0] // heads
    return array.reshape(heads, 2, width // 2, -1).swapaxes(1, 2).reshape(array.shape)


def write(directory, path, precision):
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    kind, file_type = TYPES[precision]
    is_llama = config["model_type"] != "gpt2"  # or of its kin
    writer = gguf.GGUFWriter(path, config["model_type"])
    hidden, heads, layers, inner, context = (
        config[key] for key in (
            ["hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size",
             "max_position_embeddings"] if is_llama else
            ["n_embd", "n_head", "n_layer", "n_embd", "n_positions"]))
    groups = config.get("num_key_value_heads", heads)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner if is_llama else 4 * inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(file_type)
    writer.add_tokenizer_model("no_vocab")
    if is_llama:
        width = config.get("head_dim", hidden // heads)
        writer.add_key_length(width)
        writer.add_value_length(width)
        writer.add_rope_dimension_count(width)
        writer.add_rope_freq_base(config["rope_theta"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    else:
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    for name, array in tensors(directory):
        new = renamed(name)
        if ".c_" in name and array.ndim == 2:
            array = array.T
        if config["model_type"] == "llama" and new.endswith(("attn_q.weight", "attn_k.weight")):
            array = turned(array, heads if "attn_q" in new else groups)
        array = numpy.ascontiguousarray(array)
        if array.ndim == 1 or "position_embd" in new:
            writer.add_tensor(new, array)
        else:
            writer.add_tensor(
                new, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in TYPES:
        sys.exit(__doc__)
    write(*sys.argv[1:])
