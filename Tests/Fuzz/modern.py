"""Saves models anew with another transformers than that of run.py, of version 5.

Reads lines of JSON: {"directory", "kind", "to", "inputs": {name: file}, "call"}. Loads the model of a class from a
directory, saves it into another one, and the outputs of the forward call beside the inputs, as NAME.modern.safetensors. Writes
a line of JSON for each: {} or {"error"}.
"""

import json
import sys
import warnings

import torch
import transformers
from safetensors.torch import load_file, save_file

from comparing import forward


def answer(asked):
    kind = getattr(transformers, asked["kind"])
    model = kind.from_pretrained(
        asked["directory"], attn_implementation="eager", experts_implementation="eager", dtype="auto")
    model.save_pretrained(asked["to"], max_shard_size="20KB" if asked["sharded"] else "5GB")
    model = model.float().eval()
    for path in asked["inputs"]:
        save_file(forward(model, load_file(path), asked["call"]),
                  path.removesuffix(".safetensors") + ".modern.safetensors")


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # What the library prints must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            answer(json.loads(line))
            result = {}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
