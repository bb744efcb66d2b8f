"""Measures what comes before the first result, and memory: BERT-base in f32, 1 x 128.

    python3 start.py [--engines burin,burin-run,onnxruntime,openvino,ctranslate2] [--write]

The conversion of the model's directory is measured once, without anything kept from earlier ones; then
processes are started in turn, files in the page cache, until the first result is there. Python and
numpy are in that time, and first of all measured alone; `burin-run` is the command `burin run`, which
reads its input and writes its output as files. Resident is what a process has after some passes
beyond that bare Python, for `burin-run` the most that it had at any time. The model has random weights
of 438 MB.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time

import compare
import turns

SHAPE = 1, 128


class Bare:
    """Python and numpy alone."""

    version = ""

    @staticmethod
    def prepare(model, folder):
        pass

    def __init__(self, model, folder, inputs, threads):
        pass

    def run(self):
        pass


def engine(name):
    from engines import ENGINES
    return Bare if name == "python" else ENGINES[name]


def work(name, model, folder, threads, prepares):
    """Converts the model, or runs it."""
    if prepares:
        return engine(name).prepare(model, folder)
    inputs = compare.sample_inputs(model, *SHAPE)
    made = engine(name)(model, folder, inputs, threads)
    made.run()

    def answer(count):
        times = turns.seconds(made.run, count)
        return {"forward": statistics.median(times), "resident": turns.resident()}

    turns.serve({"version": made.version}, answer)


class Process(turns.Worker):
    """Lives for one turn."""

    def measure(self):
        start = time.perf_counter()
        self.start()
        first = time.perf_counter() - start
        found = self.ask(10)
        self.close()
        return {"first": first, **found}


class BurinRun:
    """`burin run`, a process of its own."""

    def __init__(self, model, folder, inputs, threads):
        from safetensors.numpy import save_file
        self.name, self.about = "burin-run", {"version": ""}
        given, result = (os.path.join(folder, stem + ".safetensors") for stem in ("in", "out"))
        save_file(inputs, given)
        self.command = [turns.BURIN, "run", os.path.join(folder, "burin-f32.so"), "--inputs", given,
                        "--outputs", result, "--threads", str(threads)]

    def measure(self):
        start = time.perf_counter()
        process = subprocess.Popen(self.command)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            raise RuntimeError("burin run failed")
        return {"first": time.perf_counter() - start, "resident": usage.ru_maxrss / 1024}

    def close(self):
        pass


def conversion(name, model, folder, arguments):
    """Seconds from the directory to what the engine loads."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BURIN_CACHE"] = cache
        worker = turns.Worker(
            name, model=model, folder=folder, threads=arguments.threads, prepares=True)
        start = time.perf_counter()
        try:
            worker.start()
        except RuntimeError:  # it says nothing, and ends
            pass
        del os.environ["BURIN_CACHE"]
        return time.perf_counter() - start


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=5)
    parser.add_argument("--engines", default="burin,burin-run,onnxruntime,openvino,ctranslate2")
    arguments = turns.parsed(parser)
    model = compare.make_base("bert-base", arguments.folder)
    inputs = compare.sample_inputs(model, *SHAPE)
    workers, converted = [], {}
    for name in ["python", *arguments.engines.split(",")]:
        base = "burin" if name == "burin-run" else name
        folder = os.path.join(arguments.folder, "start", base)
        if base not in converted:
            converted[base] = conversion(base, model, folder, arguments)
        workers.append(
            BurinRun(model, folder, inputs, arguments.threads) if name == "burin-run" else
            Process(name, model=model, folder=folder, threads=arguments.threads, prepares=False))
        workers[-1].found, workers[-1].conversion = [], converted[base]
    turns.take_turns(workers, 1, lambda worker: worker.measure())
    workers = turns.take_turns(
        workers, arguments.rounds, lambda worker: worker.found.append(worker.measure()))
    bare = statistics.median(found["resident"] for found in workers[0].found)
    cells = []
    for worker in workers:
        def every(key):
            return [found[key] for found in worker.found if key in found]
        passes = every("forward")
        alone = worker.name == "burin-run" or worker is workers[0]
        cells.append([
            worker.name, f"{worker.conversion:.1f}" if worker is not workers[0] else "",
            turns.spread([1e3 * time for time in every("first")], 0),
            f"{1e3 * statistics.median(passes):.1f}" if passes and worker is not workers[0] else "",
            f"{statistics.median(every('resident')) - (0 if alone else bare):.0f}"])
    heads = ["engine", "conversion, s", "start to first result, ms", "a pass, ms", "resident, MB"]
    versions = [worker.about["version"] for worker in workers[1:]]
    turns.publish(
        arguments, "start", f"{turns.setting(arguments, versions)}\n\n{turns.table(heads, cells)}")


if __name__ == "__main__":
    main()
