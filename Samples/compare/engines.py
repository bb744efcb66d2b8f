"""The engines that are compared. Each is prepared once per model and made ready for one shape.

An engine is a class with `prepare(model, folder)`, which may write files into `folder`, and
`__init__(model, folder, inputs, threads)`, after which `run()` computes one forward pass and
returns the last hidden states. Imports are inside, so that a process loads one engine only.
"""

import os
import subprocess

import turns


class Torch:
    """Eager PyTorch with its fused attention (attn_implementation="sdpa")."""

    attention = "sdpa"

    @staticmethod
    def prepare(model, folder):
        pass

    def __init__(self, model, folder, inputs, threads):
        import torch
        import transformers
        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.AutoModel.from_pretrained(
            model, attn_implementation=self.attention, dtype=torch.float32).eval()
        self.inputs = {name: torch.from_numpy(array) for name, array in inputs.items()}
        self.version = "torch " + torch.__version__

    def run(self):
        with self.torch.inference_mode():
            return self.model(**self.inputs).last_hidden_state.numpy()


class TorchCompile(Torch):
    """torch.compile, static shapes (minutes to start)."""

    def __init__(self, model, folder, inputs, threads):
        super().__init__(model, folder, inputs, threads)
        self.model = self.torch.compile(self.model, dynamic=False)


def export(model, folder):
    """The model as ONNX, with plain attention, which the optimisers below recognise and fuse."""
    path = os.path.join(folder, "model.onnx")
    if os.path.exists(path):
        return path
    import torch
    import transformers
    torch.manual_seed(0)
    network = transformers.AutoModel.from_pretrained(
        model, attn_implementation="eager", dtype=torch.float32, return_dict=False).eval()
    example = example_inputs(network.config)
    axes = {0: "batch"} if "pixel_values" in example else {0: "batch", 1: "seq"}
    with torch.no_grad():
        torch.onnx.export(
            network, tuple(example.values()), path, input_names=list(example),
            output_names=["last_hidden_state", "pooler_output"], opset_version=17, dynamo=False,
            dynamic_axes={name: axes for name in example})
    return path


def example_inputs(config, batch=2):
    """Inputs in the order of the model's forward call."""
    import torch
    if hasattr(config, "image_size"):
        size = config.image_size
        return {"pixel_values": torch.randn(batch, config.num_channels, size, size)}
    ids = torch.randint(1000, 2000, (batch, 16))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids),
            "token_type_ids": torch.zeros_like(ids)}


class Onnxruntime:
    """onnxruntime after its own transformers optimiser, all graph optimisations on."""

    @classmethod
    def prepare(cls, model, folder):
        path = os.path.join(folder, "optimised.onnx")
        if os.path.exists(path):
            return
        import transformers
        from onnxruntime.transformers import optimizer
        config = transformers.AutoConfig.from_pretrained(model)
        optimised = optimizer.optimize_model(
            export(model, folder), model_type=config.model_type,
            num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=1, use_gpu=False)
        print("  onnxruntime fused:", {
            kind: n for kind, n in optimised.get_fused_operator_statistics().items() if n},
            flush=True)
        optimised.save_model_to_file(path)

    file = "optimised.onnx"

    def __init__(self, model, folder, inputs, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            os.path.join(folder, self.file), options, providers=["CPUExecutionProvider"])
        types = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(int64)": "int64"}
        self.inputs = {
            port.name: inputs[port.name].astype(types[port.type])
            for port in self.session.get_inputs()}
        self.version = "onnxruntime " + onnxruntime.__version__

    def run(self):
        return self.session.run(["last_hidden_state", "pooler_output"], self.inputs)[0]


class OnnxruntimePlain(Onnxruntime):
    """onnxruntime with the exported file as it is."""

    file = "model.onnx"

    @classmethod
    def prepare(cls, model, folder):
        export(model, folder)


class OnnxruntimeInt8(Onnxruntime):
    """Quantised by onnxruntime: weights a column, activations a tensor at run time."""

    dtype = "int8"
    file = "int8.onnx"

    @classmethod
    def prepare(cls, model, folder):
        path = os.path.join(folder, cls.file)
        if os.path.exists(path):
            return
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        Onnxruntime.prepare(model, folder)
        quantize_dynamic(
            os.path.join(folder, "optimised.onnx"), path, per_channel=True, reduce_range=False,
            weight_type=QuantType.QInt8,
            # Of the fused operators, whose types its inference of shapes does not know.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


class OpenVINO:
    """OpenVINO from the ONNX file, shapes fixed, f32, tuned for latency."""

    dtype = "f32"
    hints = {}

    @staticmethod
    def prepare(model, folder):
        export(model, folder)

    def convert(self, model, folder):
        return self.openvino.convert_model(os.path.join(folder, "model.onnx"))

    def __init__(self, model, folder, inputs, threads):
        import openvino
        self.openvino = openvino
        network = self.convert(model, folder)
        network.reshape({name: list(array.shape) for name, array in inputs.items()})
        compiled = openvino.Core().compile_model(network, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32", **self.hints})
        self.request = compiled.create_infer_request()
        self.inputs = inputs
        self.version = "openvino " + openvino.__version__.split("-")[0]

    def run(self):
        # The results are views of the engine's own memory, as everyone else's are.
        return self.request.infer(self.inputs, share_inputs=True, share_outputs=True)[0]


class OpenVINOTorch(OpenVINO):
    """OpenVINO straight from PyTorch, with PyTorch's fused attention in the graph."""

    @staticmethod
    def prepare(model, folder):
        pass

    def convert(self, model, folder):
        import torch
        import transformers
        network = transformers.AutoModel.from_pretrained(
            model, attn_implementation="sdpa", dtype=torch.float32, return_dict=False).eval()
        return self.openvino.convert_model(
            network, example_input=example_inputs(network.config))


class OpenVINOBF16(OpenVINO):
    """OpenVINO with bf16 as its precision: whatever it multiplies, attention included."""

    dtype = "bf16"
    hints = {"INFERENCE_PRECISION_HINT": "bf16"}


class OpenVINOInt8(OpenVINO):
    """Quantised by NNCF for transformers: weights a column, activations with ranges seen on the
    sentences of Tests/Fixtures/minilm, or on random pictures. What stays f32 is left to the hint,
    f32 or bf16."""

    dtype = "int8"

    @staticmethod
    def prepare(model, folder):
        path = os.path.join(folder, "int8.xml")
        if os.path.exists(path):
            return
        import json
        import nncf
        import numpy
        import openvino
        import transformers
        config = transformers.AutoConfig.from_pretrained(model)
        if hasattr(config, "image_size"):
            samples = [{name: tensor.numpy() for name, tensor in example_inputs(config, 1).items()}
                       for _ in range(16)]
        else:
            with open(os.path.join(
                    turns.HERE, "../../Tests/Fixtures/minilm/sentences.json")) as file:
                rows = [numpy.array([row["ids"]]) for row in json.load(file)["sentences"]]
            samples = [{"input_ids": ids, "attention_mask": numpy.ones_like(ids),
                        "token_type_ids": numpy.zeros_like(ids)} for ids in rows]
        network = nncf.quantize(
            openvino.convert_model(export(model, folder)), nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
        openvino.save_model(network, path, compress_to_fp16=False)

    def convert(self, model, folder):
        return self.openvino.Core().read_model(os.path.join(folder, "int8.xml"))


class OpenVINOInt8BF16(OpenVINOInt8):
    hints = {"INFERENCE_PRECISION_HINT": "bf16"}


class CTranslate2:
    """CTranslate2's own encoder of BERT; ids go in alone."""

    @staticmethod
    def prepare(model, folder):
        path = os.path.join(folder, "ctranslate2")
        if os.path.exists(path):
            return
        import ctranslate2
        import tempfile
        import tokenizers
        import transformers
        words = {f"w{index}": index for index in range(
            transformers.AutoConfig.from_pretrained(model).vocab_size)}
        with tempfile.TemporaryDirectory() as directory:
            # Its converter wants words; these are as good as any.
            for name in os.listdir(model):
                if not name.startswith(("tokenizer", "vocab", "special")):
                    os.symlink(os.path.join(model, name), os.path.join(directory, name))
            plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "w0"))
            transformers.PreTrainedTokenizerFast(
                tokenizer_object=plain, unk_token="w0", pad_token="w0").save_pretrained(directory)
            ctranslate2.converters.TransformersConverter(directory).convert(path)

    def __init__(self, model, folder, inputs, threads):
        import ctranslate2
        self.encoder = ctranslate2.Encoder(
            os.path.join(folder, "ctranslate2"), inter_threads=1, intra_threads=threads)
        self.ids = inputs["input_ids"].tolist()
        self.version = "ctranslate2 " + ctranslate2.__version__

    def run(self):
        import numpy
        return numpy.array(self.encoder.forward_batch(self.ids).last_hidden_state)


class Burin:
    """Ours: `burin compile`, then the C interface of the library."""

    dtype = "f32"
    version = ""  # that of the command

    @classmethod
    def prepare(cls, model, folder):
        path = os.path.join(folder, f"burin-{cls.dtype}.so")
        if not turns.stands(path):
            subprocess.run(
                [turns.BURIN, "compile", model, "-o", path, "--dtype", cls.dtype], check=True)

    def __init__(self, model, folder, inputs, threads):
        from burin_library import Library
        self.library = Library(os.path.join(folder, f"burin-{self.dtype}.so"), threads)
        self.inputs = inputs

    def run(self):
        return self.library.run(
            self.inputs, ["last_hidden_state", "pooler_output"])["last_hidden_state"]


class BurinBF16(Burin):
    dtype = "bf16"


class BurinInt8(Burin):
    dtype = "int8"


ENGINES = {
    "burin": Burin, "onnxruntime": Onnxruntime, "onnxruntime-plain": OnnxruntimePlain,
    "openvino": OpenVINO, "openvino-torch": OpenVINOTorch, "torch": Torch,
    "torch-compile": TorchCompile, "burin-bf16": BurinBF16, "openvino-bf16": OpenVINOBF16,
    "ctranslate2": CTranslate2, "burin-int8": BurinInt8, "openvino-int8": OpenVINOInt8,
    "openvino-int8-bf16": OpenVINOInt8BF16, "onnxruntime-int8": OnnxruntimeInt8}


def precision(name):
    """In what an engine multiplies."""
    return getattr(ENGINES[name], "dtype", "f32")
