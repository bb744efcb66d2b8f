"""Random tokenizers: the ids, spans and texts that PyPI's `tokenizers` gives against Burin's.

    python3 Tests/Fuzz/tokens.py --count 100 --seed 1 --burin .build/release/burin

A case is a tokenizer of `drawn_tokenizers.py` and awkward texts. It is told by its kind, the seed and a
number, and `--only N` runs that one again. See README.md.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

from drawn_tokenizers import KINDS, Draw, texts, tokenizer

PANIC = "panic"


class Failed(Exception):
    pass


def burin(arguments, program):
    done = subprocess.run([program, *arguments], capture_output=True, timeout=120)
    lines = done.stderr.decode().strip().split("\n")
    if done.returncode == 65 and len(lines) == 1:
        return None, lines[0]
    if done.returncode != 0:
        raise Failed(f"burin {arguments[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout), None


def theirs(how):
    """What the library returns, or what it ends with: a panic is a fault of its own."""
    try:
        return how(), None
    except KeyboardInterrupt:
        raise
    except Exception as error:
        return None, str(error)[:200]
    except BaseException as error:
        return None, f"{PANIC}: {str(error)[:200]}"


def compare_encodings(t, directory, inputs, program):
    """Complaints, and their encodings."""
    complaints, encodings = [], []
    for text in inputs:
        for plain in [], ["--no-special-tokens"]:
            expected, error = theirs(lambda: t.encode(text, add_special_tokens=not plain))
            if "\0" in text or error and error.startswith(PANIC):
                continue  # no argument of a program; nothing to compare with
            found, refusal = burin(["tokenize", directory, "--json", "--text", text, *plain], program)
            if error is not None or refusal is not None:
                if error is None or refusal is None:
                    complaints.append(f"{text!r}: {refusal or 'Burin encodes it'}, {error or 'they encode it'}")
                continue
            encodings.append(expected)
            found = found["results"][0]
            for name, ours, wanted in (
                    ("ids", found["ids"], expected.ids),
                    ("tokens", found["tokens"], [t.id_to_token(i) for i in expected.ids]),
                    ("offsets", found["offsets"], [list(o) for o in expected.offsets])):
                if ours != wanted:
                    complaints.append(f"{text!r} {plain}: {name} {ours}\n      for {wanted} {expected.tokens}")
                    break
    return complaints, encodings


def compare_texts(r, t, directory, encodings, program):
    count = t.get_vocab_size()
    chosen = [e.ids for e in r.sample(encodings, min(6, len(encodings)))]
    chosen += [[r.randrange(count + 3) for _ in range(r.randint(1, 25))] for _ in range(3)]
    complaints = []
    for ids in chosen:
        for skips in True, False:
            expected, error = theirs(lambda: t.decode(ids, skip_special_tokens=skips))
            found, refusal = burin(
                ["tokenize", directory, "--json", "--ids", ",".join(map(str, ids)),
                 *["--no-special-tokens"] * skips], program)
            if error and error.startswith(PANIC):
                continue
            if error is not None or refusal is not None:
                if error is None or refusal is None:
                    complaints.append(f"{ids}: {refusal or 'Burin decodes it'}, {error or 'they decode it'}")
            elif found["text"] != expected:
                complaints.append(f"{ids}, skipping {skips}: {found['text']!r} for {expected!r}")
    return complaints


def run_case(kind, seed, options):
    """(what happened, in words) of one case."""
    r = Draw(seed)
    made, error = theirs(lambda: tokenizer(r, kind))
    if made is None:
        return "skipped", error
    spec, tokens = made
    directory = tempfile.mkdtemp(prefix=f"fuzz-{kind}-")
    try:
        with open(os.path.join(directory, "tokenizer.json"), "w") as file:
            json.dump(spec, file, ensure_ascii=r.chance(0.5), indent=r.one(None, 2))
        with open(os.path.join(directory, "tokenizer_config.json"), "w") as file:
            json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, file)
        t, error = theirs(lambda: Tokenizer.from_file(os.path.join(directory, "tokenizer.json")))
        _, refusal = burin(["tokenize", directory, "--json", "--text", ""], options.burin)
        if t is None or refusal is not None:
            if t is None:
                return "skipped", error
            return "refused", refusal.replace(directory, "DIR")
        complaints, encodings = compare_encodings(t, directory, texts(r, tokens), options.burin)
        complaints += compare_texts(r, t, directory, encodings, options.burin)
        if complaints and options.keep:
            kept = os.path.join(options.keep, seed.replace("/", "-"))
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(directory, kept)
        if complaints:
            parts = {k: spec[k] for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder")}
            parts["model"] = {k: v for k, v in spec["model"].items() if k not in ("vocab", "merges")}
            more = f"\n    ... and {len(complaints) - 4} more" if len(complaints) > 4 else ""
            return "FAILED", "\n    ".join(complaints[:4]) + more + "\n    " + json.dumps(
                parts, ensure_ascii=False)[:1500]
        return "passed", f"{len(encodings)}"
    except (Failed, subprocess.TimeoutExpired) as reason:
        return "FAILED", str(reason)
    finally:
        shutil.rmtree(directory)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", default="", help="comma-separated; all if left out")
    parser.add_argument("--count", type=int, default=20, help="cases of each kind")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--burin", default=".build/release/burin")
    parser.add_argument("--jobs", type=int, default=1, help="cases side by side")
    parser.add_argument("--keep", help="a directory for the tokenizers that differ")
    options = parser.parse_args()
    options.burin = os.path.realpath(options.burin)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    numbers = range(options.count) if options.only is None else [options.only]
    failed = 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for kind in options.kinds.split(",") if options.kinds else KINDS:
            seeds = [f"{options.seed}/{kind}/{number}" for number in numbers]
            counts = collections.Counter()
            for seed, (happened, words) in zip(seeds, pool.map(
                    run_case, [kind] * len(seeds), seeds, [options] * len(seeds))):
                counts[happened] += 1
                if happened != "passed":
                    print(f"  {happened} {seed}: {words}", flush=True)
                else:
                    counts["texts"] += int(words)
            failed += counts["FAILED"]
            print(f"{kind}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
