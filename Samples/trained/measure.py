"""Measures the trained models through the libraries that Burin makes of them.

    python3 Samples/trained/measure.py BURIN [written-forms|run-off|bytes ...]

BURIN is the command, such as .build/release/burin. Needs nothing but Python.
"""

import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "run-off"), os.path.join(HERE, "bytes")]


def burin(*arguments):
    return subprocess.run(
        [COMMAND, *arguments], check=True, capture_output=True, text=True).stdout


def library(name, directory, precision="f32"):
    path = os.path.join(directory, f"{name}-{precision}.so")
    burin("compile", os.path.join(HERE, name, "model"), "-o", path, "--dtype", precision)
    return path


def written_forms(directory):
    """Greedy exact matches over the held-out phrases in the repository."""
    with open(os.path.join(HERE, "written-forms", "held-out.json")) as file:
        examples = json.load(file)
    for precision in "f32", "bf16", "int8":
        path, right = library("written-forms", directory, precision), {}
        for phrase, form, language in examples:
            said = json.loads(burin("generate", path, "--prompt", phrase, "--json"))["text"]
            right.setdefault(language, []).append(said == form)
        counts = {name: f"{sum(hits)} of {len(hits)}" for name, hits in sorted(right.items())}
        print("written-forms", precision, sum(map(sum, right.values())), "of", len(examples), counts)


def run_off(directory):
    """Nash-Sutcliffe efficiency and mean absolute error over the held-out years, every seventh day."""
    from simulation import DAYS, simulate
    rows, past, horizon = simulate(60, 1), 60, 10
    path, table = library("run-off", directory), os.path.join(directory, "river.csv")
    predicted, target = [], []
    for start in range(50 * DAYS + past, len(rows) - horizon, 7):
        with open(table, "w") as file:
            file.write("rain,temperature,runoff\n")
            for place in range(start - past, start + horizon):
                rain, temperature, flow = rows[place]
                file.write(f"{rain},{temperature},{flow if place < start else ''}\n")
        found = json.loads(burin(
            "forecast", path, table, "--feature", "rain", "--feature", "temperature", "--json"))
        predicted += found["results"][0]["mean"]
        target += [row[2] for row in rows[start:start + horizon]]
    mean = sum(target) / len(target)
    error = sum((p - t) ** 2 for p, t in zip(predicted, target))
    print("run-off", len(target) // horizon, "forecasts, NSE",
          round(1 - error / sum((t - mean) ** 2 for t in target), 4), "MAE",
          round(sum(abs(p - t) for p, t in zip(predicted, target)) / len(target), 4))


def byte_model(directory):
    """Perplexity per byte over pieces of 256 bytes, the first of each left out."""
    from text import sample
    data = sample()
    for precision in PRECISIONS:
        path, total, count = library("bytes", directory, precision), 0.0, 0
        for at in range(0, len(data) - 1, 256):
            ids = ",".join(map(str, data[at:at + 256]))
            score = json.loads(burin("score", path, "--input-ids", ids, "--json"))["results"][0]
            total, count = total + score["sum"], count + len(score["tokens"]) - 1
        print("bytes", precision, count, "bytes, perplexity", round(math.exp(-total / count), 4),
              "library", round(os.path.getsize(path) / 1024), "KiB")


PRECISIONS = ["f32", "bf16", "int8", "int4"]
ALL = {"written-forms": written_forms, "run-off": run_off, "bytes": byte_model}

if __name__ == "__main__":
    COMMAND = sys.argv[1]
    with tempfile.TemporaryDirectory() as place:
        for chosen in sys.argv[2:] or ALL:
            ALL[chosen](place)
