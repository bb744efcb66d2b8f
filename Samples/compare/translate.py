"""Measures Burin's encoder-decoders beside their peers: the same weights, sources and minutes.

    python3 translate.py [--models t5-small,marian] [--precisions f32,bf16,int8] [--beams 1,4]
                         [--engines burin,ctranslate2,openvino,torch] [--write]

A source of 64 tokens becomes a target of 64, greedy and with 4 beams; nobody may end earlier. The
models have the shapes of T5-small and of a Marian translator and random weights. The table gives the
median of all rounds, in brackets the fastest and the slowest, and behind Burin's by what it is ahead of
the fastest peer of the same type. An engine that does not multiply in a type is not in its rows.
"""

import json
import os
import statistics
import subprocess
import sys

import turns

TOKENS = 64
SOURCE = range(100, 100 + TOKENS)
REPEATS = 3  # in a turn


def make(name, path):
    """Writes a model as transformers does."""
    import tokenizers
    import torch
    import transformers as t
    torch.manual_seed(0)
    kind, config = {
        "t5-small": (t.T5ForConditionalGeneration, t.T5Config(
            vocab_size=32_128, decoder_start_token_id=0)),
        "marian": (t.MarianMTModel, t.MarianConfig(
            vocab_size=58_101, d_model=512, encoder_layers=6, decoder_layers=6,
            encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
            decoder_ffn_dim=2048, max_position_embeddings=512, activation_function="swish",
            scale_embedding=True, pad_token_id=58_100, eos_token_id=0, bos_token_id=0,
            decoder_start_token_id=58_100))}[name]
    model = kind(config).eval()
    model.generation_config = t.GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id, eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id)
    # CTranslate2 wants words; these are as good as any.
    words = {f"w{index}": index for index in range(config.vocab_size)}
    special = {config.pad_token_id: "<pad>", config.eos_token_id: "</s>", 2: "<unk>"}
    for index, word in special.items():
        del words[f"w{index}"]
        words[word] = index
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    t.PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>",
        eos_token="</s>").save_pretrained(path)
    model.save_pretrained(path)


class Burin:
    """`burin bench`, a process of its own for every turn."""

    version = ""  # that of the command
    types = ["f32", "bf16", "int8"]

    @staticmethod
    def prepare(model, path, precision):
        subprocess.run(
            [turns.BURIN, "compile", model, "-o", path, "--dtype", precision, "--max-batch", "4",
             "--max-seq", "128"], check=True)

    def __init__(self, path, precision, beams, threads):
        self.command = [
            turns.BURIN, "bench", path, "--prompt", str(TOKENS), "--generate", str(TOKENS),
            "--num-beams", str(beams), "--threads", str(threads), "--repeats", str(REPEATS), "--json"]

    def milliseconds(self):
        result = subprocess.run(self.command, check=True, capture_output=True, text=True)
        return json.loads(result.stdout)["median_ms"]


class Library:
    """An engine that is called in this process, by `once`."""

    types = ["f32", "bf16", "int8"]

    def milliseconds(self):
        return 1e3 * statistics.median(turns.seconds(self.once, REPEATS))


class CTranslate2(Library):
    names = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}

    @classmethod
    def prepare(cls, model, path, precision):
        import ctranslate2
        if cls.names[precision] not in ctranslate2.get_supported_compute_types("cpu"):
            raise SystemExit(f"CTranslate2 does not multiply in {precision} here")
        ctranslate2.converters.TransformersConverter(model).convert(
            path, quantization=cls.names[precision])

    def __init__(self, path, precision, beams, threads):
        import ctranslate2
        self.translator = ctranslate2.Translator(
            path, device="cpu", compute_type=self.names[precision], inter_threads=1,
            intra_threads=threads)
        self.beams, self.version = beams, "ctranslate2 " + ctranslate2.__version__

    def once(self):
        result = self.translator.translate_batch(
            [[f"w{index}" for index in SOURCE]], beam_size=self.beams, min_decoding_length=TOKENS,
            max_decoding_length=TOKENS)
        assert len(result[0].hypotheses[0]) == TOKENS


class Transformers(Library):
    """The loop of transformers around a model."""

    def generate(self, beams):
        import torch
        source = torch.tensor([list(SOURCE)])

        def once():
            with torch.inference_mode():
                result = self.model.generate(
                    input_ids=source, attention_mask=torch.ones_like(source), num_beams=beams,
                    do_sample=False, min_new_tokens=TOKENS, max_new_tokens=TOKENS)
            assert result.shape[1] == TOKENS + 1  # the start token
        return once


class Torch(Transformers):
    types = ["f32", "bf16"]

    @staticmethod
    def prepare(model, path, precision):
        os.symlink(os.path.abspath(model), path)

    def __init__(self, path, precision, beams, threads):
        import torch
        import transformers
        torch.set_num_threads(threads)
        self.model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            path, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[precision]).eval()
        self.once, self.version = self.generate(beams), "torch " + torch.__version__


class OpenVINO(Transformers):
    """As optimum-intel exports it, stateful; int8 is weights alone."""

    @staticmethod
    def prepare(model, path, precision):
        from optimum.intel import OVModelForSeq2SeqLM
        OVModelForSeq2SeqLM.from_pretrained(
            model, export=True, compile=False, load_in_8bit=precision == "int8").save_pretrained(path)

    def __init__(self, path, precision, beams, threads):
        import openvino
        from optimum.intel import OVModelForSeq2SeqLM
        self.model = OVModelForSeq2SeqLM.from_pretrained(path, ov_config={
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32" if precision == "f32" else "bf16"})
        self.once = self.generate(beams)
        self.version = "openvino " + openvino.__version__.split("-")[0]


ENGINES = {"burin": Burin, "ctranslate2": CTranslate2, "openvino": OpenVINO, "torch": Torch}


def work(name, path, precision, beams, threads):
    engine = ENGINES[name](path, precision, beams, threads)
    engine.milliseconds()
    turns.serve({"version": engine.version}, lambda _: engine.milliseconds())


def prepared(label, precision, beams, arguments):
    """Workers of the engines that take the model."""
    model = os.path.join(arguments.folder, label)
    if not os.path.exists(os.path.join(model, "model.safetensors")):
        make(label, model)
    for name in arguments.engines.split(","):
        path = f"{model}-{name}-{precision}" + (".so" if name == "burin" else "")
        if precision not in ENGINES[name].types:
            continue
        try:
            if not turns.stands(path):
                ENGINES[name].prepare(model, path, precision)
        except (SystemExit, Exception) as error:  # whatever a converter finds wrong
            turns.say(f"  left out: {name}: {error}")
            continue
        worker = turns.Worker(
            name, path=path, precision=precision, beams=beams, threads=arguments.threads)
        worker.times = []
        yield worker


def compare(label, precision, beams, arguments):
    workers = list(prepared(label, precision, beams, arguments))
    if arguments.prepare:
        return []
    workers = turns.take_turns(
        workers, arguments.rounds, lambda worker: worker.times.append(worker.ask()), arguments.apart)
    rows = []
    for worker in workers:
        worker.close()
        rows.append({"model": label, "precision": precision, "beams": beams, "engine": worker.name,
                     "times": worker.times, **worker.about})
        turns.say(f"  {label} {precision} {beams} {worker.name} {turns.spread(worker.times)} ms")
    return rows


def write(results, arguments):
    cells, versions = [], []
    for rows in results.values():
        ordered = sorted(rows, key=lambda row: statistics.median(row["times"]))
        peers = [statistics.median(row["times"]) for row in rows if row["engine"] != "burin"]
        for place, row in enumerate(ordered):
            versions.append(row["version"])
            kind = "greedy" if row["beams"] == 1 else f"{row['beams']} beams"
            ahead = ""
            if peers and row["engine"] == "burin":
                ahead = f"{min(peers) / statistics.median(row['times']):.2f}"
            cells.append(["" if place else f"{row['model']} {row['precision']}, {kind}",
                          row["engine"], turns.spread(row["times"], 0), ahead])
    heads = ["model", "engine", "ms", "x the best peer"]
    turns.publish(arguments, "translation", (
        f"{turns.setting(arguments, versions)} {TOKENS} source tokens, {TOKENS} new ones.\n\n"
        f"{turns.table(heads, cells)}"))


def main():
    if turns.job():
        return work(**turns.job())
    parser = turns.options(__doc__, rounds=5)
    parser.add_argument("--models", default="t5-small,marian")
    parser.add_argument("--precisions", default="f32,bf16,int8")
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--engines", default="burin,ctranslate2,openvino,torch")
    arguments = turns.parsed(parser)
    results = turns.Results(arguments.folder, "translation")
    try:
        for label in arguments.models.split(","):
            for precision in arguments.precisions.split(","):
                for beams in map(int, arguments.beams.split(",")):
                    rows = compare(label, precision, beams, arguments)
                    if rows:
                        results.add(f"{label} {precision} {beams}", rows)
    finally:
        if results and not arguments.prepare:
            write(results, arguments)


if __name__ == "__main__":
    main()
