"""Makes Tests/Fixtures/models: tiny models of random weights, and what transformers computes.

    python3 Tests/Fixtures/record_models.py [NAME ...]

Needs torch, transformers 4.57, tokenizers, safetensors and sentence-transformers 5.3;
`models/versions.json` says which versions wrote which directory. A directory holds the model as
`save_pretrained` writes it, and

    inputs.safetensors, expected.safetensors            three sequences of 37 (two where the model
                                                        predicts words) with masks and token types
    inputs-ids.safetensors, expected-ids.safetensors    two sequences of 13, ids only
                                                        (not for sentence-transformers)
    generate.json                                       greedy continuations (decoders)
    translate.json                                      targets, greedy and with beams
    languages.json                                      targets by language, from text to text
    text.json                                           text in, results out (record_text.py)
    pictures.json                                       pictures in, results out
                                                        (record_pictures.py)

Expected outputs have the names of transformers' forward call, in f32 with eager attention. Rows
of padding are recorded as they come; only those under the mask mean anything.
"""

import json
import os
import shutil
import sys
from importlib import metadata

import torch
import transformers
from safetensors.torch import load_file, save_file

import fixture_keys
import fixture_models as fixtures
import fixture_pictures
import fixture_sentences
import fixture_sequences
import record_pictures
import record_text
import tokenizers_for_fixtures

fixtures.FIXTURES.update(fixture_sequences.FIXTURES)
fixtures.FIXTURES.update(fixture_keys.FIXTURES)
fixtures.FIXTURES.update(fixture_sentences.FIXTURES)

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "models")


def save(name, directory):
    kind, config, more = fixtures.FIXTURES[name]
    shutil.rmtree(directory, ignore_errors=True)
    model = fixtures.build(name)
    if "store" in more:
        model = model.to(more["store"])
    model.save_pretrained(
        directory, safe_serialization=True, **({"max_shard_size": more["shard"]}
                                               if "shard" in more else {}))
    if more.get("rename"):
        store_under_old_names(os.path.join(directory, "model.safetensors"), config)
    if "tokenizer" in more:
        tokenizer = tokenizers_for_fixtures.KINDS[more["tokenizer"]](config)
        tokenizer.save_pretrained(directory)
        assert len(tokenizer) == getattr(config, "text_config", config).vocab_size
    if "languages" in more:
        fixture_sequences.save_translator(more["languages"], directory)
    if "pooling" in more:
        fixture_sentences.save_modules(directory, config, more)


def store_under_old_names(path, config):
    """Renames as the first BERT checkpoints were: `gamma`, `beta`, a buffer, the second head."""
    weights = {}
    for name, tensor in load_file(path).items():
        if "LayerNorm." in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        weights[name] = tensor
    hidden = config.hidden_size
    weights["bert.embeddings.position_ids"] = torch.arange(67)[None]
    weights["bert.pooler.dense.weight"] = torch.full((hidden, hidden), 0.5)
    weights["bert.pooler.dense.bias"] = torch.full((hidden,), 0.25)
    weights["cls.seq_relationship.weight"] = torch.full((2, hidden), 0.5)
    weights["cls.seq_relationship.bias"] = torch.full((2,), 0.25)
    save_file(weights, path, metadata={"format": "pt"})


def load(directory, kind):
    """The model as a user's transformers would read it back, widened to f32."""
    model, info = kind.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"], (directory, info["missing_keys"])
    return model.eval()


def random_inputs(config, generator, lengths, width, masked):
    """Ids over the whole vocabulary; where there is no mask, padding ids stand among the others."""
    if hasattr(config, "image_size"):
        return random_images(config, generator, len(lengths))
    if config.model_type.split("_")[0] in ("clip", "siglip"):
        return fixture_pictures.inputs(config, generator, lengths, width, masked)
    if hasattr(config, "num_mel_bins"):
        return random_spectra(config, generator, len(lengths))
    config = getattr(config, "text_config", config)
    pad = config.pad_token_id
    ids = torch.randint(0, config.vocab_size, (len(lengths), width), generator=generator)
    if pad is not None:
        ids[ids == pad] = pad + 1
    inputs = {"input_ids": ids}
    if not masked:
        if pad is not None:
            ids[0, 7] = ids[1, 11] = ids[1, 12] = pad
        return inputs
    mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
    ids[~mask] = pad if pad is not None else 0
    inputs["attention_mask"] = mask.long()
    if getattr(config, "type_vocab_size", 0):
        inputs["token_type_ids"] = torch.randint(
            0, config.type_vocab_size, ids.shape, generator=generator) * mask
    return inputs


def with_target(config, inputs, generator, more):
    """A target of 11 tokens beside the source."""
    if more.get("ends"):
        end = config.eos_token_id
        ids = inputs["input_ids"]
        ids[ids == end] = end + 1
        mask = inputs.get("attention_mask", torch.ones_like(ids))
        ids[torch.arange(len(ids)), mask.sum(1) - 1] = end
    if not config.is_encoder_decoder or more.get("target") == "none":
        return inputs
    batch = next(iter(inputs.values())).shape[0]
    inputs["decoder_input_ids"] = torch.randint(
        1, config.vocab_size, (batch, 11), generator=generator)
    return inputs


def record_translation(model, directory):
    """Greedy targets of a source of 17 tokens, and where an end token stops them."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(64):
        source = torch.randint(2, model.config.vocab_size, (1, 17), generator=generator)
        target, lead = torch.tensor([[model.config.decoder_start_token_id]]), float("inf")
        with torch.no_grad():
            for _ in range(40):
                logits = model(
                    input_ids=source, decoder_input_ids=target, use_cache=False).logits[0, -1]
                logits[model.config.eos_token_id] = float("-inf")
                best = logits.topk(2)
                lead = min(lead, float(best.values[0] - best.values[1]))
                target = torch.cat([target, best.indices[None, :1]], 1)
        if lead > 2e-3 and len(set(target[0].tolist())) > 3:
            break
    assert lead > 2e-3, f"{directory}: no source with a clear lead at every token"
    end = model.config.eos_token_id
    until_end = model.generate(source, max_new_tokens=40, do_sample=False)[0, 1:].tolist()
    tokens = target[0, 1:].tolist()
    assert tokens == model.generate(
        source, max_new_tokens=40, do_sample=False, eos_token_id=None,
        suppress_tokens=[end])[0, 1:].tolist()
    beams = model.generate(
        source, max_new_tokens=20, do_sample=False, num_beams=4)[0, 1:].tolist()
    write_json(os.path.join(directory, "translate.json"), {
        "source": source[0].tolist(), "ignoring_end": tokens, "until_end": until_end,
        "four_beams": beams, "smallest_lead": lead})
    return f"{len(set(tokens))} different tokens, smallest lead {lead:.4f}"


def random_images(config, generator, count):
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    shape = (count, config.num_channels, height, width)
    return {"pixel_values": torch.randn(shape, generator=generator)}


def random_spectra(config, generator, count):
    shape = (count, config.num_mel_bins, 2 * config.max_source_positions)
    return {"input_features": torch.randn(shape, generator=generator)}


def forward(model, inputs):
    with torch.no_grad():
        uncached = is_decoder(model) and "Question" not in type(model).__name__
        uncached = uncached or "decoder_input_ids" in inputs
        uncached = uncached or is_classifier_of_sequences(model)
        outputs = model(**inputs, **({"use_cache": False} if uncached else {}))
    # Copies: CLIP gives one matrix and its transpose.
    return {
        k: v.clone(memory_format=torch.contiguous_format) for k, v in outputs.items()
        if isinstance(v, torch.Tensor)}


def forward_in_double(model, inputs):
    model.double()
    torch.set_default_dtype(torch.float64)  # CLIP makes its mask in this type
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    upcasting = [m for m in model.modules() if getattr(m, "reorder_and_upcast_attn", False)]
    for module in upcasting:
        module.reorder_and_upcast_attn = False  # it would insist on f32
    outputs = forward(model, inputs)
    for module in upcasting:
        module.reorder_and_upcast_attn = True
    torch.set_default_dtype(torch.float32)
    model.float()
    return outputs


def is_classifier_of_sequences(model):
    """Whether a decoder stands below a head that is no language model's."""
    name = type(model).__name__
    alone = "Token" in name or "Encoder" in name
    return getattr(model.config, "is_encoder_decoder", False) and not alone


def is_decoder(model):
    return "ForCausalLM" in type(model).__name__ or model.config.model_type in (
        "gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3", "gemma3_text",
        "granite", "smollm3", "olmo2", "starcoder2", "mixtral",
        "olmoe", "qwen2_moe", "qwen3_moe", "gpt_neox", "phi", "stablelm", "opt",
        "bloom")


def record_case(model, inputs, directory, suffix):
    expected = forward(model, inputs)
    in_double = forward_in_double(model, inputs)
    for name, value in expected.items():
        exact = in_double[name]
        if "attention_mask" in inputs and value.shape[:2] == inputs["attention_mask"].shape:
            # What stands in padding means nothing.
            valid = inputs["attention_mask"].bool()
            value, exact = value[valid], exact[valid]
        off = (value - exact).abs().max() / exact.abs().max()
        assert off < 2e-5, f"{directory}: {name} is off by {off:.1e}: weights too wild for f32"
    save_file(inputs, os.path.join(directory, f"inputs{suffix}.safetensors"))
    save_file(expected, os.path.join(directory, f"expected{suffix}.safetensors"))
    return {name: list(value.shape) for name, value in expected.items()}


def greedy(model, prompts, count, banned=None):
    """Arg-max continuations without a cache, and the smallest lead of a first over a second."""
    ids, lead = torch.tensor(prompts), torch.full((len(prompts),), float("inf"))
    for _ in range(count):
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[:, -1]
        if banned is not None:
            logits[:, banned] = float("-inf")
        best = logits.topk(2)
        lead = lead.minimum(best.values[:, 0] - best.values[:, 1])
        ids = torch.cat([ids, best.indices[:, :1]], 1)
    return ids[:, -count:].tolist(), lead.tolist()


def by_generate(model, prompt, **how):
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **how)
    return out[0, len(prompt):].tolist()


def record_generation(model, directory):
    """64 tokens after 37, with and without an end token; every lead wide enough to be certain."""
    generator = torch.Generator().manual_seed(37)
    words = getattr(model.config, "text_config", model.config).vocab_size
    prompts = torch.randint(1, words, (64, 37), generator=generator).tolist()
    candidates = list(zip(*greedy(model, prompts, 64), prompts))
    tokens, lead, prompt = max(candidates, key=lambda c: (c[1] > 2e-3, len(set(c[0]))))
    assert lead > 2e-3, f"{directory}: no prompt with a clear lead at every token"
    assert tokens == by_generate(model, prompt, max_new_tokens=64, eos_token_id=None)
    # An end token that the model does reach: one that first appears in the middle.
    end = max(set(tokens), key=lambda token: -abs(tokens.index(token) - 20))
    until_end = by_generate(model, prompt, max_new_tokens=64, eos_token_id=end)
    assert until_end == tokens[:tokens.index(end) + 1]
    (ignoring,), (ignoring_lead,) = greedy(model, [prompt], 64, banned=end)
    assert ignoring_lead > 1e-3, f"{directory}: {ignoring_lead}"
    assert ignoring == by_generate(
        model, prompt, max_new_tokens=64, eos_token_id=None, suppress_tokens=[end])
    write_json(os.path.join(directory, "generate.json"), {
        "prompt": prompt, "tokens": tokens, "smallest_lead": min(lead, ignoring_lead),
        "end_token": end, "until_end": until_end, "ignoring_end": ignoring})
    for file in "config.json", "generation_config.json":
        path = os.path.join(directory, file)
        with open(path) as handle:
            value = json.load(handle)
        write_json(path, {**value, "eos_token_id": end})
    return f"{len(set(tokens))} different tokens, smallest lead {lead:.4f}"


def record_outgrowing(model, directory):
    """24 tokens after 7, beyond the original context, by transformers' own loop over its cache."""
    generator = torch.Generator().manual_seed(7)
    prompts = torch.randint(1, model.config.vocab_size, (64, 1, 7), generator=generator)
    model.set_attn_implementation("sdpa")  # in eager, Phi-3 reads its text again without a mask
    candidates = []
    for prompt in prompts:
        out = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, pad_token_id=0,
            eos_token_id=None, max_new_tokens=24, output_scores=True, return_dict_in_generate=True)
        best = [scores[0].topk(2).values for scores in out.scores]
        lead = min(float(values[0] - values[1]) for values in best)
        candidates.append((out.sequences[0, 7:].tolist(), lead, prompt[0].tolist()))
    tokens, lead, prompt = max(candidates, key=lambda c: (c[1] > 2e-3, len(set(c[0]))))
    assert lead > 2e-3, f"{directory}: no prompt with a clear lead at every token"
    model.set_attn_implementation("eager")
    write_json(os.path.join(directory, "outgrow.json"), {"prompt": prompt, "tokens": tokens})
    return f"{len(set(tokens))} different tokens, smallest lead {lead:.4f}"


def write_json(path, value):
    """One line per key of the outermost object."""
    lines = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
    with open(path, "w") as handle:
        handle.write("{\n" + ",\n".join(lines) + "\n}\n")


def record(name):
    kind, config, more = fixtures.FIXTURES[name]
    directory = os.path.join(ROOT, name)
    save(name, directory)
    model = load(directory, kind)
    generator = torch.Generator().manual_seed(fixtures.seed(name) + 1)
    lengths = [23, 37, 1] if "distil" in name else [37, 5, 30]
    if "LM" in kind.__name__:
        lengths = lengths[:2]
    if {"sliding_window", "local_attention", "text_config"} & set(vars(config)) or "long" in name:
        # Padding beyond the window would see no key, and transformers makes that NaN; and the
        # longest row of a batch chooses the frequencies of longrope for all.
        lengths = [37, 34]
    def inputs(lengths, width, masked):
        drawn = random_inputs(config, generator, lengths, width, masked)
        for row, places in enumerate(more.get("holes", []) if masked else []):
            drawn["attention_mask"][row, places] = 0
            drawn["input_ids"][row, places] = config.pad_token_id
        names = "Encoder", "Audio", "TokenClassification", "CausalLM"
        alone = any(name in kind.__name__ for name in names)
        return drawn if alone else with_target(config, drawn, generator, more)

    shapes = {}
    if "pooling" not in more and "languages" not in more:
        shapes = record_case(
            model, inputs(lengths, 37, True), directory, "")
        record_case(model, inputs([13, 13], 13, False), directory, "-ids")
    note = record_generation(model, directory) if more.get("generate") else ""
    if more.get("outgrows"):
        note = record_outgrowing(model, directory)
    if more.get("translate"):
        note = record_translation(model, directory)
    if "languages" in more:
        fixture_sequences.record_languages(more["languages"], model, directory)
    if "pictures" in more:
        record_pictures.record(model, directory, more)
    elif "tokenizer" in more:
        record_text.record(kind, directory, more)
    for file in os.listdir(directory):
        if os.path.isfile(os.path.join(directory, file)):
            os.chmod(os.path.join(directory, file), 0o644)
    size = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(directory) for f in fs)
    print(f"{name:36} {size / 1024:6.0f} KB  {shapes} {note}", flush=True)


def note_versions(names):
    """Which versions recorded which directories."""
    import safetensors
    import tokenizers
    now = ", ".join([
        f"python {sys.version.split()[0]}", f"safetensors {safetensors.__version__}",
        f"tokenizers {tokenizers.__version__}", f"torch {torch.__version__}",
        f"transformers {transformers.__version__}"])
    path = os.path.join(ROOT, "versions.json")
    with open(path) as handle:
        versions = json.load(handle)
    for recorded in versions.values():
        recorded[:] = [name for name in recorded if name not in names]
    for name in names:
        key = now
        if "pooling" in fixtures.FIXTURES[name][2]:
            key += f", sentence-transformers {metadata.version('sentence-transformers')}"
        versions[key] = sorted(versions.get(key, []) + [name])
    write_json(path, {key: recorded for key, recorded in versions.items() if recorded})


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    os.makedirs(ROOT, exist_ok=True)
    names = sys.argv[1:] or list(fixtures.FIXTURES)
    for name in names:
        record(name)
    note_versions(names)


if __name__ == "__main__":
    main()
