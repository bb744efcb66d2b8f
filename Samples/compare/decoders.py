"""Measures Burin's decoders beside their peers: the same weights, ids, threads and minutes.

    python3 decoders.py [--models llama-1.1b,qwen3-0.6b,gpt2] [--precisions f32,bf16,int8,int4]
                        [--engines burin,llama.cpp,openvino,onnxruntime-genai] [--apart] [--write]

First the prompt in one call and new tokens one by one behind the first context, round after round; then
each later context is filled once, and decoding goes on behind it, in turns again. The table gives
medians over the rounds, in brackets the slowest and the fastest, and behind Burin's by what it is ahead
of the fastest peer. Results and compiled files gather in `--folder` and are used again; `--write` puts
all results into README.md, which also says how to install the peers. A directory for f32 stores f32,
for the other types bf16. Models that do not fit into memory four times want `--apart`.
"""

import os
import statistics
import subprocess
import sys

import turns
from decoder_engines import ENGINES
from decoder_model import SHAPES


def ids(count, vocabulary=32000):
    return [(7919 * place + 13) % vocabulary for place in range(count)]


def work(name, path, precision, threads, context):
    """Answers what it is asked for with seconds: {"prefill": N}, {"fill": N} or {"decode": N}."""
    import numpy
    empty = turns.resident()
    engine = ENGINES[name](path, precision, threads, context)
    numpy.save(path + ".npy", engine.step(ids(64)))

    def answer(question):
        (verb, count), = question.items()
        if verb == "decode":
            tokens = iter(ids(count))
            times = turns.seconds(lambda: engine.step([next(tokens)]), count)
        else:
            engine.reset()
            times = turns.seconds(lambda: engine.step(ids(count)))
        return {"seconds": statistics.median(times), "resident": turns.resident() - empty}

    answer({"decode": 4})
    turns.serve({"version": engine.version}, answer)


def directory(label, precision, folder):
    """The model's directory, made if need be."""
    stored = "f32" if precision == "f32" else "bf16"
    path = os.path.join(folder, f"{label}-stored-{stored}")
    if not os.path.exists(os.path.join(path, "model.safetensors")):
        subprocess.run([sys.executable, os.path.join(turns.HERE, "decoder_model.py"), label, path,
                        stored], check=True)
    return path


def prepared(label, precision, arguments, room):
    """Workers of the engines that take the model."""
    model = directory(label, precision, arguments.folder)
    for name in arguments.engines.split(","):
        path = os.path.join(arguments.folder, f"{label}-{precision}.{ENGINES[name].suffix}")
        if not turns.stands(path):
            # A process of its own gives back what the conversion took.
            job = subprocess.run(
                [sys.executable, os.path.join(turns.HERE, "decoder_engines.py"), name, model, path,
                 precision], stdout=sys.stderr)
            if job.returncode:
                turns.say(f"  left out: {name}: {precision} was not converted")
                continue
        worker = turns.Worker(
            name, path=path, precision=precision, threads=arguments.threads, context=room)
        worker.megabytes = ENGINES[name].size(path) / 2**20
        worker.prefill, worker.decode, worker.resident = [], {}, 0
        yield worker


def compare(label, precision, arguments, probe, memory):
    import numpy
    most = SHAPES[label].get("max_position_embeddings") or SHAPES[label]["n_positions"]
    steps = arguments.generate * (arguments.rounds + 1)
    first, *later = [
        context for context in map(int, arguments.contexts.split(",")) if context + steps <= most]
    room = max(arguments.prompt, max([first, *later]) + steps)
    workers = list(prepared(label, precision, arguments, min(most, (room + 255) // 256 * 256)))
    if arguments.prepare:
        return []

    def decode(worker, context):
        found = worker.ask({"decode": arguments.generate})
        worker.decode.setdefault(context, []).append(1 / found["seconds"])
        worker.resident = max(worker.resident, found["resident"])

    def warm_up(worker):
        if worker.process is None:
            worker.ask({"prefill": arguments.prompt})

    def beginning(worker):
        warm_up(worker)
        worker.prefill.append(
            arguments.prompt / worker.ask({"prefill": arguments.prompt})["seconds"])
        worker.ask({"fill": first})
        decode(worker, first)

    def going_on(worker, context):
        if worker.process is None or context not in worker.decode:
            worker.ask({"fill": context})
        decode(worker, context)

    def measure_memory():
        memory.append(probe("memory"))

    if not arguments.apart:
        workers = turns.take_turns(workers, 1, warm_up)
    workers = turns.take_turns(
        workers, arguments.rounds, beginning, arguments.apart, measure_memory)
    for context in later:
        workers = turns.take_turns(
            workers, arguments.rounds, lambda worker: going_on(worker, context), arguments.apart,
            measure_memory)
    logits = {worker.name: numpy.load(worker.job["path"] + ".npy") for worker in workers}
    judge = logits[workers[0].name]
    rows = []
    for worker in workers:
        worker.close()
        error = float(abs(logits[worker.name] - judge).max() / abs(judge).max())
        rows.append({
            "model": label, "precision": precision, "engine": worker.name, "prompt": arguments.prompt,
            "prefill": worker.prefill, "decode": worker.decode, "resident": worker.resident,
            "file": worker.megabytes, "distance": error, **worker.about})
        decoding = (f"decode at {context} {turns.spread(found)}"
                    for context, found in worker.decode.items())
        turns.say(f"  {label} {precision} {worker.name} prefill {turns.spread(worker.prefill)}, "
                  f"{', '.join(decoding)} tokens/s, {worker.resident:.0f} MB, first logits {error:.1e} "
                  f"from {workers[0].name}'s")
    return rows


def write(results, memory, arguments):
    every = [row for rows in results.values() for row in rows]
    contexts = sorted({context for row in every for context in row["decode"]}, key=int)
    cells = []
    for rows in results.values():
        peers = [row for row in rows if row["engine"] != "burin"]
        for place, row in enumerate(rows):
            def cell(rates):
                found = rates(row)
                if not found:
                    return ""
                best = max((statistics.median(rates(peer)) for peer in peers if rates(peer)), default=0)
                ahead = best and row["engine"] == "burin"
                return turns.spread(found) + (
                    f", **x {statistics.median(found) / best:.2f}**" if ahead else "")
            cells.append([
                "" if place else f"{row['model']} {row['precision']}", row["engine"],
                cell(lambda row: row["prefill"]),
                *(cell(lambda row: row["decode"].get(context)) for context in contexts),
                f"{row['file']:.0f}", f"{row['resident']:.0f}"])
    heads = ["model, type", "engine", f"prefill of {every[0]['prompt']}",
             *(f"decode at {context}" for context in contexts), "file, MB", "resident, MB"]
    turns.publish(arguments, "decoders", (
        f"{turns.setting(arguments, [row['version'] for row in every])} Tokens a second, {arguments.generate} new ones in a "
        f"round; x: by what Burin is ahead of the best peer. Memory read at {min(memory):.0f} to "
        f"{max(memory):.0f} GB/s meanwhile.\n\n{turns.table(heads, cells)}"))


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=5)
    parser.add_argument("--models", default="llama-1.1b,qwen3-0.6b,gpt2")
    parser.add_argument("--precisions", default="f32,bf16,int8,int4")
    parser.add_argument("--engines", default="burin,llama.cpp,openvino,onnxruntime-genai")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--contexts", default="128,2048", help="where decoding begins")
    parser.add_argument("--generate", type=int, default=32, help="new tokens in a round")
    arguments = turns.parsed(parser)
    probe, memory = turns.ceiling(arguments.folder), []
    results = turns.Results(arguments.folder, "decoders")
    try:
        for label in arguments.models.split(","):
            for precision in arguments.precisions.split(","):
                rows = compare(label, precision, arguments, probe, memory)
                if rows:
                    results.add(f"{label} {precision}", rows)
    finally:
        if results and memory:
            write(results, memory, arguments)


if __name__ == "__main__":
    main()
