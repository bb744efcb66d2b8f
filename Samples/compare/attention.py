"""Measures attention alone: Burin's kernel beside PyTorch's scaled_dot_product_attention.

    python3 attention.py [--lengths 128,512,2048,8192] [--heads 12x64,32x128] [--dtype bf16]
                         [--threads N]

Both get the same queries, keys and values, [batch 1, positions, heads, width], and take turns in one
process, a twentieth of a second and more each, with a pause in which the other one's threads fall
asleep. In bf16 Burin gets f32 all the same, and rounds it in the time that is measured. The table gives GFLOP/s of the medians (a causal mask halves the work), the
ratio, the largest distance from PyTorch's result, and the scratch memory of Burin's kernel. On a
machine that is not quiet, `--threads 1 --cpu-time` counts the seconds that the process was given, not
those that passed.
"""

import argparse
import os
import re
import statistics
import subprocess
import time

import numpy
import torch

from burin_library import Library

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = """program "attention"

symbol seq <= {maximum}

entry "forward" {{
  %0 = input("query") : f32[1, seq, {heads}, {width}]
  %1 = input("key") : f32[1, seq, {heads}, {width}]
  %2 = input("value") : f32[1, seq, {heads}, {width}]
{casts}  {result} = attention(query: {query}, key: {key}, value: {value}, scale: {scale}{masks}) : f32[1, seq, {heads}, {width}]
  output "attended" = {result}
}}
"""


def casts(heads, width):
    """Rounds the inputs, nodes 0 to 2."""
    return "".join(
        f"  %{place + 3} = cast(%{place}, to: bf16) : bf16[1, seq, {heads}, {width}]\n"
        for place in range(3))


def compiled(folder, heads, width, causal, dtype, maximum):
    """The library, and the expression in its C for the bytes of its scratch memory."""
    stem = os.path.join(folder, f"attention-{dtype}-{heads}x{width}{'-causal' if causal else ''}")
    with open(stem + ".burin", "w") as file:
        file.write(PROGRAM.format(
            maximum=maximum, heads=heads, width=width, scale=width ** -0.5,
            masks=", masks: [causal]" if causal else "",
            casts=casts(heads, width) if dtype == "bf16" else "",
            result="%6" if dtype == "bf16" else "%3",
            **{name: f"%{place + (3 if dtype == 'bf16' else 0)}"
               for place, name in enumerate(("query", "key", "value"))}))
    command = os.environ.get("BURIN", "burin")
    subprocess.run([command, "compile", stem + ".burin", "-o", stem + ".so"], check=True,
                   stderr=subprocess.DEVNULL)
    source = subprocess.run(
        [command, "inspect", stem + ".so", "--c"], check=True, capture_output=True, text=True)
    scratch = re.search(r"bytes\[0\] = (.*);", source.stdout)
    return stem + ".so", scratch[1] if scratch else "0"


def scratch_megabytes(expression, length):
    """C's integers divide as Python's // does; the only symbol is the length."""
    return eval(expression.replace("symbols[0]", str(length)).replace("/", "//")) / 1e6


def measure(library, arrays, tensors, causal, seconds, now):
    """Times of both, in turn."""
    def ours():
        return library.run(arrays, ["attended"])["attended"]

    def theirs():
        with torch.inference_mode():
            return torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    distance = abs(ours() - theirs().transpose(1, 2).float().numpy()).max()
    times = ([], [])
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(times[0]) < 5:
        for run, found in zip((ours, theirs), times):
            time.sleep(0.05)
            run()
            turn = time.perf_counter()
            while time.perf_counter() - turn < 0.05:
                start = now()
                run()
                found.append(now() - start)
    return times, distance


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="128,512,2048,8192")
    parser.add_argument("--heads", default="12x64,32x128")
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3, help="for each row")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor")
    parser.add_argument("--folder", default=os.path.join(HERE, ".work"))
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    lengths = [int(text) for text in arguments.lengths.split(",")]
    print(f"torch {torch.__version__}, {arguments.threads} threads\n")
    print("| heads, length | Burin | torch | ratio | distance | scratch, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for shape in arguments.heads.split(","):
        heads, width = map(int, shape.split("x"))
        for causal in (False, True):
            path, scratch = compiled(
                arguments.folder, heads, width, causal, arguments.dtype, max(lengths))
            library = Library(path, arguments.threads)
            for length in lengths:
                generator = numpy.random.default_rng(length)
                arrays = {
                    name: generator.standard_normal((1, length, heads, width), dtype="float32")
                    for name in ("query", "key", "value")}
                kind = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
                tensors = [
                    torch.from_numpy(array).to(kind).transpose(1, 2) for array in arrays.values()]
                (ours, theirs), distance = measure(
                    library, arrays, tensors, causal, arguments.seconds,
                    time.process_time if arguments.cpu_time else time.perf_counter)
                work = 4e-9 * heads * width * length * length * (0.5 if causal else 1)
                rates = [work / statistics.median(times) for times in (ours, theirs)]
                print(f"| {shape} {length}{' causal' if causal else ''} | {rates[0]:.0f} | "
                      f"{rates[1]:.0f} | {rates[0] / rates[1]:.2f} | {distance:.0e} | "
                      f"{scratch_megabytes(scratch, length):.1f} |", flush=True)


if __name__ == "__main__":
    main()
