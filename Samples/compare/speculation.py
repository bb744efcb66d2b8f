"""Measures what prompt look-up gains in `burin generate`, from prompt to last token.

    python3 speculation.py [--models bytes,gpt2,llama-1.1b] [--types f32,bf16,int8]

Each prompt is continued greedily with look-up and without, in turn; the tokens must be the same. `bytes`
is the model in Samples/trained, which knows English: eight prompts of 128 bytes of text that it has not
seen. The others have random weights and fall into repetition by themselves: they show what there is
to gain where guesses are right. The table gives seconds summed over the prompts, the medians of all
rounds, the ratio, and how many of the guesses were accepted.
"""

import json
import os
import statistics
import subprocess
import sys

import turns

TRAINED = os.path.join(turns.HERE, "../trained/bytes")
GUESSES = {"look-up": 8, "without": 0}


def prompts(label):
    """Lists of ids, and how many follow."""
    if label == "bytes":
        sys.path.append(TRAINED)
        from text import sample
        data = sample()
        return [list(data[at:at + 128]) for at in range(0, 16 * 1024, 2 * 1024)], 127
    return [[(7919 * place + 13) % 32000 for place in range(128)]], 64


def compiled(label, kind, folder):
    from decoders import directory
    path = os.path.join(folder, f"{label}-{kind}.so")
    if not turns.stands(path):
        model = os.path.join(TRAINED, "model") if label == "bytes" else directory(
            label, kind, folder)
        subprocess.run([turns.BURIN, "compile", model, "-o", path, "--dtype", kind,
                        "--max-batch", "1"], check=True)
    return path


class Generation:
    """A choice of guesses, and what came of it."""

    def __init__(self, name, path, asked, count, threads):
        self.name, self.path, self.asked, self.count = name, path, asked, count
        self.threads, self.seconds = threads, []

    def generate(self):
        found = [json.loads(subprocess.run(
            [turns.BURIN, "generate", self.path, "--input-ids", ",".join(map(str, ids)),
             "--max-new-tokens", str(self.count), "--ignore-eos", "--threads", str(self.threads),
             "--prompt-lookup-num-tokens", str(GUESSES[self.name]), "--json"],
            check=True, capture_output=True, text=True).stdout) for ids in self.asked]
        self.tokens = [answer["tokens"] for answer in found]
        self.drafted, self.accepted = (
            sum(answer[key] for answer in found) for key in ("drafted", "accepted"))
        self.seconds.append(sum(answer["seconds"] for answer in found))

    def close(self):
        pass


def main():
    parser = turns.options(__doc__, rounds=5)
    parser.add_argument("--models", default="bytes,gpt2,llama-1.1b")
    parser.add_argument("--types", default="f32,bf16,int8")
    arguments = turns.parsed(parser)
    cells = []
    for label in arguments.models.split(","):
        for kind in arguments.types.split(","):
            path, (asked, count) = compiled(label, kind, arguments.folder), prompts(label)
            ways = [Generation(name, path, asked, count, arguments.threads) for name in GUESSES]
            turns.take_turns(ways, arguments.rounds, Generation.generate)
            guessing, plain = ways
            if guessing.tokens != plain.tokens:
                raise SystemExit(f"{label} {kind}: look-up changed the tokens")
            gain = statistics.median(plain.seconds) / statistics.median(guessing.seconds)
            cells.append([
                f"{label} {kind}, {len(asked)} x {count} tokens", turns.spread(plain.seconds, 3),
                turns.spread(guessing.seconds, 3), f"{gain:.2f}",
                f"{guessing.accepted} of {guessing.drafted}"])
            turns.say("  " + turns.rows(cells[-1]))
    heads = ["model", "without, s", "look-up, s", "gain", "accepted"]
    turns.publish(arguments, "speculation",
                  f"{turns.setting(arguments, [])}\n\n{turns.table(heads, cells)}")


if __name__ == "__main__":
    main()
