"""Measures matrix products alone: Burin's beside those of oneDNN, by PyTorch and by OpenVINO.

    python3 products.py [--rows 128,512,1024] [--shapes 768x3072,2048x5632] [--types f32,bf16,int8]

A shape KxN is a product by K x N and one back by N x K, weights prepacked, behind a thin one from 32
columns to K that all have too: bf16 leaves the first one in f32. The table gives GFLOP/s of the
medians, the share of the ceiling measured in the same rounds, by what Burin is ahead of the faster
peer, and the largest distance from numpy's result in f32 over its largest value.
"""

import os
import statistics
import subprocess

import turns

THIN = 32
PROGRAM = """program "products"

symbol rows <= 4096

entry "forward" {{
  %0 = input("x") : f32[rows, {thin}]
  %1 = weight("first") : f32[{thin}, {k}]
  %2 = matmul(%0, %1) : f32[rows, {k}]
  %3 = weight("up") : f32[{k}, {n}]
  %4 = matmul(%2, %3) : f32[rows, {n}]
  %5 = weight("down") : f32[{n}, {k}]
  %6 = matmul(%4, %5) : f32[rows, {k}]
  output "y" = %6
}}
"""


def weights(k, n):
    import numpy
    draw = numpy.random.default_rng(k + n)
    return {name: draw.standard_normal(shape, dtype="float32") / shape[0] ** 0.5
            for name, shape in (("first", (THIN, k)), ("up", (k, n)), ("down", (n, k)))}


def left(rows):
    import numpy
    return numpy.random.default_rng(rows).standard_normal((rows, THIN), dtype="float32")


class Burin:
    version = ""  # that of the command
    types = ["f32", "bf16", "int8"]

    def __init__(self, k, n, rows, kind, threads, folder):
        from burin_library import Library
        stem = os.path.join(folder, f"products-{k}x{n}")
        path = f"{stem}-{kind}.so"
        if not turns.stands(path):
            from safetensors.numpy import save_file
            save_file(weights(k, n), stem + ".safetensors")
            with open(stem + ".burin", "w") as file:
                file.write(PROGRAM.format(thin=THIN, k=k, n=n))
            subprocess.run(
                [turns.BURIN, "compile", stem + ".burin", "-o", path, "--dtype", kind], check=True,
                stderr=subprocess.DEVNULL)
        library, inputs = Library(path, threads), {"x": left(rows)}
        self.run = lambda: library.run(inputs, ["y"])["y"]


class Torch:
    """oneDNN's products of PyTorch with the weights in its own order, as torch.compile uses them."""

    types = ["f32", "bf16"]

    def __init__(self, k, n, rows, kind, threads, folder):
        import torch
        torch.set_num_threads(threads)
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
        packed = [
            torch.ops.mkldnn._reorder_linear_weight(
                torch.from_numpy(weight.T.copy()).to(dtype), rows)
            for weight in weights(k, n).values()]
        x = torch.from_numpy(left(rows)).to(dtype)

        def run():
            with torch.inference_mode():
                y = x
                for weight in packed:
                    y = torch.ops.mkldnn._linear_pointwise(y, weight, None, "none", [], "")
                return y.float().numpy()

        self.run, self.version = run, "torch " + torch.__version__


class OpenVINO:
    """Its MatMul by constants; int8 by NNCF, with ranges of the very input."""

    types = ["f32", "bf16", "int8"]

    def __init__(self, k, n, rows, kind, threads, folder):
        import openvino
        import openvino.opset13 as op
        import numpy
        x = y = op.parameter([rows, THIN], numpy.float32)
        x.output(0).set_names({"x"})
        for weight in weights(k, n).values():
            y = op.matmul(y, op.constant(weight), False, False)
        network, given = openvino.Model([y], [x], "products"), left(rows)
        if kind == "int8":
            import nncf
            network = nncf.quantize(
                network, nncf.Dataset([{"x": given}]), model_type=nncf.ModelType.TRANSFORMER)
        request = openvino.Core().compile_model(network, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if kind == "bf16" else "f32",
        }).create_infer_request()
        self.run = lambda: request.infer({"x": given}, share_inputs=True, share_outputs=True)[0]
        self.version = "openvino " + openvino.__version__.split("-")[0]


ENGINES = {"burin": Burin, "openvino": OpenVINO, "torch": Torch}


def work(name, k, n, rows, kind, threads, folder):
    """Answers a number of seconds with the times of the passes that fit into them."""
    import numpy
    engine = ENGINES[name](k, n, rows, kind, threads, folder)
    reference = left(rows)
    for weight in weights(k, n).values():
        reference = reference @ weight
    error = abs(numpy.array(engine.run()) - reference).max() / abs(reference).max()

    def answer(length):
        engine.run()
        begin, times = turns.now(), []
        while turns.now() - begin < length:
            times += turns.seconds(engine.run, 4)
        return times

    answer(0.1)
    turns.serve({"version": engine.version, "error": float(error)}, answer)


def compare(kind, shape, rows, arguments, probe, versions):
    """The table's rows of one product."""
    k, n = map(int, shape.split("x"))
    workers, ceilings, cells = [], [], []
    for name in arguments.engines.split(","):
        if kind in ENGINES[name].types:
            workers.append(turns.Worker(
                name, k=k, n=n, rows=rows, kind=kind, threads=arguments.threads,
                folder=arguments.folder))
            workers[-1].times = []
    workers = turns.take_turns(
        workers, arguments.rounds, lambda worker: worker.times.extend(worker.ask(arguments.turn)),
        arguments.apart, lambda: ceilings.append(probe(kind)))
    rates = {worker.name: 2e-9 * rows * k * (THIN + 2 * n) / statistics.median(worker.times)
             for worker in workers}
    peers = [rate for name, rate in rates.items() if name != "burin"]
    for place, worker in enumerate(workers):
        worker.close()
        versions.append(worker.about["version"])
        rate = rates[worker.name]
        cells.append([
            "" if place else f"{kind} {rows} x {shape}", worker.name, f"{rate:.0f}",
            f"{rate / statistics.median(ceilings):.0%}",
            f"{rate / max(peers):.2f}" if peers and worker.name == "burin" else "",
            f"{worker.about['error']:.0e}"])
        turns.say("  " + turns.rows(cells[-1]))
    return cells


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=5)
    parser.add_argument("--rows", default="128,512,1024")
    parser.add_argument("--shapes", default="768x3072,2048x5632")
    parser.add_argument("--types", default="f32,bf16,int8")
    parser.add_argument("--engines", default="burin,openvino,torch")
    parser.add_argument("--turn", type=float, default=0.3, help="seconds an engine runs in a round")
    arguments = turns.parsed(parser)
    probe, versions, cells = turns.ceiling(arguments.folder), [], []
    try:
        for kind in arguments.types.split(","):
            for shape in arguments.shapes.split(","):
                for rows in map(int, arguments.rows.split(",")):
                    cells += compare(kind, shape, rows, arguments, probe, versions)
    finally:
        heads = ["rows and shape", "engine", "GFLOP/s", "of the ceiling", "x the best peer", "error"]
        turns.publish(arguments, "products", (
            f"{turns.setting(arguments, versions)}\n\n{turns.table(heads, cells)}"))


if __name__ == "__main__":
    main()
