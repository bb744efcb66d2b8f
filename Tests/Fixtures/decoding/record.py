"""Records what transformers computes around a decoder: scores.json (log-probabilities of texts under
the fixture gpt2-lm), filters.json and processors.json (logits after its warpers and processors), and
beams.json (what its beam search finds).

Needs torch and transformers 4.57; run it with no network from anywhere.
"""

import json
import os

import torch
import transformers as t
from transformers.generation import logits_process as lp

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "models", "gpt2-lm")
TEXTS = ["The river", "Anna Berger lives in Vienna, near the river.", "a", "Café Zürich, 12 °C 日本 🙂"]


def write(name, values):
    lines = ",\n".join(json.dumps(v, ensure_ascii=False) for v in values)
    with open(os.path.join(HERE, name), "w") as file:
        file.write("[\n" + lines + "\n]\n")


def scores():
    model = t.AutoModelForCausalLM.from_pretrained(
        MODEL, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = t.AutoTokenizer.from_pretrained(MODEL)
    results = []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(ids).logits[0].double()
        chosen = logits.log_softmax(-1)[:-1].gather(1, ids[0, 1:, None])[:, 0]
        results.append({
            "text": text, "ids": ids[0].tolist(), "log_probabilities": chosen.tolist(),
            "perplexity": (-chosen.mean()).exp().item() if len(chosen) else None})
    write("scores.json", results)


def logits(seed, count, ties=False):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(1, count, generator=generator) * 3
    return (values.round() if ties else values).float()


def plain(scores):
    return [None if x == -float("inf") else x for x in scores[0].tolist()]


def filters():
    """Temperature, top-k, top-p, min-p in transformers' order, over logits with and without ties."""
    results = []
    settings = [
        {}, {"temperature": 0.7}, {"temperature": 1.9}, {"top_k": 5}, {"top_k": 100}, {"top_p": 0.9},
        {"top_p": 0.5}, {"top_p": 0.05}, {"min_p": 0.1}, {"min_p": 1.0}, {"min_p": 0.02},
        {"temperature": 0.3, "top_k": 9, "top_p": 0.8}, {"top_k": 7, "min_p": 0.2},
        {"temperature": 3.0, "top_k": 12, "top_p": 0.7, "min_p": 0.15}, {"top_p": 0.75, "min_p": 0.3}]
    for number, setting in enumerate(settings):
        for ties in False, True:
            before = logits(number, 23, ties)
            after = before
            if "temperature" in setting:
                after = lp.TemperatureLogitsWarper(setting["temperature"])(None, after)
            if "top_k" in setting:
                after = lp.TopKLogitsWarper(setting["top_k"])(None, after)
            if "top_p" in setting:
                after = lp.TopPLogitsWarper(setting["top_p"])(None, after)
            if "min_p" in setting:
                after = lp.MinPLogitsWarper(setting["min_p"])(None, after)
            results.append({**setting, "before": plain(before), "after": plain(after)})
    for width, top_p in (10, 0.9), (8, 0.5), (13, 0.95):
        before = torch.zeros(1, width)
        after = lp.TopPLogitsWarper(top_p)(None, before)
        results.append({"top_p": top_p, "before": plain(before), "after": plain(after)})
    write("filters.json", results)


def processors():
    """The processors that generation_config.json asks for, as transformers puts them in order."""
    model = t.AutoModelForCausalLM.from_pretrained(MODEL).eval()
    sequences = [[5], [5, 3, 5, 3], [1, 2, 9, 1, 2, 7, 1, 2], [0, 22, 11, 0, 22]]
    settings = [
        {"repetition_penalty": 1.3}, {"repetition_penalty": 0.8, "no_repeat_ngram_size": 2},
        {"no_repeat_ngram_size": 3}, {"bad_words_ids": [[4], [1, 2, 6], [0, 22, 11]]},
        {"sequence_bias": [[[3], 2.5], [[1, 2, 9], -4.0], [[22, 8], 1.5]]},
        {"min_length": 5, "eos_token_id": [2, 9]}, {"min_new_tokens": 2, "eos_token_id": 7},
        {"exponential_decay_length_penalty": [1, 1.5], "eos_token_id": [2, 9]},
        {"forced_bos_token_id": 8}, {"forced_bos_token_id": 8, "begin_suppress_tokens": [3]}, {"forced_eos_token_id": [1, 5]},
        {"suppress_tokens": [0, 1, 2], "begin_suppress_tokens": [20, 21]},
        {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "bad_words_ids": [[3]],
         "suppress_tokens": [6], "forced_eos_token_id": 6, "eos_token_id": 6},
        {"encoder_repetition_penalty": 1.4}, {"encoder_no_repeat_ngram_size": 2},
        {"encoder_repetition_penalty": 0.7, "repetition_penalty": 1.3,
         "encoder_no_repeat_ngram_size": 3, "bad_words_ids": [[7], [7, 7]], "eos_token_id": [7, 2]}]
    results = []
    for number, setting in enumerate(settings):
        for prompt in 1, 4:
            for sequence in sequences:
                if len(sequence) < prompt:
                    continue
                config = t.GenerationConfig(**{"max_length": len(sequence) + number % 2 + 1, **setting})
                model._prepare_special_tokens(config)
                chain = model._get_logits_processor(
                    config, input_ids_seq_length=prompt,
                    encoder_input_ids=torch.tensor([sequence[:prompt]]), device="cpu")
                before = logits(100 + number, 23)
                after = chain(torch.tensor([sequence]), before.clone())
                results.append({
                    "config": setting, "sequence": sequence, "prompt": prompt,
                    "is_last": len(sequence) == config.max_length - 1,
                    "before": plain(before), "after": plain(after)})
    write("processors.json", results)


def beams():
    """Beam searches: several widths, penalties, stopping rules and processors, with and without
    windows, and prompts that end within a page of the cache and beyond one."""
    settings = [
        (4, 20, {}), (2, 24, {"length_penalty": 2.0, "early_stopping": True}),
        (3, 24, {"length_penalty": 0.0, "early_stopping": "never"}),
        (5, 16, {"length_penalty": -1.0}), (4, 18, {"no_repeat_ngram_size": 2}),
        (4, 20, {"length_penalty": 0.6, "early_stopping": "never", "repetition_penalty": 1.3}),
        (4, 12, {"forced_eos_token_id": 9, "min_new_tokens": 5, "suppress_tokens": [3, 4, 5]}),
        (7, 1, {}), (3, 22, {"bad_words_ids": [[8], [11, 12]], "early_stopping": True}),
        (4, 20, {"suppress_tokens": [3, 4, 5], "renormalize_logits": True}),
        (4, 20, {"encoder_repetition_penalty": 1.4, "encoder_no_repeat_ngram_size": 2})]
    results = []
    for name in "gpt2-lm", "mistral-lm":
        model = t.AutoModelForCausalLM.from_pretrained(
            os.path.join(HERE, "..", "models", name), attn_implementation="eager",
            dtype=torch.float32).eval()
        words = model.config.vocab_size
        prompts = [[7], [5 * k % words for k in range(1, 12)], [(k * k + 3) % words for k in range(66)]]
        for number, (width, count, setting) in enumerate(settings):
            for prompt in prompts:
                if len(prompt) + count > model.config.max_position_embeddings:
                    continue
                # End tokens that do come, or there would be nothing to choose between.
                ids = torch.tensor([prompt])
                with torch.no_grad():
                    likely = model.generate(
                        ids, max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0)
                ends = sorted(set(likely[0, len(prompt) + 3:].tolist()))[:1 + number % 2]
                config = {**setting, "eos_token_id": ends}
                with torch.no_grad():
                    found = model.generate(
                        ids, attention_mask=torch.ones_like(ids), num_beams=width, do_sample=False,
                        max_new_tokens=count, pad_token_id=0, return_dict_in_generate=True,
                        output_scores=True, **config)
                results.append({
                    "model": name, "prompt": prompt, "beams": width, "max_new_tokens": count,
                    "config": config, "tokens": found.sequences[0, len(prompt):].tolist(),
                    "score": found.sequences_scores[0].item()})
    write("beams.json", results)


if __name__ == "__main__":
    t.logging.set_verbosity_error()
    torch.set_num_threads(1)
    scores()
    filters()
    processors()
    beams()
