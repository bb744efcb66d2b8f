"""Damaged files: whatever a key holds, Burin takes it or says in one line what is wrong.

    python3 Tests/Fuzz/damage.py --models clip,whisper --files config.json --burin .build/release/burin

Every value of a JSON file of a fixture, key by key, becomes each of some odd ones, or goes; every
byte of the header of `model.safetensors` becomes another. What comes out must be success, or a
refusal (65, or 64 and 74) in one line; a crash, a trap, silence, more lines or a long wait are
FAILED. Configurations are completed with what transformers takes for absent keys, if it is there. See
README.md.
"""

import argparse
import concurrent.futures
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "Fixtures", "models")
SECONDS = 20

# As they stand in the file: some are no JSON that Python writes.
ODD = ["null", "true", "false", "0", "1", "-1", "2", "3", "0.5", "-0.0", "1e30", "-1e30", "1e400", "NaN",
       "Infinity", "2147483648", "1099511627776", "9223372036854775808", "18446744073709551616",
       '""', '"x"', '"\\u0000\\ud800"', '"' + "y" * 5000 + '"', "[]", "[[]]", "[1]", "[null]",
       '["x"]', "[" * 300 + "]" * 300, "{}", '{"x": {"x": null}}']


def paths(value, depth=5):
    """The places of a JSON value, outer ones first: of lists only the first and the last element."""
    if depth == 0:
        return
    if isinstance(value, dict):
        keys = list(value)
        # Vocabularies: a few entries stand for all.
        keys = keys if len(keys) <= 150 else keys[:2] + keys[-1:]
    elif isinstance(value, list):
        keys = sorted({0, len(value) - 1}) if value else []
    else:
        return
    for key in keys:
        yield [key]
        for rest in paths(value[key], depth - 1):
            yield [key, *rest]


def written(value, path, odd):
    """The file with `odd` at a place; without the place where `odd` is None."""
    marker = "\x01odd\x01"

    def copy(value, path):
        if not path:
            return marker
        value = value.copy()
        if odd is None and len(path) == 1:
            del value[path[0]]
        else:
            value[path[0]] = copy(value[path[0]], path[1:])
        return value

    text = json.dumps(copy(value, path))
    return text if odd is None else text.replace(json.dumps(marker), odd)


def outcome(arguments, program, directory):
    """What is wrong with how a command ends, and how it ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, timeout=30 * SECONDS, cwd=directory,
            stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} does not end", None
    lines = done.stderr.decode(errors="replace").strip().split("\n")
    # Of the processor, so that a machine with other work does not count; of all jobs side by side.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 64, 65, 74):
        return f"{arguments[0]} ended with {done.returncode}: {lines[-1][:300]}", None
    if done.returncode and (len(lines) != 1 or not lines[0] or len(lines[0]) > 2000):
        return f"{arguments[0]}: {len(lines)} lines: {lines[0][:300]}", None
    if seconds > SECONDS:
        return f"{arguments[0]} took {seconds:.0f} s", None
    return None, done.returncode


def commands(file, directory, deep):
    """What reads a file, one after the other as long as they succeed."""
    library = os.path.join(directory, "m.so")
    compiled = ["compile", directory, "-o", library, "--threads-to-build", "1"]
    if file == "tokenizer.json":
        return [["tokenize", directory, "--text", "Hello wörld <mask> 東京 123 </s>", "--json"]]
    if file == "generation_config.json":
        verb = ["generate", library, "--input-ids", "3,4", "--max-new-tokens", "4"]
        if "whisper" in directory:
            verb = ["transcribe", library, os.path.join(HERE, "..", "Fixtures/sound/i16.wav")]
        return [compiled, verb, [*verb, "--num-beams", "2"]]
    if file == "preprocessor_config.json":
        picture = os.path.join(HERE, "..", "Fixtures/pictures/rgb.png")
        sound = os.path.join(HERE, "..", "Fixtures/sound/i16.wav")
        verb = ["transcribe", library, sound] if "whisper" in directory else [
            "embed" if "clip" in directory else "classify", library, picture]
        return [compiled, verb]
    return [["inspect", directory]] + ([compiled] if deep else [])


def check(job, options):
    model, file, name, content, deep = job
    directory = tempfile.mkdtemp(prefix=f"damage-{model}-")
    try:
        for other in os.listdir(os.path.join(MODELS, model)):
            if other != file:
                source = os.path.join(MODELS, model, other)
                copy = shutil.copytree if os.path.isdir(source) else shutil.copyfile
                copy(source, os.path.join(directory, other))
        with open(os.path.join(directory, file), "wb") as handle:
            handle.write(content)
        for arguments in commands(file, directory, deep):
            wrong, status = outcome(arguments, options.burin, directory)
            if wrong:
                return name, f"FAILED {model}/{file} {name}: {wrong}".replace(directory, "DIR")
            if status:
                return name, None
        return name, ""
    finally:
        shutil.rmtree(directory)


def complete(config):
    try:
        import transformers
    except ImportError:
        return config
    kind = transformers.AutoConfig.for_model(**config)
    return {**kind.to_dict(), "architectures": config["architectures"]}


def jobs(model, file, r, options):
    path = os.path.join(MODELS, model, file)
    if not os.path.exists(path):
        return
    with open(path, "rb") as handle:
        content = handle.read()
    if file.endswith(".safetensors"):
        length = int.from_bytes(content[:8], "little")
        for place in range(0, 8 + length):
            changed = bytearray(content)
            changed[place] = r.choice([0, 255, ord('"'), ord("9"), ord("-"), ord("]"), ord("}"),
                                       changed[place] ^ 1 << r.randrange(8)])
            yield model, file, f"byte {place} = {changed[place]}", bytes(changed), False
        return
    value = json.loads(content)
    if file == "config.json":
        value = complete(value)
    for place in paths(value):
        for odd in [None, *ODD]:
            name = "/".join(map(str, place)) + (" absent" if odd is None else f" = {odd[:40]}")
            yield (model, file, name, written(value, place, odd).encode(errors="surrogatepass"),
                   r.random() < options.deep)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True)
    parser.add_argument("--files", default="config.json")
    parser.add_argument("--share", type=float, default=1, help="of all cases, at random")
    parser.add_argument("--deep", type=float, default=0.02, help="of those that are compiled too")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--burin", default=".build/release/burin")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.burin = os.path.realpath(options.burin)
    r = random.Random(options.seed)
    failed = 0
    for model in options.models.split(","):
        for file in options.files.split(","):
            chosen = [job for job in jobs(model, file, r, options) if r.random() < options.share]
            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                counts = {"taken": 0, "refused": 0, "FAILED": 0}
                for name, words in pool.map(lambda job: check(job, options), chosen):
                    counts["refused" if words is None else "FAILED" if words else "taken"] += 1
                    if words:
                        print(words, flush=True)
            failed += counts["FAILED"]
            print(f"{model}/{file}: {counts}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
