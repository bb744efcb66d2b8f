"""Measures Whisper-tiny's encoder over 30 s of sound, in Burin and in OpenVINO, in f32 and bf16.

    python3 whisper_encoder.py [--types f32,bf16] [--write]

The weights are random: the time does not depend on them. What is compiled is
`WhisperForAudioClassification`, the encoder under a head that costs 1 % of it; OpenVINO is given the
same graph in its own operations. The table gives medians, in brackets the fastest and the slowest round,
and the largest distance from OpenVINO's f32 over the largest value.
"""

import json
import os
import statistics
import subprocess

import numpy
from safetensors.numpy import save_file

import turns
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


def save(folder):
    os.makedirs(folder, exist_ok=True)
    save_file(weights(), os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({
            "model_type": "whisper", "architectures": ["WhisperForAudioClassification"],
            "d_model": WIDTH, "encoder_attention_heads": HEADS, "encoder_layers": LAYERS,
            "encoder_ffn_dim": INNER, "num_mel_bins": MELS, "max_source_positions": LENGTH,
            "num_labels": 2}, file)


def burin(folder, threads, kind):
    path = os.path.join(folder, f"whisper-{kind}.so")
    if not turns.stands(path):
        subprocess.run([turns.BURIN, "compile", folder, "-o", path, "--max-batch", "1", "--dtype",
                        kind], check=True)
    library = Library(path, threads)
    return "", lambda features: library.run({"input_features": features}, ["logits"])["logits"]


def openvino(folder, threads, kind):
    import openvino as ov
    import openvino.opset13 as op
    tensors = weights()

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
        "INFERENCE_PRECISION_HINT": kind}).create_infer_request()
    version = "openvino " + ov.__version__.split("-")[0]
    return version, lambda features: request.infer({0: features})[0]


def work(name, kind, folder, threads):
    shape = 1, MELS, 2 * LENGTH
    features = numpy.random.default_rng(1).standard_normal(shape).astype(numpy.float32)
    version, run = {"burin": burin, "openvino": openvino}[name](folder, threads, kind)
    logits = numpy.array(run(features)).tolist()
    turns.serve({"version": version, "logits": logits},
                lambda count: turns.seconds(lambda: run(features), count))


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=9)
    parser.add_argument("--types", default="f32,bf16")
    arguments = turns.parsed(parser)
    folder = os.path.join(arguments.folder, "whisper-encoder")
    save(folder)
    workers = [
        turns.Worker(name, kind=kind, folder=folder, threads=arguments.threads)
        for kind in arguments.types.split(",") for name in ("openvino", "burin")]
    for worker in workers:
        worker.times = []

    def turn(worker):
        worker.ask(1)
        worker.times.append(1e3 * statistics.median(worker.ask(3)))

    turns.take_turns(workers, arguments.rounds, turn, arguments.apart)
    reference = numpy.array(workers[0].about["logits"])
    cells = []
    for worker in workers:
        worker.close()
        error = abs(numpy.array(worker.about["logits"]) - reference).max() / abs(reference).max()
        cells.append([f"{worker.name} {worker.job['kind']}", turns.spread(worker.times),
                      f"{error:.0e}"])
    versions = [worker.about["version"] for worker in workers]
    turns.publish(arguments, "sound", (
        f"{turns.setting(arguments, versions)}\n\n"
        f"{turns.table(['engine', 'ms', 'error'], cells)}"))


if __name__ == "__main__":
    main()
