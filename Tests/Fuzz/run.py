"""Random configurations: what transformers computes in f32 against what Burin does.

    python3 Tests/Fuzz/run.py --families vit,clip --count 20 --seed 1 --burin .build/release/burin

A case is a random model of a random configuration: saved, compiled, run, compared. It is told by
family, seed and number, and `--only N` runs that one again. See README.md.
"""

import argparse
import collections
import concurrent.futures
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "Fixtures")]

transformers.logging.set_verbosity_error()

import fixture_models
from comparing import TOLERANCE, Failed, Refused, Skipped, compare, forward, noise
from draw import Draw


def families():
    import decoders
    import encoders
    import series
    import speech
    import translators
    import vision
    tables = encoders, vision, series, speech, translators, decoders
    return {name: draw for table in tables for name, draw in table.FAMILIES.items()}


def burin(arguments, program):
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=300)
    lines = done.stderr.strip().split("\n")
    if done.returncode == 65 and len(lines) == 1:
        raise Refused(lines[0])
    if done.returncode != 0:
        raise Failed(f"burin {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def build(case, r):
    """The model with random weights."""
    torch.manual_seed(r.getrandbits(60))
    try:
        model = case.kind(case.config)
    except AttributeError:
        # It cannot initialise norms without a bias or a scale.
        with transformers.modeling_utils.no_init_weights():
            model = case.kind(case.config)
    fixture_models.randomise(model, r.torch)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(0.3 + torch.rand(buffer.shape, generator=r.torch))
    model.tie_weights()
    return model


def save(case, r, directory):
    """Writes the model: weights at random, in some type, in one file or several, keys left out; and
    gives it back."""
    case.config.architectures = [case.kind.__name__]
    model = case.model or build(case, r)
    model = model.to(r.choices(
        [torch.float32, torch.float16, torch.bfloat16], [6, 1, 1])[0])
    if case.prepare:
        case.prepare(directory)
    shard = {"max_shard_size": "20KB"} if r.chance(0.15) else {}
    model.save_pretrained(directory, safe_serialization=True, **shard)
    for name, value in case.files.items():
        with open(os.path.join(directory, name), "w") as file:
            json.dump(value, file)
    if r.chance(0.3):
        change(os.path.join(directory, "config.json"), lambda config: otherwise(r, config))
        case.is_changed = True
    elif r.chance(0.5):
        absent = type(case.config)().to_dict()
        kept = {"model_type", "architectures"}
        change(os.path.join(directory, "config.json"), lambda config: {
            k: v for k, v in config.items()
            if k in kept or k not in absent or absent[k] != v or r.chance(0.3)})
    if case.generation:
        change(os.path.join(directory, "generation_config.json"),
               lambda settings: {**settings, **case.generation})
    elif case.prompts and r.chance(0.3):
        os.remove(os.path.join(directory, "generation_config.json"))
    return model


def otherwise(r, config):
    """The configuration with a key of it otherwise than the weights were drawn for: absent, null, or
    another value. What that means is what transformers makes of it."""
    # What a key is to transformers alone, or would take another size of weights.
    others = {"model_type", "architectures", "transformers_version", "torch_dtype", "dtype",
              "vocab_size", "initializer_range", "use_cache", "return_dict", "is_encoder_decoder"}
    keys = [k for k, v in config.items() if k not in others and (
        not isinstance(v, int) or isinstance(v, bool) or k.endswith("token_id") or r.chance(0.1))]
    config = dict(config)
    for key in r.sample(keys, min(len(keys), r.to(1, 2))):
        value = config.pop(key)
        how = r.one("absent", "null", "other")
        if how == "null":
            config[key] = None
        elif how == "other" and isinstance(value, bool):
            config[key] = not value
        elif how == "other" and isinstance(value, float):
            config[key] = value * r.one(0.5, 2, 10)
        elif how == "other" and isinstance(value, dict):
            config[key] = otherwise(r, value)
        elif how == "other":
            config[key] = value
    return config


def change(path, how):
    """Rewrites a file of JSON."""
    with open(path) as file:
        value = json.load(file)
    with open(path, "w") as file:
        json.dump(how(value), file)


def load(case, directory, saved):
    """The model as it is read back; as it was saved, where transformers does not read all of it."""
    model, info = case.kind.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    if not info["missing_keys"]:
        return model.eval()
    if case.is_changed:
        raise Skipped(f"transformers misses {info['missing_keys'][:2]}")
    if saved.dtype != torch.float32:
        raise Skipped(f"transformers misses {info['missing_keys'][:2]}")
    if saved.can_generate():
        saved.generation_config = model.generation_config
    return saved.eval()


def check_forward(case, model, library, directory, program):
    complaints, outputs, references = [], {}, {}
    for label, inputs in case.inputs.items():
        expected = forward(model, inputs, case.call)
        paths = [os.path.join(directory, f"{label}.{part}.safetensors") for part in ("in", "out")]
        save_file({k: v.contiguous() for k, v in inputs.items()}, paths[0])
        try:
            burin(["run", library, "--inputs", paths[0], "--outputs", paths[1],
                   "--entry", case.entries.get(label, "forward")], program)
        except Refused as refusal:
            complaints.append(f"{label}: {refusal}")
            continue
        outputs[label], references[label] = load_file(paths[1]), expected
        complaints += [f"{label}: {c}" for c in compare(
            outputs[label], expected, inputs,
            functools.cache(lambda inputs=inputs: noise(model, inputs, case.call)))]
    if {"alone", "batch"} <= set(outputs):
        theirs = rows_apart(references["batch"], references["alone"])
        for name, off in rows_apart(outputs["batch"], outputs["alone"]).items():
            # CLIP and SigLIP may take the vector of a text from its padding.
            if not off <= 1e-5 and theirs.get(name, 1) <= TOLERANCE:
                complaints.append(f"{name}: in a batch off by {off:.1e} from alone")
    return complaints


def rows_apart(batch, alone):
    """How far the second row of a batch is from the same alone, to the length that it has there."""
    apart = {}
    for name in set(batch) & set(alone):
        row, own = batch[name][1:], alone[name]
        if row.ndim != own.ndim or len(own) != 1:
            continue
        for axis in range(1, own.ndim):
            row = row.narrow(axis, 0, min(own.shape[axis], row.shape[axis]))
        if row.shape == own.shape and own.isfinite().all():
            apart[name] = float((row - own).abs().max()) / max(float(own.abs().max()), 1e-30)
    return apart


def check_generation(case, model, library, program):
    complaints = []
    for ids, how in case.prompts:
        expected = generated(model, ids, how)
        if expected != generated_in_double(model, ids, how):
            continue  # too close to call
        text = burin(
            ["generate", library, "--json", "--input-ids", ",".join(map(str, ids)),
             "--max-new-tokens", str(how["max_new_tokens"]),
             "--num-beams", str(how.get("num_beams", 1))], program)
        tokens = json.loads(text)["tokens"]
        if tokens != expected:
            complaints.append(f"generate {how} after {ids}: {tokens} for {expected}")
    return complaints


def generated(model, ids, how):
    source = torch.tensor([ids])
    out = model.generate(
        source, attention_mask=torch.ones_like(source), do_sample=False, **how)[0].tolist()
    return out[1:] if model.config.is_encoder_decoder else out[len(ids):]


def generated_in_double(model, ids, how):
    torch.set_default_dtype(torch.float64)
    try:
        return generated(model.double(), ids, how)
    except RuntimeError:
        return None
    finally:
        torch.set_default_dtype(torch.float32)
        model.float()


@functools.cache
def modern(python):
    """A process of another transformers that saves models anew."""
    return subprocess.Popen(
        [python, os.path.join(HERE, "modern.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)


def saved_anew(case, r, model, directory, python):
    """The directory in which transformers 5 has saved the model, if it computes the same."""
    to = os.path.join(directory, "modern")
    paths = {label: os.path.join(directory, f"{label}.safetensors") for label in case.inputs}
    for label, inputs in case.inputs.items():
        save_file({k: v.contiguous() for k, v in inputs.items()}, paths[label])
    process = modern(python)
    asked = {"directory": directory, "kind": case.kind.__name__, "to": to, "call": case.call,
             "inputs": list(paths.values()), "sharded": r.chance(0.15)}
    print(json.dumps(asked), file=process.stdin, flush=True)
    answer = json.loads(process.stdout.readline())
    if "error" in answer:
        raise Skipped(f"{case.kind.__name__}: transformers 5: {answer['error']}")
    for label, inputs in case.inputs.items():
        theirs = load_file(paths[label].removesuffix(".safetensors") + ".modern.safetensors")
        different = compare(
            theirs, forward(model, inputs, case.call), inputs,
            functools.cache(lambda inputs=inputs: noise(model, inputs, case.call)))
        if different:
            raise Skipped(f"{case.kind.__name__}: transformers 5 differs: {label}: {different[0]}")
    for name in os.listdir(directory):
        # What stands beside the model: how pictures and sound are prepared.
        if name in case.files or name.startswith("preprocessor"):
            shutil.copyfile(os.path.join(directory, name), os.path.join(to, name))
    return to


def can_do(case, model):
    """Whether transformers computes what Burin refuses."""
    try:
        for inputs in case.inputs.values():
            forward(model, inputs, case.call)
    except Exception as error:
        return f"transformers fails too: {str(error)[:100]}"
    return "transformers computes it"


def run_case(name, seed, options):
    """(what happened, in words) of one case."""
    directory = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
    library = os.path.join(directory, "model.so")
    described, happened = "", "passed"
    try:
        try:
            r = Draw(seed)
            case = families()[name](r)
            described = case.kind.__name__
            model = load(case, directory, save(case, r, directory))
            source = directory
            if options.modern:
                source = saved_anew(case, r, model, directory, options.modern)
        except (Refused, Failed, Skipped):
            raise
        except Exception as error:
            raise Skipped(f"{described}: {type(error).__name__}: {str(error)[:300]}") from error
        try:
            burin(["compile", source, "-o", library, "--threads-to-build", "1",
                   *case.arguments], options.burin)
        except Refused as refusal:
            raise Refused(f"{refusal} ({can_do(case, model)})") from None
        try:
            complaints = check_forward(case, model, library, directory, options.burin)
            complaints += check_generation(case, model, library, options.burin)
            if case.check:
                complaints += case.check(model, library, directory, burin, options.burin)
        except (RuntimeError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise Skipped(f"{described}: {type(error).__name__}: {str(error)[:300]}") from error
        if complaints:
            raise Failed(f"{described}: " + "\n    ".join(complaints))
    except Skipped as reason:
        happened, described = "skipped", str(reason)
    except Refused as reason:
        happened, described = "refused", f"{described}: {reason}"
    except (Failed, subprocess.TimeoutExpired) as reason:
        happened, described = "FAILED", str(reason)
    described = described.replace(directory, "DIR")
    if options.keep and happened == "FAILED":
        kept = os.path.join(options.keep, os.path.basename(seed.replace("/", "-")))
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(directory, kept)
    shutil.rmtree(directory)
    return happened, described


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", default="", help="comma-separated; all if left out")
    parser.add_argument("--count", type=int, default=10, help="cases of each family")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--burin", default=".build/release/burin")
    parser.add_argument("--jobs", type=int, default=1, help="cases side by side")
    parser.add_argument(
        "--modern", help="a Python whose transformers is of version 5, which saves the models anew")
    parser.add_argument("--keep", help="a directory for the models that fail")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    names = options.families.split(",") if options.families else list(families())
    numbers = range(options.count) if options.only is None else [options.only]
    failed = 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for name in names:
            seeds = [f"{options.seed}/{name}/{number}" for number in numbers]
            counts = collections.Counter()
            for seed, (happened, words) in zip(seeds, pool.map(
                    run_case, [name] * len(seeds), seeds, [options] * len(seeds))):
                counts[happened] += 1
                if happened != "passed":
                    print(f"  {happened} {seed}: {words}", flush=True)
            failed += counts["FAILED"]
            print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
