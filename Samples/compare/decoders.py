"""Measures Burin's decoders beside llama.cpp and OpenVINO: the same weights, ids, threads and minutes.

    python3 decoders.py [--models llama-1.1b,gpt2] [--precisions f32,bf16,int8,int4]
                        [--engines burin,llama.cpp,openvino] [--prompt 512] [--contexts 128,2048] [--write]

Each engine lives in a process of its own and sleeps while the others run. They take turns, round
after round: the prompt in one call, then new tokens one by one behind each context. The table gives
medians over the rounds, and in brackets the slowest and the fastest. Results and compiled files
gather in `--folder` and are used again; `--write` puts all results into README.md, which also says
how to install the peers. On a machine that is not quiet, `--threads 1 --cpu-time` counts the seconds
that the process was given, not those that passed.
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
MARKS = "<!-- decoders -->\n", "<!-- end of decoders -->\n"
TYPES = {"f32": "f32", "bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}  # llama.cpp's names


def ids(count, vocabulary=32000):
    return [(7919 * place + 13) % vocabulary for place in range(count)]


# The engines' side: one process for one engine, model and precision.


class Burin:
    """`burin compile`, then the C interface of the library."""

    @staticmethod
    def prepare(model, path, precision):
        command = os.environ.get("BURIN", "burin")
        subprocess.run(
            [command, "compile", model, "-o", path, "--dtype", precision, "--max-batch", "1"],
            check=True)

    def __init__(self, path, threads, context):
        import numpy
        from burin_library import Library
        self.numpy = numpy
        self.library = Library(path, threads, context=context)
        self.version = "burin"

    def step(self, tokens):
        row = self.numpy.array([tokens], dtype="int32")
        return self.library.run({"input_ids": row}, ["logits"], "step")["logits"][0]

    def truncate(self, length):
        self.library.truncate(0, length)


class LlamaCpp:
    """llama.cpp by the low interface of llama-cpp-python, flash attention on, cache in f16."""

    @staticmethod
    def prepare(model, path, precision):
        subprocess.run(
            [sys.executable, os.path.join(HERE, "gguf_model.py"), model, path, TYPES[precision]],
            check=True)

    def __init__(self, path, threads, context):
        import ctypes
        import llama_cpp
        from importlib.metadata import version
        import numpy
        self.c, self.numpy = llama_cpp.llama_cpp, numpy
        self.silence = llama_cpp.llama_log_callback(lambda *_: None)
        self.c.llama_log_set(self.silence, None)
        self.c.llama_backend_init()
        self.model = self.c.llama_model_load_from_file(
            path.encode(), self.c.llama_model_default_params())
        options = self.c.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = context, 512, 512
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = 1
        self.context = self.c.llama_init_from_model(self.model, options)
        self.memory = self.c.llama_get_memory(self.context)
        self.vocabulary = self.c.llama_vocab_n_tokens(self.c.llama_model_get_vocab(self.model))
        self.version = "llama.cpp of llama-cpp-python " + version("llama_cpp_python")
        self.token = ctypes.c_int32

    def step(self, tokens):
        for start in range(0, len(tokens), 512):
            part = tokens[start:start + 512]
            array = (self.token * len(part))(*part)
            if self.c.llama_decode(self.context, self.c.llama_batch_get_one(array, len(part))):
                raise RuntimeError("llama_decode failed")
        logits = self.c.llama_get_logits_ith(self.context, -1)
        return self.numpy.ctypeslib.as_array(logits, (self.vocabulary,))

    def truncate(self, length):
        self.c.llama_memory_seq_rm(self.memory, 0, length, -1)


class OpenVINO:
    """OpenVINO's stateful decoder as optimum-intel exports it; only the last logits are computed.

    bf16 is a hint at the weights of f32; int8 and int4 are weights alone (NNCF, a scale for each
    channel, and for each 32 of them), multiplied as OpenVINO chooses with bf16 around them.
    """

    @staticmethod
    def prepare(model, path, precision):
        import nncf
        import openvino
        from openvino import opset13
        from optimum.intel import OVModelForCausalLM
        network = OVModelForCausalLM.from_pretrained(
            model, export=True, compile=False, load_in_8bit=False, tokenizer=None).model
        product = network.output("logits").get_node().input_value(0).get_node()
        while product.get_type_name() != "MatMul":
            product = product.input_value(0).get_node()
        last = opset13.slice(product.input_value(0), [-1], [2**31 - 1], [1], [1])
        product.input(0).replace_source_output(last.output(0))
        network.validate_nodes_and_infer_types()
        modes = {
            "int8": {"mode": nncf.CompressWeightsMode.INT8_SYM},
            "int4": {"mode": nncf.CompressWeightsMode.INT4_SYM, "group_size": 32, "ratio": 1.0}}
        if precision in modes:
            network = nncf.compress_weights(network, **modes[precision])
        openvino.save_model(network, path, compress_to_fp16=False)

    def __init__(self, path, threads, context):
        import numpy
        import openvino
        self.numpy = numpy
        hint = "f32" if path.endswith("-f32.xml") else "bf16"
        compiled = openvino.Core().compile_model(path, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": hint})
        self.request = compiled.create_infer_request()
        self.names = {port.get_any_name() for port in compiled.inputs}
        self.filled = 0
        self.version = "openvino " + openvino.__version__.split("-")[0]

    def step(self, tokens):
        start, self.filled = self.filled, self.filled + len(tokens)
        inputs = {
            "input_ids": self.numpy.array([tokens]),
            "attention_mask": self.numpy.ones((1, self.filled), dtype="int64"),
            "position_ids": self.numpy.arange(start, self.filled)[None],
            "beam_idx": self.numpy.zeros(1, dtype="int32")}
        given = {name: array for name, array in inputs.items() if name in self.names}
        return self.request.infer(given, share_inputs=True, share_outputs=True)["logits"][0, -1]

    def truncate(self, length):
        assert length == 0
        self.request.reset_state()
        self.filled = 0


ENGINES = {"burin": (Burin, "so"), "llama.cpp": (LlamaCpp, "gguf"), "openvino": (OpenVINO, "xml")}


def resident():
    """Megabytes of memory that this process has, files that it maps included."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def work(name, path, threads, context, clock):
    """Answers each line of JSON, [prompt, context, new tokens], with seconds."""
    import numpy
    now = time.process_time if clock == "cpu" else time.perf_counter
    empty = resident()
    engine = ENGINES[name][0](path, int(threads), int(context))
    logits = numpy.array(engine.step(ids(64)))
    numpy.save(path + ".npy", logits)
    print(json.dumps({"version": engine.version}), flush=True)
    for line in sys.stdin:
        prompt, filled, count = json.loads(line)
        engine.truncate(0)
        start = now()
        if prompt:
            engine.step(ids(prompt))
        seconds = now() - start
        engine.truncate(0)
        engine.step(ids(filled))
        times = []
        for token in ids(count):
            start = now()
            engine.step([token])
            times.append(now() - start)
        print(json.dumps(
            {"prefill": seconds, "decode": times, "resident": resident() - empty}), flush=True)


# The conductor's side.


class Worker:
    def __init__(self, name, path, threads, context, clock):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--work", name, path, str(threads),
             str(context), clock],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        self.about = self.answer()
        self.prefill, self.decode, self.resident = [], {}, 0

    def answer(self):
        # Engines may print; a line that begins as JSON is ours.
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.name} stopped")

    def measure(self, prompt, context, count):
        self.process.stdin.write(json.dumps([prompt, context, count]) + "\n")
        self.process.stdin.flush()
        found = self.answer()
        if prompt:
            self.prefill.append(prompt / found["prefill"])
        if count:
            self.decode.setdefault(context, []).append(1 / statistics.median(found["decode"]))
        self.resident = max(self.resident, found["resident"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(label, precision, folder, arguments):
    model = os.path.join(folder, label)
    if not os.path.exists(os.path.join(model, "model.safetensors")):
        subprocess.run([sys.executable, os.path.join(HERE, "decoder_model.py"), label, model],
                       check=True)
    contexts = [int(text) for text in arguments.contexts.split(",")]
    with open(os.path.join(model, "config.json")) as file:
        config = json.load(file)
    most = config.get("max_position_embeddings") or config["n_positions"]
    contexts = [context for context in contexts if context + arguments.generate <= most]
    room = max([arguments.prompt] + [context + arguments.generate for context in contexts])
    workers, logits = [], {}
    for name in arguments.engines.split(","):
        engine, suffix = ENGINES[name]
        path = os.path.join(folder, f"{label}-{precision}.{suffix}")
        if not os.path.exists(path):
            engine.prepare(model, path, precision)
        workers.append(Worker(
            name, path, arguments.threads, min(most, (room + 255) // 256 * 256),
            "cpu" if arguments.cpu_time else "wall"))
        import numpy
        logits[name] = numpy.load(path + ".npy")
        parts = [path, path.removesuffix(".xml") + ".bin"]  # OpenVINO's weights are beside its graph
        workers[-1].megabytes = sum(
            os.path.getsize(part) for part in parts if os.path.exists(part)) / 2**20
    for worker in workers:
        worker.measure(16, 16, 4)
        worker.prefill, worker.decode = [], {}
    for turn in range(arguments.rounds):
        # Every other round runs backwards, so that nobody always follows the same neighbour.
        for worker in workers if turn % 2 == 0 else reversed(workers):
            time.sleep(0.25)  # the neighbour's threads fall asleep
            for number, context in enumerate(contexts):
                worker.measure(0 if number else arguments.prompt, context, arguments.generate)
    rows = []
    first = logits[workers[0].name]
    for worker in workers:
        worker.close()
        error = float(abs(logits[worker.name] - first).max() / abs(first).max())
        row = {
            "model": label, "precision": precision, "engine": worker.name,
            "version": worker.about["version"], "prompt": arguments.prompt,
            "prefill": worker.prefill, "decode": worker.decode, "resident": worker.resident,
            "file": worker.megabytes, "distance": error}
        rows.append(row)
        print(f"  {label} {precision} {worker.name:10} prefill {spread(worker.prefill)}, "
              + ", ".join(f"decode at {context} {spread(worker.decode[context])}"
                          for context in contexts)
              + f" tokens/s, {worker.resident:.0f} MB, first logits {error:.1e} apart", flush=True)
    return rows


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def table(results):
    contexts = sorted({int(context) for rows in results for row in rows for context in row["decode"]})
    heads = ["model, type", "engine", "prefill of " + str(results[0][0]["prompt"])]
    heads += [f"decode at {context}" for context in contexts] + ["file, MB", "resident, MB"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for rows in results:
        peers = [row for row in rows if row["engine"] != "burin"]
        for number, row in enumerate(rows):
            def cell(values, of_peer):
                text = spread(values)
                if row["engine"] == "burin" and peers:
                    best = max(statistics.median(of_peer(peer)) for peer in peers)
                    text += f", x {statistics.median(values) / best:.2f}"
                return text
            cells = [f"{row['model']} {row['precision']}" if number == 0 else "", row["engine"]]
            cells.append(cell(row["prefill"], lambda peer: peer["prefill"]))
            for context in map(str, contexts):
                values = row["decode"].get(context)
                cells.append(cell(values, lambda peer: peer["decode"][context]) if values else "")
            lines.append("| " + " | ".join(
                cells + [f"{row['file']:.0f}", f"{row['resident']:.0f}"]) + " |")
    return "\n".join(lines)


def write_table(results, arguments):
    with open("/proc/cpuinfo") as file:
        processor = next(line.split(":")[1].strip() for line in file if "model name" in line)
    versions = sorted({row["version"] for rows in results for row in rows})
    text = (f"{time.strftime('%Y-%m-%d')}, {processor}, {arguments.threads} "
            f"thread{'s' if arguments.threads > 1 else ''}, {platform.system()} on {platform.machine()}, {', '.join(versions)}. "
            f"Tokens a second{' of processor time' if arguments.cpu_time else ''}: the median of {arguments.rounds} rounds (the slowest and the fastest "
            f"of them), and the ratio to the peer.\n\n{table(results)}\n")
    path = os.path.join(HERE, "README.md")
    with open(path) as file:
        readme = file.read()
    before, rest = readme.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with open(path, "w") as file:
        file.write(before + MARKS[0] + text + MARKS[1] + after)


def main():
    if sys.argv[1:2] == ["--work"]:
        return work(*sys.argv[2:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="llama-1.1b,gpt2")
    parser.add_argument("--precisions", default="f32,bf16,int8,int4")
    parser.add_argument("--engines", default="burin,llama.cpp,openvino")
    parser.add_argument("--folder", default=os.path.join(HERE, ".work"), help="for model files")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--contexts", default="128,2048", help="where decoding begins")
    parser.add_argument("--generate", type=int, default=32, help="new tokens in a round")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    store = os.path.join(arguments.folder, "decoders.json")
    results = {}
    if os.path.exists(store):
        with open(store) as file:
            results = json.load(file)
    for label in arguments.models.split(","):
        for precision in arguments.precisions.split(","):
            rows = compare(label, precision, arguments.folder, arguments)
            results[f"{label} {precision}"] = json.loads(json.dumps(rows))
            with open(store, "w") as file:
                json.dump(results, file)
    print(table(list(results.values())))
    if arguments.write:
        write_table(list(results.values()), arguments)


if __name__ == "__main__":
    main()
