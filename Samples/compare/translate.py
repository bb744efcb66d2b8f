"""Measures Burin's encoder-decoders beside CTranslate2: the same weights, sources and minutes.

    python3 translate.py --make                              # needs torch and transformers too
    python3 translate.py [--models t5-small,marian] [--precisions f32,bf16,int8] [--write]

A source of 64 tokens becomes a target of 64, greedy and with 4 beams; nobody may end earlier. The
models have the shapes of T5-small and of a Marian translator and random weights. The engines take
turns, round after round, each in a process of its own; the table gives the median of all rounds.
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
MARKS = "<!-- translation -->\n", "<!-- end of translation -->\n"
BURIN = os.environ.get("BURIN", "burin")
TOKENS = 64
CTRANSLATE2 = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}


def supported(precision):
    """The precision, or f32 where CTranslate2 does not multiply in that type on this machine."""
    import ctranslate2
    types = ctranslate2.get_supported_compute_types("cpu")
    return precision if CTRANSLATE2[precision] in types else "f32"


def make(folder):
    """Writes each model as transformers does, and as CTranslate2 converts it."""
    import ctranslate2
    import tokenizers
    import torch
    import transformers as t
    torch.manual_seed(0)
    kinds = {
        "t5-small": (t.T5ForConditionalGeneration, t.T5Config(
            vocab_size=32_128, decoder_start_token_id=0)),
        "marian": (t.MarianMTModel, t.MarianConfig(
            vocab_size=58_101, d_model=512, encoder_layers=6, decoder_layers=6,
            encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
            decoder_ffn_dim=2048, max_position_embeddings=512, activation_function="swish",
            scale_embedding=True, pad_token_id=58_100, eos_token_id=0, bos_token_id=0,
            decoder_start_token_id=58_100))}
    for name, (kind, config) in kinds.items():
        path = os.path.join(folder, name)
        model = kind(config).eval()
        model.generation_config = t.GenerationConfig(
            decoder_start_token_id=config.decoder_start_token_id, eos_token_id=config.eos_token_id,
            pad_token_id=config.pad_token_id)
        model.save_pretrained(path)
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
        for precision, quantization in CTRANSLATE2.items():
            ctranslate2.converters.TransformersConverter(path).convert(
                f"{path}-ct2-{precision}", quantization=quantization, force=True)


class Burin:
    """`burin bench`, whose process measures some targets and ends."""

    name = "burin"

    def __init__(self, path, precision, beams, threads):
        self.library = f"{path}-{precision}.so"
        if not os.path.exists(self.library):
            subprocess.run(
                [BURIN, "compile", path, "-o", self.library, "--dtype", precision,
                 "--max-batch", "4", "--max-seq", "128"], check=True)
        self.arguments = [
            BURIN, "bench", self.library, "--prompt", str(TOKENS), "--generate", str(TOKENS),
            "--num-beams", str(beams), "--threads", str(threads), "--repeats", "3", "--json"]

    def measure(self):
        result = subprocess.run(self.arguments, check=True, capture_output=True, text=True)
        return json.loads(result.stdout)["median_ms"]

    def close(self):
        pass


class CTranslate2:
    """A process that answers each line with the milliseconds of some targets."""

    name = "ctranslate2"

    def __init__(self, path, precision, beams, threads):
        precision = supported(precision)
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--work", f"{path}-ct2-{precision}",
             CTRANSLATE2[precision], str(beams), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def work(path, precision, beams, threads):
    import ctranslate2
    translator = ctranslate2.Translator(
        path, device="cpu", compute_type=precision, inter_threads=1, intra_threads=threads)
    source = [f"w{index}" for index in range(100, 100 + TOKENS)]

    def once():
        start = time.perf_counter()
        result = translator.translate_batch(
            [source], beam_size=beams, min_decoding_length=TOKENS, max_decoding_length=TOKENS)
        assert len(result[0].hypotheses[0]) == TOKENS
        return (time.perf_counter() - start) * 1e3

    once()
    for _ in sys.stdin:
        print(json.dumps(statistics.median(once() for _ in range(3))), flush=True)


def versions():
    import ctranslate2
    burin = subprocess.run([BURIN, "--version"], capture_output=True, text=True).stdout.strip()
    return f"burin {burin}, ctranslate2 {ctranslate2.__version__}"


def table(rows):
    lines = ["| model | | burin | ctranslate2 | burin is |", "| --- | --- | --- | --- | --- |"]
    for model, beams, precision, burin, peer in rows:
        kind = "greedy" if beams == 1 else f"{beams} beams"
        lines.append(
            f"| {model} | {precision}, {kind} | {burin:.0f} ms | {peer:.0f} ms"
            f"{'' if supported(precision) == precision else ' in f32'} | {peer / burin:.2f}x |")
    return "\n".join(lines)


def write_table(rows, arguments):
    with open("/proc/cpuinfo") as file:
        cpu = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    text = (
        f"{time.strftime('%Y-%m-%d')}, {cpu}, {arguments.threads} threads, Linux on "
        f"{platform.machine()}, {versions()}. {TOKENS} source tokens, {TOKENS} new ones; medians "
        f"of {arguments.rounds} rounds in turn.\n\n{table(rows)}\n")
    path = os.path.join(HERE, "README.md")
    with open(path) as file:
        readme = file.read()
    before, rest = readme.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with open(path, "w") as file:
        file.write(before + MARKS[0] + text + MARKS[1] + after)


def main():
    if sys.argv[1:2] == ["--work"]:
        path, precision, beams, threads = sys.argv[2:]
        return work(path, precision, int(beams), int(threads))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true", help="make the models first")
    parser.add_argument("--models", default="t5-small,marian")
    parser.add_argument("--precisions", default="f32,bf16,int8")
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--folder", default=os.path.join(HERE, ".work"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    if arguments.make:
        return make(arguments.folder)
    rows = []
    for model in arguments.models.split(","):
        for precision in arguments.precisions.split(","):
            for beams in map(int, arguments.beams.split(",")):
                path = os.path.join(arguments.folder, model)
                engines = [
                    kind(path, precision, beams, arguments.threads)
                    for kind in (Burin, CTranslate2)]
                times = [[], []]
                for turn in range(arguments.rounds):
                    # Every other round runs backwards.
                    for place in (0, 1) if turn % 2 == 0 else (1, 0):
                        times[place].append(engines[place].measure())
                        time.sleep(0.25)  # the neighbour's threads fall asleep
                for engine in engines:
                    engine.close()
                rows.append((model, beams, precision, *map(statistics.median, times)))
                print(table(rows[-1:]).split("\n")[-1], flush=True)
    print(table(rows))
    if arguments.write:
        write_table(rows, arguments)


if __name__ == "__main__":
    main()
