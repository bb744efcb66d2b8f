"""Measures Burin beside its peers: the same models, inputs, threads and minutes.

    python3 compare.py --minilm DIRECTORY [--engines burin,onnxruntime,...]
                       [--models minilm,bert-base] [--shapes 1x128,8x128] [--write]
    python3 compare.py --models vit-base --shapes 1x197,8x197 [--engines ...] [--write]

Each engine lives in a process of its own and sleeps while the others run. They take turns, round
after round; the machine's ceiling is measured in every round too. The table gives the median of
all forward passes, and in brackets the medians of the luckiest and unluckiest quarter of rounds.
Results gather in `--folder`; `--write` puts all of them into README.md, which also says how to
install the peers. On a machine that is not quiet, `--threads 1 --cpu-time` counts the seconds that a
process was given, not those that passed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MARKS = "<!-- table -->\n", "<!-- end of table -->\n"


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


# The engine's side: one process for one engine, model and shape.


def work(name, model, folder, batch, seq, threads):
    """Answers each line `N` on standard input with the milliseconds of N forward passes."""
    from engines import ENGINES
    import numpy
    inputs = sample_inputs(model, batch, seq)
    begin = time.perf_counter()
    engine = ENGINES[name](model, folder, inputs, threads)
    result = numpy.array(engine.run())
    ready = time.perf_counter() - begin
    numpy.save(os.path.join(folder, f"{name}-{batch}x{seq}.npy"), result)
    print(json.dumps({"version": engine.version, "seconds_to_first_result": ready}), flush=True)
    clock = time.process_time if os.environ.get("COMPARE_CPU_TIME") else time.perf_counter
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = clock()
            engine.run()
            times.append((clock() - start) * 1e3)
        print(json.dumps(times), flush=True)


# The conductor's side.


class Worker:
    def __init__(self, name, model, folder, batch, seq, threads):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--work", name, model, folder, str(batch),
             str(seq), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        self.name, self.rounds = name, []
        # Engines may print; the first line that is JSON is ours.
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"{name} did not start")
            if line.startswith("{"):
                break
        self.about = json.loads(line)

    def measure(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ceiling_probe(folder):
    path = os.path.join(folder, "ceiling")
    subprocess.run(
        [os.environ.get("CC", "clang"), "-O2", "-march=native", "-ffp-contract=fast", "-fopenmp",
         os.path.join(HERE, "ceiling.c"), "-o", path], check=True)
    return lambda threads, dtype="f32": float(subprocess.run(
        [path, dtype], check=True, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)}).stdout)


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


def quarters(medians):
    ordered = sorted(medians)
    count = max(1, len(ordered) // 4)
    return statistics.median(ordered[:count]), statistics.median(ordered[-count:])


def compare(names, label, model, folder, batch, seq, arguments, probe):
    from engines import precision
    import numpy
    reference = numpy.load(os.path.join(folder, f"reference-{batch}x{seq}.npy"))
    workers, rows = [], []
    dtypes = sorted({precision(name) for name in names})
    for name in names:
        try:
            workers.append(
                Worker(name, model, folder, batch, seq, arguments.threads))
        except RuntimeError as error:
            print(f"  left out: {error}", flush=True)
            continue
        result = numpy.load(os.path.join(folder, f"{name}-{batch}x{seq}.npy"))
        workers[-1].error = float(abs(result - reference).max() / abs(reference).max())
        workers[-1].cosine = float(min(
            (a * b).sum() / numpy.sqrt((a * a).sum() * (b * b).sum())
            for a, b in zip(result.mean(1), reference.mean(1))))
    ceilings = {dtype: [] for dtype in dtypes}
    for worker in workers:  # warm up, and learn how many passes fill a turn
        time_of_one = min(worker.measure(3))
        worker.count = max(2, round(arguments.turn * 1e3 / time_of_one))
        worker.measure(worker.count)
    for turn in range(arguments.rounds):
        for dtype in dtypes:
            ceilings[dtype].append(probe(arguments.threads, dtype))
        # Every other round runs backwards, so that nobody always follows the same neighbour.
        for worker in workers if turn % 2 == 0 else reversed(workers):
            time.sleep(0.25)  # the neighbour's threads fall asleep
            worker.rounds.append(worker.measure(worker.count))
    for dtype, every in ceilings.items():
        if min(every) < 0.9 * max(every):
            print(f"  {label} {batch}x{seq}: not a quiet machine, the ceiling of {dtype} went from "
                  f"{max(every):.0f} down to {min(every):.0f} GFLOP/s: measure again", flush=True)
    for worker in workers:
        worker.close()
        dtype = precision(worker.name)
        ceiling = statistics.median(ceilings[dtype])
        floor = 2e-6 * multiply_adds(model, batch, seq) / ceiling
        if dtype == "f32" and not worker.error < 1e-4:
            raise SystemExit(f"{worker.name} computes something else: off by {worker.error:.1e}")
        every = [x for turn in worker.rounds for x in turn]
        median = statistics.median(every)
        low, high = quarters([statistics.median(turn) for turn in worker.rounds])
        rows.append({
            "model": label, "shape": f"{batch} x {seq}", "engine": worker.name, "median": median,
            "low": low, "high": high, "share": floor / median, "error": worker.error,
            "cosine": worker.cosine, "dtype": dtype,
            "version": worker.about["version"], "ceiling": ceiling, "floor": floor,
            "first": worker.about["seconds_to_first_result"]})
        print(f"  {label} {batch}x{seq} {worker.name:18} {median:8.2f} ms ({low:.2f} - {high:.2f})"
              f" {floor / median:6.1%} of {ceiling:.0f} GFLOP/s, off by {worker.error:.1e},"
              f" first result after {worker.about['seconds_to_first_result']:.2f} s", flush=True)
    return rows


def table(results):
    lines = ["| model, batch x length | floor | engine | ms (lucky - unlucky) | of the ceiling |"
             " error | 1 - cosine |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for rows in results:
        for i, row in enumerate(sorted(rows, key=lambda row: row["median"])):
            dtype = row.get("dtype", "f32")
            first = f"{row['model']} {row['shape']} {dtype} | {row['floor']:.1f}" if i == 0 else " | "
            lines.append(
                f"| {first} | {row['engine']} | {row['median']:.2f} "
                f"({row['low']:.2f} - {row['high']:.2f}) | {row['share']:.0%} | "
                f"{row['error']:.0e} | {max(0, 1 - row.get('cosine', 1)):.0e} |")
    return "\n".join(lines)


def write_table(results, arguments):
    versions = sorted({row["version"] for rows in results for row in rows})
    ceilings = [row["ceiling"] for rows in results for row in rows]
    with open("/proc/cpuinfo") as file:
        cpu = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    text = (
        f"{time.strftime('%Y-%m-%d')}, {cpu}, {arguments.threads} threads, Linux on "
        f"{platform.machine()}, Python {platform.python_version()}, {', '.join(versions)}. "
        f"{arguments.rounds} rounds of about {arguments.turn:g} s an engine"
        f"{', by the clock of each process' if arguments.cpu_time else ''}. Ceiling "
        f"{min(ceilings):.0f} to {max(ceilings):.0f} GFLOP/s; the floor is the arithmetic of the "
        f"matrix products at that rate. Error: largest distance from PyTorch's eager attention, "
        f"over the largest value.\n\n{table(results)}\n")
    path = os.path.join(HERE, "README.md")
    with open(path) as file:
        readme = file.read()
    before, rest = readme.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with open(path, "w") as file:
        file.write(before + MARKS[0] + text + MARKS[1] + after)


def main():
    if sys.argv[1:2] == ["--work"]:
        name, model, folder, batch, seq, threads = sys.argv[2:]
        return work(name, model, folder, int(batch), int(seq), int(threads))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", help="the directory of all-MiniLM-L6-v2")
    parser.add_argument("--models", default="minilm,bert-base")
    parser.add_argument("--shapes", default="1x128,8x128")
    parser.add_argument("--engines", default="burin,onnxruntime,onnxruntime-plain,openvino,torch")
    parser.add_argument("--folder", default=os.path.join(HERE, ".work"), help="for exported files")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turn", type=float, default=1.0, help="seconds an engine runs in a round")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cpu-time", action="store_true")
    arguments = parser.parse_args()
    if arguments.cpu_time:
        os.environ["COMPARE_CPU_TIME"] = "1"

    from engines import ENGINES, Torch
    os.makedirs(arguments.folder, exist_ok=True)
    probe = ceiling_probe(arguments.folder)
    store = os.path.join(arguments.folder, "results.json")
    results = {}
    if os.path.exists(store):
        with open(store) as file:
            results = json.load(file)
    for label in arguments.models.split(","):
        model = arguments.minilm if label == "minilm" else make_base(label, arguments.folder)
        if not model:
            parser.error("--minilm is needed for the model minilm")
        folder = os.path.join(arguments.folder, label)
        os.makedirs(folder, exist_ok=True)
        names = arguments.engines.split(",")
        for name in names:
            ENGINES[name].prepare(model, folder)
        shapes = [tuple(map(int, shape.split("x"))) for shape in arguments.shapes.split(",")]
        for batch, seq in shapes:
            save_reference(Torch, model, folder, batch, seq)
        for batch, seq in shapes:
            rows = compare(names, label, model, folder, batch, seq, arguments, probe)
            for dtype in {row["dtype"] for row in rows}:
                results[f"{label} {batch}x{seq} {dtype}"] = [
                    row for row in rows if row["dtype"] == dtype]
            with open(store, "w") as file:
                json.dump(results, file)
    rows = [results[key] for key in sorted(results, key=lambda key: results[key][0]["floor"])]
    print(table(rows))
    if arguments.write:
        write_table(rows, arguments)


def save_reference(torch_engine, model, folder, batch, seq):
    """The judge: eager attention, one thread."""
    import numpy
    path = os.path.join(folder, f"reference-{batch}x{seq}.npy")
    if not os.path.exists(path):
        eager = type("Eager", (torch_engine,), {"attention": "eager"})
        numpy.save(path, eager(model, folder, sample_inputs(model, batch, seq), 2).run())


if __name__ == "__main__":
    main()
