"""The engines that decoders.py compares.

    python3 decoder_engines.py ENGINE DIRECTORY FILE f32|bf16|int8|int4    # converts a model for one

An engine is a class with `prepare(model, path, precision)`, which writes `path`, and `__init__(path,
precision, threads, context)`, after which `step(tokens)` appends tokens and gives the logits after the
last one, and `reset()` forgets them all. Imports are inside, so that a process loads one engine only.
"""

import os
import subprocess
import sys

import turns


class Engine:
    @staticmethod
    def size(path):
        """The bytes of a prepared model."""
        return os.path.getsize(path)


class Burin(Engine):
    """`burin compile`, then the C interface of the library."""

    suffix = "so"
    version = ""  # that of the command

    @staticmethod
    def prepare(model, path, precision):
        subprocess.run(
            [turns.BURIN, "compile", model, "-o", path, "--dtype", precision, "--max-batch", "1"],
            check=True)

    def __init__(self, path, precision, threads, context):
        import numpy
        from burin_library import Library
        self.numpy = numpy
        self.library = Library(path, threads, context=context)

    def step(self, tokens):
        # Long texts in pieces, as `burin generate` reads them and llama.cpp its batches.
        for first in range(0, len(tokens), 512):
            row = self.numpy.array([tokens[first : first + 512]], dtype="int32")
            logits = self.library.run({"input_ids": row}, ["logits"], "step")["logits"][0]
        return logits

    def reset(self):
        self.library.truncate(0, 0)


class LlamaCpp(Engine):
    """llama.cpp by the low interface of llama-cpp-python, flash attention on, cache in f16."""

    suffix = "gguf"

    @staticmethod
    def prepare(model, path, precision):
        from gguf_model import write
        write(model, path, {"int8": "q8_0", "int4": "q4_0"}.get(precision, precision))

    def __init__(self, path, precision, threads, context):
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

    def reset(self):
        self.c.llama_memory_seq_rm(self.memory, 0, 0, -1)


class OpenVINO(Engine):
    """OpenVINO's stateful decoder as optimum-intel exports it; only the last logits are computed.

    bf16 is a hint; int8 and int4 are weights alone (NNCF, a scale for each channel, and for each 32 of
    them), multiplied as OpenVINO chooses with bf16 around them.
    """

    suffix = "xml"

    @staticmethod
    def size(path):
        return os.path.getsize(path) + os.path.getsize(path.removesuffix(".xml") + ".bin")

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

    def __init__(self, path, precision, threads, context):
        import numpy
        import openvino
        self.numpy = numpy
        compiled = openvino.Core().compile_model(path, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32" if precision == "f32" else "bf16"})
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

    def reset(self):
        self.request.reset_state()
        self.filled = 0


class OnnxruntimeGenAI(Engine):
    """onnxruntime-genai as its own model builder makes it: f32, or weights alone in blocks of 32, which
    are multiplied by activations in int8. The builder wants another transformers than the others: GENAI_PYTHON
    is a Python that has it."""

    suffix = "genai"

    @staticmethod
    def size(path):
        return sum(entry.stat().st_size for entry in os.scandir(path))

    @staticmethod
    def prepare(model, path, precision):
        import tempfile
        import tokenizers
        import transformers
        kinds = {"f32": "fp32", "int8": "int8", "int4": "int4"}
        if precision not in kinds:
            raise SystemExit(f"onnxruntime-genai has no {precision} for processors")
        with tempfile.TemporaryDirectory() as folder:
            for name in os.listdir(model):
                os.symlink(os.path.join(model, name), os.path.join(folder, name))
            # The builder wants one, whatever it says.
            words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}, "<unk>"))
            transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
            subprocess.run(
                [os.environ.get("GENAI_PYTHON", sys.executable), "-m",
                 "onnxruntime_genai.models.builder", "-i", folder, "-o", path,
                 "-p", kinds[precision], "-e", "cpu", "-c", os.path.join(folder, "cache"),
                 "--extra_options", "block_size=32", "accuracy_level=4"], check=True)

    def __init__(self, path, precision, threads, context):
        import onnxruntime_genai as genai
        config = genai.Config(path)
        config.overlay(
            f'{{"model": {{"decoder": {{"session_options": {{"intra_op_num_threads": {threads}}}}}}}}}')
        self.genai, self.model = genai, genai.Model(config)
        self.parameters = genai.GeneratorParams(self.model)
        self.parameters.set_search_options(max_length=context, do_sample=False)
        self.reset()
        self.version = "onnxruntime-genai " + genai.__version__

    def step(self, tokens):
        self.generator.append_tokens(tokens)
        return self.generator.get_logits().reshape(-1)

    def reset(self):
        self.generator = self.genai.Generator(self.model, self.parameters)


ENGINES = {"burin": Burin, "llama.cpp": LlamaCpp, "openvino": OpenVINO,
           "onnxruntime-genai": OnnxruntimeGenAI}

if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ENGINES:
        sys.exit(__doc__)
    ENGINES[sys.argv[1]].prepare(*sys.argv[2:])
