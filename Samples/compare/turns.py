"""What the scripts beside this share: engines that take turns, and how a table is written.

Each engine lives in a process of its own and sleeps while the others run. The processes are the same
script, called with `--work` and what to do as JSON; they answer lines of JSON on their standard input
with lines of JSON on their standard output.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BURIN = os.environ.get("BURIN", "burin")
SIGN = "=> "  # before what is ours on the output, where engines print as well
PAUSE = 0.25  # seconds after which the threads of whoever ran before are asleep


def options(text, rounds):
    """The options that every script has."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=os.path.join(HERE, ".work"), help="for models, kept")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--cpu-time", action="store_true",
                        help="count the seconds that a process was given, not those that passed")
    parser.add_argument("--apart", action="store_true",
                        help="one engine in memory at a time; each starts anew for every turn")
    parser.add_argument("--prepare", action="store_true", help="make and convert models, no more")
    parser.add_argument("--write", action="store_true", help="put the results into README.md")
    return parser


def parsed(parser):
    arguments = parser.parse_args()
    arguments.folder = os.path.abspath(arguments.folder)
    os.makedirs(arguments.folder, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if arguments.cpu_time:
        os.environ["COMPARE_CPU_TIME"] = "1"
    # Whoever is told to end writes the rows that it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    return arguments


def say(text):
    """What is no part of the table."""
    print(text, file=sys.stderr, flush=True)


# The engine's side.


def now():
    return time.process_time() if os.environ.get("COMPARE_CPU_TIME") else time.perf_counter()


def seconds(work, count=1):
    """How long each of some calls takes."""
    times = []
    for _ in range(count):
        start = now()
        work()
        times.append(now() - start)
    return times


def job():
    """What this process is to do, if it is an engine's."""
    return json.loads(sys.argv[2]) if sys.argv[1:2] == ["--work"] else None


def serve(about, answer):
    """Says what the engine is, then answers until nobody asks any more."""
    print(SIGN + json.dumps(about), flush=True)
    for line in sys.stdin:
        print(SIGN + json.dumps(answer(json.loads(line))), flush=True)


def resident():
    """Megabytes of memory that this process has, files that it maps included."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


# The conductor's side.


class Worker:
    """An engine in its process, which starts with the first question."""

    def __init__(self, name, **job):
        self.name, self.job, self.process = name, {"name": name, **job}, None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(sys.argv[0]), "--work", json.dumps(self.job)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith(SIGN):
                return json.loads(line.removeprefix(SIGN))
        self.close()
        raise RuntimeError(f"{self.name} stopped")

    def ask(self, question=None):
        if self.process is None:
            self.start()
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def take_turns(workers, rounds, turn, apart=False, between=lambda: None):
    """Calls turn(worker) for each, round after round, and gives those workers that did not fail."""
    workers = list(workers)
    for number in range(rounds):
        between()
        # Every other round runs backwards, so that nobody always follows the same neighbour.
        for worker in workers[::-1 if number % 2 else 1]:
            time.sleep(PAUSE)
            try:
                turn(worker)
            except (RuntimeError, OSError) as error:
                say(f"  left out: {worker.name}: {error}")
                workers.remove(worker)
                worker.close()
            if apart:
                worker.close()
    return workers


def stands(path):
    """Whether a file is there and, if Burin made it, no older than the command that did."""
    if not os.path.exists(path):
        return False
    return not path.endswith(".so") or os.path.getmtime(path) > os.path.getmtime(shutil.which(BURIN))


def ceiling(folder):
    """A probe of this machine: 10^9 operations a second in f32, bf16 or int8, or GB/s of memory."""
    path = os.path.join(folder, "ceiling")
    subprocess.run(
        [os.environ.get("CC", "clang"), "-O2", "-march=native", "-ffp-contract=fast", "-fopenmp",
         os.path.join(HERE, "ceiling.c"), "-o", path], check=True)
    return lambda kind: float(
        subprocess.run([path, kind], check=True, capture_output=True, text=True).stdout)


# Tables.


def spread(values, digits=1):
    """The median, and in brackets the least and the largest."""
    numbers = statistics.median(values), min(values), max(values)
    return "{:.{n}f} ({:.{n}f} - {:.{n}f})".format(*numbers, n=digits)


def rows(*cells):
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def table(heads, cells):
    return rows(heads, ["---"] * len(heads), *cells)


def setting(arguments, versions):
    """Where and by what the numbers of a table were made; `versions` are the peers'."""
    burin = subprocess.run([BURIN, "--version"], capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as file:
        processor = next(line.split(":")[1].strip() for line in file if "model name" in line)
    clock = ", seconds of each process" if arguments.cpu_time else ""
    apart = ", one engine in memory at a time" if arguments.apart else ""
    return (f"{time.strftime('%Y-%m-%d')}, {processor}, {arguments.threads} threads, "
            f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}, "
            f"{', '.join(['burin ' + burin, *sorted({*versions} - {''})])}. {arguments.rounds} rounds{clock}{apart}.")


class Results(dict):
    """Results by name, kept in a file between the runs that add to them."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name + ".json")
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.update(json.load(file))

    def add(self, key, rows):
        self[key] = json.loads(json.dumps(rows))
        with open(self.path, "w") as file:
            json.dump(self, file)


def publish(arguments, mark, text):
    """Prints a table; with --write, puts it between the marks in README.md."""
    print(text)
    if not arguments.write:
        return
    path = os.path.join(HERE, "README.md")
    with open(path) as file:
        before, rest = file.read().split(f"<!-- {mark} -->\n")
    after = rest.split(f"<!-- end of {mark} -->\n")[1]
    with open(path, "w") as file:
        file.write(f"{before}<!-- {mark} -->\n{text}\n<!-- end of {mark} -->\n{after}")
