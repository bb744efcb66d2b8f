"""Measures attention alone: Burin's kernel beside PyTorch's scaled_dot_product_attention.

    python3 attention.py [--lengths 512,2048,8192] [--heads 12x64,32x128] [--types f32,bf16]

All get the same queries, keys and values, [batch 1, positions, heads, width], and take turns in one
process, with a pause in which the other one's threads fall asleep. In bf16 Burin gets f32 all the same,
and rounds it in the time that is measured; PyTorch is measured in both types, and the faster one counts.
The table gives GFLOP/s of the medians (a causal mask halves the work), the ratio, the largest distance
from PyTorch's result in f32, and the scratch memory of Burin's kernel.
"""

import itertools
import os
import re
import statistics
import subprocess
import time

import turns

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


def compiled(folder, heads, width, causal, kind):
    """The library, and the expression in its C for the bytes of its scratch memory."""
    stem = os.path.join(folder, f"attention-{kind}-{heads}x{width}{'-causal' if causal else ''}")
    if not turns.stands(stem + ".so"):
        first = 3 if kind == "bf16" else 0
        with open(stem + ".burin", "w") as file:
            file.write(PROGRAM.format(
                maximum=1 << 17, heads=heads, width=width, scale=width ** -0.5,
                masks=", masks: [causal]" if causal else "",
                casts=casts(heads, width) if first else "", result=f"%{first + 3}",
                query=f"%{first}", key=f"%{first + 1}", value=f"%{first + 2}"))
        subprocess.run([turns.BURIN, "compile", stem + ".burin", "-o", stem + ".so"], check=True,
                       stderr=subprocess.DEVNULL)
    source = subprocess.run(
        [turns.BURIN, "inspect", stem + ".so", "--c"], check=True, capture_output=True, text=True)
    scratch = re.search(r"bytes\[0\] = (.*);", source.stdout)
    return stem + ".so", scratch[1] if scratch else "0"


def scratch_megabytes(expression, length):
    """C's integers divide as Python's // does; the only symbol is the length."""
    return eval(re.sub(r"\bseq\b", str(length), expression).replace("/", "//")) / 1e6


def measure(library, arrays, causal, kind, arguments):
    """Median seconds by name, and the distance from PyTorch's f32."""
    import torch

    def torch_in(dtype):
        tensors = [torch.from_numpy(array).to(dtype).transpose(1, 2) for array in arrays.values()]

        def run():
            with torch.inference_mode():
                return torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
        return run

    runs = {"burin": lambda: library.run(arrays, ["attended"])["attended"],
            "torch f32": torch_in(torch.float32)}
    if kind == "bf16":
        runs["torch bf16"] = torch_in(torch.bfloat16)
    reference = runs["torch f32"]().transpose(1, 2).numpy()
    distance = abs(runs["burin"]() - reference).max()
    times = {name: turns.seconds(run) for name, run in runs.items()}
    for number in range(arguments.rounds):
        for name in list(runs)[::-1 if number % 2 else 1]:
            time.sleep(turns.PAUSE)
            if times[name][-1] < 0.2:
                runs[name]()
            count = max(1, round(arguments.turn / times[name][-1]))
            times[name] += turns.seconds(runs[name], count)
    return {name: statistics.median(found[1:]) for name, found in times.items()}, distance


def main():
    parser = turns.options(__doc__, rounds=9)
    parser.add_argument("--lengths", default="512,2048,8192")
    parser.add_argument("--heads", default="12x64,32x128")
    parser.add_argument("--types", default="f32,bf16")
    parser.add_argument("--turn", type=float, default=0.1, help="seconds an engine runs in a round")
    arguments = turns.parsed(parser)
    import numpy
    import torch
    from burin_library import Library
    torch.set_num_threads(arguments.threads)
    lengths = [int(text) for text in arguments.lengths.split(",")]
    cells = []

    def every_row():
        for kind, shape, causal in itertools.product(
                arguments.types.split(","), arguments.heads.split(","), (False, True)):
            heads, width = map(int, shape.split("x"))
            path, scratch = compiled(arguments.folder, heads, width, causal, kind)
            library = Library(path, arguments.threads)
            for length in lengths:
                draw = numpy.random.default_rng(length)
                arrays = {
                    name: draw.standard_normal((1, length, heads, width), dtype="float32")
                    for name in ("query", "key", "value")}
                times, distance = measure(library, arrays, causal, kind, arguments)
                work = 4e-9 * heads * width * length * length * (0.5 if causal else 1)
                best = min(time for name, time in times.items() if name != "burin")
                rates = [f"{work / times[name]:.0f}" if name in times else ""
                         for name in ("burin", "torch f32", "torch bf16")]
                cells.append([
                    f"{kind} {shape} {length}{' causal' if causal else ''}", *rates,
                    f"{best / times['burin']:.2f}", f"{distance:.0e}",
                    f"{scratch_megabytes(scratch, length):.1f}"])
                turns.say("  " + turns.rows(cells[-1]))

    try:
        every_row()
    finally:
        heads = ["type, heads, length", "burin", "torch f32", "torch bf16", "x the best peer",
                 "distance", "scratch, MB"]
        turns.publish(arguments, "attention", (
            f"{turns.setting(arguments, ['torch ' + torch.__version__])} GFLOP/s.\n\n"
            f"{turns.table(heads, cells)}"))


if __name__ == "__main__":
    main()
