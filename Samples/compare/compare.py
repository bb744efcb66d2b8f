"""Measures Burin's encoders beside their peers: the same models, inputs, threads and minutes.

    python3 compare.py --minilm DIRECTORY [--models minilm,bert-base] [--shapes 1x128,8x128]
                       [--engines burin,openvino,...] [--write]
    python3 compare.py --models vit-base --shapes 1x197,8x197 [--engines ...] [--write]

The machine's ceiling is measured in every round too, for each type its own. The table gives the median
of all forward passes, in brackets the medians of the fastest and the slowest round, and behind Burin's
by what it is ahead of the fastest peer of the same type. Results gather in `--folder`; `--write` puts
all of them into README.md, which also says how to install the peers.
"""

import json
import os
import statistics

import turns


def configuration(model):
    with open(os.path.join(model, "config.json")) as file:
        return json.load(file)


def sample_inputs(model, batch, seq):
    import numpy
    generator = numpy.random.default_rng(batch * 1000 + seq)
    config = configuration(model)
    if "image_size" in config:
        shape = batch, config["num_channels"], config["image_size"], config["image_size"]
        return {"pixel_values": generator.standard_normal(shape, dtype="float32")}
    return {
        "input_ids": generator.integers(1000, 30000, (batch, seq), dtype="int64"),
        "attention_mask": numpy.ones((batch, seq), dtype="int64"),
        "token_type_ids": numpy.zeros((batch, seq), dtype="int64")}


def work(name, model, folder, batch, seq, threads):
    """One engine, model and shape: answers a count with the milliseconds of so many passes."""
    from engines import ENGINES
    import numpy
    inputs = sample_inputs(model, batch, seq)
    start = turns.now()
    engine = ENGINES[name](model, folder, inputs, threads)
    result = numpy.array(engine.run())
    first = turns.now() - start
    numpy.save(os.path.join(folder, f"{name}-{batch}x{seq}.npy"), result)
    turns.serve(
        {"version": engine.version, "first": first},
        lambda count: [1e3 * time for time in turns.seconds(engine.run, count)])


def make_base(label, folder):
    """A model of the usual size, with random weights."""
    path = os.path.join(folder, label + "-random")
    if not os.path.exists(path):
        import torch
        import transformers as t
        torch.manual_seed(0)
        kinds = {"bert-base": (t.BertModel, t.BertConfig), "vit-base": (t.ViTModel, t.ViTConfig)}
        kind, config = kinds[label]
        kind(config()).save_pretrained(path)
    return path


def save_reference(model, folder, batch, seq):
    """The judge: eager attention of PyTorch."""
    from engines import Torch
    import numpy
    path = os.path.join(folder, f"reference-{batch}x{seq}.npy")
    if not os.path.exists(path):
        eager = type("Eager", (Torch,), {"attention": "eager"})
        numpy.save(path, eager(model, folder, sample_inputs(model, batch, seq), 2).run())


def multiply_adds(model, batch, seq):
    """Multiply-adds of the matrix products of a forward pass, attention included."""
    config = configuration(model)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tokens = batch * seq
    layer = tokens * (4 * hidden * hidden + 2 * hidden * inner) + 2 * tokens * seq * hidden
    patches = 0
    if "patch_size" in config:
        patches = batch * (seq - 1) * config["num_channels"] * config["patch_size"] ** 2 * hidden
    return config["num_hidden_layers"] * layer + batch * hidden * hidden + patches


def distance(folder, name, batch, seq):
    """From the reference: the largest over its largest value, and 1 - cosine of the mean vectors."""
    import numpy
    result, reference = (
        numpy.load(os.path.join(folder, f"{stem}-{batch}x{seq}.npy"))
        for stem in (name, "reference"))
    cosine = min((a * b).sum() / numpy.sqrt((a * a).sum() * (b * b).sum())
                 for a, b in zip(result.mean(1), reference.mean(1)))
    return float(abs(result - reference).max() / abs(reference).max()), max(0, 1 - float(cosine))


def compare(names, label, model, folder, batch, seq, arguments, probe):
    from engines import precision
    workers = [
        turns.Worker(name, model=model, folder=folder, batch=batch, seq=seq,
                     threads=arguments.threads) for name in names]
    ceilings = {dtype: [] for dtype in sorted({precision(name) for name in names})}
    for worker in workers:
        worker.rounds = []

    def warm_up(worker):
        """Learns how many passes fill a turn."""
        worker.count = max(2, round(arguments.turn * 1e3 / min(worker.ask(3))))

    def turn(worker):
        if worker.process is None:
            worker.ask(2)
        worker.rounds.append(worker.ask(worker.count))

    def measure_ceilings():
        for dtype, found in ceilings.items():
            found.append(probe(dtype))

    workers = turns.take_turns(workers, 1, warm_up, arguments.apart)
    workers = turns.take_turns(
        workers, arguments.rounds, turn, arguments.apart, measure_ceilings)
    for dtype, found in ceilings.items():
        if min(found) < 0.9 * max(found):
            turns.say(f"  {label} {batch}x{seq}: not a quiet machine, the ceiling of {dtype} went from "
                      f"{max(found):.0f} down to {min(found):.0f} GFLOP/s: measure again")
    rows = []
    for worker in workers:
        worker.close()
        dtype = precision(worker.name)
        error, cosine = distance(folder, worker.name, batch, seq)
        if dtype == "f32" and not error < 1e-4:
            raise SystemExit(f"{worker.name} computes something else: off by {error:.1e}")
        median = statistics.median(time for found in worker.rounds for time in found)
        medians = [statistics.median(found) for found in worker.rounds]
        rate = statistics.median(ceilings[dtype])
        rows.append({
            "model": label, "shape": f"{batch} x {seq}", "dtype": dtype, "engine": worker.name,
            "median": median, "low": min(medians), "high": max(medians), "ceiling": rate,
            "floor": 2e-6 * multiply_adds(model, batch, seq) / rate, "error": error,
            "cosine": cosine, **worker.about})
        turns.say(f"  {label} {batch}x{seq} {worker.name:18} {turns.spread(medians, 2)} ms")
    return rows


def write(results, arguments):
    cells, versions, ceilings = [], [], []
    for key in sorted(results, key=lambda key: results[key][0]["floor"]):
        rows = sorted(results[key], key=lambda row: row["median"])
        peers = [row["median"] for row in rows if not row["engine"].startswith("burin")]
        for place, row in enumerate(rows):
            versions.append(row["version"])
            ceilings.append(row["ceiling"])
            ahead = peers and row["engine"].startswith("burin")
            cells.append([
                "" if place else f"{row['model']} {row['shape']} {row['dtype']}",
                "" if place else f"{row['floor']:.1f}", row["engine"],
                f"{row['median']:.2f} ({row['low']:.2f} - {row['high']:.2f})",
                f"{min(peers) / row['median']:.2f}" if ahead else "",
                f"{row['floor'] / row['median']:.0%}", f"{row['error']:.0e}",
                f"{row['cosine']:.0e}"])
    heads = ["model, batch x length", "floor", "engine", "ms", "x the best peer", "of the ceiling",
             "error", "1 - cosine"]
    turns.publish(arguments, "table", (
        f"{turns.setting(arguments, versions)} {arguments.turn:g} s an engine and round. Ceiling "
        f"{min(ceilings):.0f} to {max(ceilings):.0f} GFLOP/s; the floor is the arithmetic of the "
        f"matrix products at that rate. Error: largest distance from PyTorch's eager attention, "
        f"over the largest value.\n\n{turns.table(heads, cells)}"))


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=9)
    parser.add_argument("--minilm", help="the directory of all-MiniLM-L6-v2")
    parser.add_argument("--models", default="minilm,bert-base")
    parser.add_argument("--shapes", default="1x128,8x128")
    parser.add_argument("--engines", default="burin,onnxruntime,onnxruntime-plain,openvino,torch")
    parser.add_argument("--turn", type=float, default=1.0, help="seconds an engine runs in a round")
    arguments = turns.parsed(parser)
    from engines import ENGINES
    probe = turns.ceiling(arguments.folder)
    results = turns.Results(arguments.folder, "encoders")
    names = arguments.engines.split(",")
    shapes = [tuple(map(int, shape.split("x"))) for shape in arguments.shapes.split(",")]
    if "minilm" in arguments.models and not arguments.minilm:
        parser.error("--minilm is needed for the model minilm")

    def every_model():
        for label in arguments.models.split(","):
            model = os.path.abspath(
                arguments.minilm if label == "minilm" else make_base(label, arguments.folder))
            folder = os.path.join(arguments.folder, label)
            os.makedirs(folder, exist_ok=True)
            for name in names:
                ENGINES[name].prepare(model, folder)
            for batch, seq in shapes:
                save_reference(model, folder, batch, seq)
            for batch, seq in [] if arguments.prepare else shapes:
                rows = compare(names, label, model, folder, batch, seq, arguments, probe)
                for dtype in {row["dtype"] for row in rows}:
                    results.add(f"{label} {batch}x{seq} {dtype}",
                                [row for row in rows if row["dtype"] == dtype])

    try:
        every_model()
    finally:
        if results and not arguments.prepare:
            write(results, arguments)


if __name__ == "__main__":
    main()
