"""Random decoders step by step: what must not depend on how a text comes in, and narrower types.

    python3 Tests/Fuzz/steps.py --families llama,gpt2 --count 10 --seed 1 --burin .build/release/burin

A case is a random decoder of run.py that continues texts. Read at once, in pieces of 1, 5 and 16, in a
batch of three, or again after a truncation, a text gives the same bits; so it does with weights and
caches of narrower types, which stay near f32. See README.md.
"""

import argparse
import collections
import concurrent.futures
import ctypes as c
import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]

import run
from draw import Draw

I64, F32 = 8, 1  # BURIN_I64 and BURIN_F32 of Runtime/include/burin.h
FULL = 5
# How far the scores may be from those of f32, as a part of them: root mean squares over all texts. Random
# weights have no outliers, but small models nothing to average over either.
FAR = {"bf16": 0.1, "int8": 0.2, "int4": 1.0, "cache bf16": 0.1, "cache int8": 0.2}


class Tensor(c.Structure):  # struct burin_tensor
    _fields_ = [
        ("name", c.c_char_p), ("type", c.c_int32), ("rank", c.c_int32), ("extents", c.c_int64 * 8),
        ("data", c.c_void_p), ("bytes", c.c_size_t)]


class Session:
    """A session of a library, over its C interface."""

    def __init__(self, path):
        self.library = c.CDLL(path)
        self.library.burin_error.restype = c.c_char_p
        self.handle = c.c_void_p()
        self.check(self.library.burin_session_create(None, c.byref(self.handle)))

    def close(self):
        self.library.burin_session_free(self.handle)

    def check(self, status):
        if status:
            raise run.Failed(f"status {status}: {self.library.burin_error().decode()}")

    def call(self, entry, inputs):
        """(status, logits or what went wrong); inputs are arrays of i64."""
        given = (Tensor * len(inputs))()
        kept = [numpy.ascontiguousarray(v, dtype=numpy.int64) for v in inputs.values()]
        for place, (name, array) in enumerate(zip(inputs, kept)):
            given[place] = Tensor(
                name.encode(), I64, array.ndim, (c.c_int64 * 8)(*array.shape), array.ctypes.data,
                array.nbytes)
        result = Tensor(b"logits")
        status = self.library.burin_run(
            self.handle, entry.encode(), given, len(inputs), c.byref(result), 1)
        if status:
            return status, self.library.burin_error().decode()
        shape = list(result.extents[:result.rank])
        values = c.cast(result.data, c.POINTER(c.c_float * int(numpy.prod(shape)))).contents
        return 0, numpy.array(values, dtype=numpy.float32).reshape(shape)

    def __call__(self, entry, **inputs):
        status, value = self.call(entry, inputs)
        if status:
            raise run.Failed(f"{entry}: status {status}: {value}")
        return value

    def truncate(self, sequence, length):
        self.check(self.library.burin_truncate(self.handle, c.c_int64(sequence), c.c_int64(length)))

    def fork(self, source, to):
        self.check(self.library.burin_fork(self.handle, c.c_int64(source), c.c_int64(to)))

    def read(self, ids, size, stretched):
        """The scores after a text that comes in pieces of some size."""
        self.truncate(0, 0)
        more = {"rope_lengths": [len(ids)]} if stretched else {}
        for start in range(0, len(ids), size):
            logits = self("step", input_ids=[ids[start:start + size]], **more)
        return logits[0]


def same(ours, theirs):
    return ours.tobytes() == theirs.tobytes()


def check_bits(session, r, texts, context, stretched, label):
    """What depends on how a text comes in."""
    complaints, whole = [], []
    for ids in texts:
        whole.append(session.read(ids, len(ids), stretched))
        complaints += [
            f"{label}: pieces of {size} of {len(ids)} give other bits"
            for size in (1, 5, 16) if not same(session.read(ids, size, stretched), whole[-1])]
    count = len(texts)
    for row in range(count):
        session.truncate(row, 0)
    width = max(map(len, texts))
    batch = [ids + [r.randrange(2)] * (width - len(ids)) for ids in texts]
    more = {"rope_lengths": list(map(len, texts))} if stretched else {}
    together = session("step", input_ids=batch, counts=list(map(len, texts)), **more)
    complaints += [f"{label}: row {row} of a batch gives other bits than alone"
                   for row in range(count) if not same(together[row], whole[row])]
    ids = max(texts, key=len)
    if len(ids) < 2 or stretched:
        return complaints, whole
    # Back to some place, which a window may forbid, and on from there; and a copy.
    cut = r.to(1, len(ids) - 1)
    session.read(ids, len(ids), stretched)
    if session.library.burin_truncate(session.handle, c.c_int64(0), c.c_int64(cut)) == 0:
        again = session("step", input_ids=[ids[cut:]])
        if not same(again[0], whole[texts.index(ids)]):
            complaints.append(f"{label}: {len(ids)} again from {cut} on gives other bits")
    session.read(ids[:cut], cut, stretched)
    session.truncate(1, 0)
    session.fork(0, 1)
    copies = session("step", input_ids=[ids[cut:cut + 1]] * 2)
    if not same(copies[0], copies[1]):
        complaints.append(f"{label}: a copy goes on with other bits")
    session.read(ids[:cut], cut, stretched)
    rows = session("verify", input_ids=[ids[cut:cut + 16]])
    if len(ids) - cut <= 16 and not same(rows[0, -1], whole[texts.index(ids)]):
        complaints.append(f"{label}: verify gives other bits than step")
    session.truncate(1, 0)
    return complaints, whole


def check_end(session, r, words, context):
    """Behind the last position of the context there is one clear error, and nothing has changed."""
    ids = [r.randrange(words) for _ in range(context)]
    session.read(ids, context, False)
    status, message = session.call("step", {"input_ids": [[0]]})
    if status != FULL or "\n" in message or str(context) not in message:
        return [f"behind position {context}: status {status}, {message!r}"]
    return []


def far(ours, theirs):
    """How far apart two lists of scores are, as a part of the second."""
    ours, theirs = (numpy.concatenate(x).astype(numpy.float64) for x in (ours, theirs))
    if not numpy.isfinite(ours).all():
        return float("inf")
    return float(numpy.sqrt(((ours - theirs) ** 2).mean() / max((theirs ** 2).mean(), 1e-60)))


def drawn(name, r):
    """A case of a family that continues texts, if it can be of a width that has blocks of 32."""
    found = None
    for _ in range(80):
        try:
            case = run.families()[name](r)
        except Exception:  # transformers takes no such configuration
            continue
        if case.prompts and not case.config.is_encoder_decoder:
            found = case
            if case.config.hidden_size % 32 == 0:
                break
    if found is None:
        raise run.Skipped("no class that continues texts")
    return found


def compiled(case, directory, name, options, *arguments):
    library = os.path.join(directory, name + ".so")
    run.burin(["compile", directory, "-o", library, "--threads-to-build", "1", *case.arguments,
               *arguments], options.burin)
    return library


def check(case, model, r, directory, options, distances):
    context = int(case.arguments[case.arguments.index("--max-seq") + 1])
    words = case.config.vocab_size
    library = compiled(case, directory, "f32", options)
    stretched = (case.config.to_dict().get("rope_scaling") or {}).get(
        "rope_type", (case.config.to_dict().get("rope_scaling") or {}).get("type"))
    stretched = stretched in ("longrope", "su", "yarn") and "rope_lengths" in str(
        open(library, "rb").read())
    texts = [[r.randrange(words) for _ in range(length)]
             for length in (context, r.to(1, context), r.to(1, context))]
    session = Session(library)
    complaints, exact = check_bits(session, r, texts, context, stretched, "f32")
    complaints += check_end(session, r, words, context)
    expected = [run.forward(model, {"input_ids": torch.tensor([ids])}, case.call)["logits"][0, -1].numpy()
                for ids in texts]
    off = far(exact, expected)
    if off > 1e-3:
        complaints.append(f"f32: off by {off:.1e}")
    session.close()
    for label in r.sample(list(FAR), 2):
        *cache, kind = label.split()
        library = compiled(
            case, directory, label.replace(" ", "-"), options,
            "--cache-dtype" if cache else "--dtype", kind)
        session = Session(library)
        more, rough = check_bits(session, r, texts, context, stretched, label)
        session.close()
        distances[label].append(far(rough, exact))
        complaints += more
        if not distances[label][-1] <= FAR[label]:
            complaints.append(f"{label}: off by {distances[label][-1]:.2g} of the scores")
    # Forty tokens, or as many as there is room for.
    for ids, _ in case.prompts[:1]:
        how = {"max_new_tokens": min(40, context - len(ids) + 1)}
        try:
            complaints += run.check_generation(
                argparse.Namespace(prompts=[(ids, how)]), model, os.path.join(directory, "f32.so"),
                options.burin)
        except (RuntimeError, IndexError, ValueError, TypeError):
            pass  # rules of generation that transformers refuses
    return complaints


def run_case(name, seed, options):
    """(what happened, in words, distances by type) of one case."""
    directory = tempfile.mkdtemp(prefix=f"steps-{name}-")
    described, happened, distances = "", "passed", collections.defaultdict(list)
    try:
        try:
            r = Draw(seed)
            case = drawn(name, r)
            described = case.kind.__name__
            model = run.load(case, directory, run.save(case, r, directory))
            with torch.no_grad():
                model(torch.tensor([[0]]))
        except run.Skipped:
            raise
        except Exception as error:
            raise run.Skipped(f"{described}: {type(error).__name__}: {str(error)[:300]}") from error
        complaints = check(case, model, r, directory, options, distances)
        if complaints:
            raise run.Failed(f"{described}: " + "\n    ".join(complaints))
    except run.Skipped as reason:
        happened, described = "skipped", str(reason)
    except run.Refused as reason:
        happened, described = "refused", f"{described}: {reason}"
    except (run.Failed, subprocess.TimeoutExpired) as reason:
        happened, described = "FAILED", str(reason)
    if options.keep and happened == "FAILED":
        kept = os.path.join(options.keep, "steps-" + seed.replace("/", "-"))
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(directory, kept)
    shutil.rmtree(directory)
    return happened, described.replace(directory, "DIR"), dict(distances)


def apart(name, seed, options):
    """One case in a process of its own: a library that crashes takes nothing else with it."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(False)
    process = fork.Process(target=lambda: sender.send(run_case(name, seed, options)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        return "FAILED", f"ended with {process.exitcode}", {}
    finally:
        process.join()


def main():
    import decoders
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", default="", help="comma-separated; all decoders if left out")
    parser.add_argument("--count", type=int, default=10, help="cases of each family")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--burin", default=".build/release/burin")
    parser.add_argument("--jobs", type=int, default=1, help="cases side by side")
    parser.add_argument("--keep", help="a directory for the models that fail")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    numbers = range(options.count) if options.only is None else [options.only]
    failed, distances = 0, collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name in options.families.split(",") if options.families else decoders.FAMILIES:
            seeds = [f"{options.seed}/{name}/{number}" for number in numbers]
            counts = collections.Counter()
            for seed, (happened, words, far_off) in zip(seeds, pool.map(functools.partial(
                    apart, name, options=options), seeds)):
                counts[happened] += 1
                for label, values in far_off.items():
                    distances[label] += values
                if happened != "passed":
                    print(f"  {happened} {seed}: {words}", flush=True)
            failed += counts["FAILED"]
            print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    for label, values in sorted(distances.items()):
        print(f"{label}: off by {numpy.median(values):.2g}, at most {max(values):.2g}, of the scores")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
