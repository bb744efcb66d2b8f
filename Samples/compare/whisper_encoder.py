"""Measures Whisper-tiny's encoder over 30 s of sound, in Burin and in OpenVINO, in f32 and bf16.

    python3 whisper_encoder.py [--burin PATH] [--folder DIRECTORY] [--rounds 9] [--threads 2]

Needs numpy, safetensors and openvino. The weights are random: the time does not depend on them. What
is compiled is `WhisperForAudioClassification`, the encoder under a head that costs 1 % of it;
OpenVINO is given the same graph in its own operations. The engines take turns, round after round;
the table gives medians, and the largest distance from OpenVINO's f32 over the largest value.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import numpy
from safetensors.numpy import save_file

from burin_library import Library

WIDTH, HEADS, INNER, LAYERS, MELS, LENGTH = 384, 6, 1536, 4, 80, 1500


def weights():
    """The tensors of the model, by transformers' names."""
    draw = numpy.random.default_rng(0)

    def normal(*shape):
        return (draw.standard_normal(shape) / shape[-1] ** 0.5).astype(numpy.float32)

    tensors = {
        "encoder.conv1.weight": normal(WIDTH, MELS, 3) * 0.5,
        "encoder.conv2.weight": normal(WIDTH, WIDTH, 3) * 0.1,
        "encoder.embed_positions.weight": normal(LENGTH, WIDTH) * 4,
        "projector.weight": normal(256, WIDTH), "projector.bias": normal(256),
        "classifier.weight": normal(2, 256), "classifier.bias": normal(2)}
    for name in "conv1", "conv2":
        tensors[f"encoder.{name}.bias"] = normal(WIDTH)
    norms = ["encoder.layer_norm"]
    for layer in (f"encoder.layers.{index}" for index in range(LAYERS)):
        norms += [f"{layer}.self_attn_layer_norm", f"{layer}.final_layer_norm"]
        for name in "q_proj", "k_proj", "v_proj", "out_proj":
            tensors[f"{layer}.self_attn.{name}.weight"] = normal(WIDTH, WIDTH)
            if name != "k_proj":
                tensors[f"{layer}.self_attn.{name}.bias"] = normal(WIDTH)
        for name, rows, columns in ("fc1", INNER, WIDTH), ("fc2", WIDTH, INNER):
            tensors[f"{layer}.{name}.weight"] = normal(rows, columns)
            tensors[f"{layer}.{name}.bias"] = normal(rows)
    for name in norms:
        tensors[name + ".weight"] = 1 + normal(WIDTH)
        tensors[name + ".bias"] = normal(WIDTH)
    return tensors


def save(tensors, folder):
    os.makedirs(folder, exist_ok=True)
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({
            "model_type": "whisper", "architectures": ["WhisperForAudioClassification"],
            "d_model": WIDTH, "encoder_attention_heads": HEADS, "encoder_layers": LAYERS,
            "encoder_ffn_dim": INNER, "num_mel_bins": MELS, "max_source_positions": LENGTH,
            "num_labels": 2}, file)


def burin(command, folder, threads, dtype):
    path = os.path.join(folder, f"whisper-{dtype}.so")
    subprocess.run(
        [command, "compile", folder, "-o", path, "--max-batch", "1", "--dtype", dtype], check=True)
    library = Library(path, threads)
    return lambda features: library.run({"input_features": features}, ["logits"])["logits"]


def openvino(tensors, threads, dtype):
    import openvino as ov
    import openvino.opset13 as op

    def linear(x, name, bias=True):
        product = op.matmul(x, op.constant(tensors[name + ".weight"]), False, True)
        return op.add(product, op.constant(tensors[name + ".bias"])) if bias else product

    def norm(x, name):
        unit = op.mvn(x, op.constant([-1]), True, 1e-5, "inside_sqrt")
        return op.add(op.multiply(unit, op.constant(tensors[name + ".weight"])),
                      op.constant(tensors[name + ".bias"]))

    def convolution(x, name, stride):
        y = op.convolution(x, op.constant(tensors[name + ".weight"]), [stride], [1], [1], [1])
        return op.gelu(op.add(y, op.constant(tensors[name + ".bias"].reshape(1, -1, 1))), "erf")

    def heads(x):
        split = op.reshape(x, op.constant([0, 0, HEADS, WIDTH // HEADS]), True)
        return op.transpose(split, op.constant([0, 2, 1, 3]))

    features = op.parameter([1, MELS, 2 * LENGTH], numpy.float32, "input_features")
    x = convolution(convolution(features, "encoder.conv1", 1), "encoder.conv2", 2)
    x = op.add(op.transpose(x, op.constant([0, 2, 1])),
               op.constant(tensors["encoder.embed_positions.weight"]))
    for layer in (f"encoder.layers.{index}" for index in range(LAYERS)):
        own = layer + ".self_attn"
        y = norm(x, own + "_layer_norm")
        mixed = op.scaled_dot_product_attention(
            heads(linear(y, own + ".q_proj")), heads(linear(y, own + ".k_proj", False)),
            heads(linear(y, own + ".v_proj")))
        joined = op.reshape(
            op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([0, 0, WIDTH]), True)
        x = op.add(x, linear(joined, own + ".out_proj"))
        y = norm(x, layer + ".final_layer_norm")
        x = op.add(x, linear(op.gelu(linear(y, layer + ".fc1"), "erf"), layer + ".fc2"))
    mean = op.reduce_mean(linear(norm(x, "encoder.layer_norm"), "projector"), op.constant([1]))
    model = ov.Model([linear(mean, "classifier")], [features], "whisper")
    request = ov.Core().compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": dtype}).create_infer_request()
    return lambda features: request.infer({0: features})[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--burin", default=os.environ.get("BURIN", "burin"))
    parser.add_argument("--folder", default="whisper-encoder")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    tensors = weights()
    save(tensors, arguments.folder)
    engines = {
        "openvino f32": openvino(tensors, arguments.threads, "f32"),
        "burin f32": burin(arguments.burin, arguments.folder, arguments.threads, "f32"),
        "openvino bf16": openvino(tensors, arguments.threads, "bf16"),
        "burin bf16": burin(arguments.burin, arguments.folder, arguments.threads, "bf16")}
    shape = (1, MELS, 2 * LENGTH)
    features = numpy.random.default_rng(1).standard_normal(shape).astype(numpy.float32)
    results = {name: numpy.array(run(features)) for name, run in engines.items()}
    times = {name: [] for name in engines}
    for turn in range(arguments.rounds):
        names = list(engines) if turn % 2 == 0 else list(engines)[::-1]
        for name in names:
            time.sleep(0.3)  # the neighbour's threads fall asleep
            engines[name](features)
            for _ in range(3):
                start = time.perf_counter()
                engines[name](features)
                times[name].append((time.perf_counter() - start) * 1e3)
    reference = results["openvino f32"]
    print("| engine | median ms | least | error |\n| --- | --- | --- | --- |")
    for name, values in times.items():
        error = abs(results[name] - reference).max() / abs(reference).max()
        print(f"| {name} | {statistics.median(values):.1f} | {min(values):.1f} | {error:.0e} |")


if __name__ == "__main__":
    main()
