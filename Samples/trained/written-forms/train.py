"""Trains the model of this directory: written-out dates and quantities in, ISO form out.

    python3 train.py OUTPUT_DIRECTORY [MINUTES]

Needs torch, transformers and tokenizers; one thread. `phrases.py` makes the data. An example whose
date or number falls to the held-out side, one in twenty, is never trained on in any language or
with any unit. Writes the model in f16, its tokenizer, and `held-out.json` with the phrases that the
accuracy in README.md is measured on.
"""

import json
import os
import random
import sys
import time
import zlib

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import phrases

EXAMPLES = 400_000
HELD_OUT = 2_000
BATCH = 96
PAD, END, UNKNOWN = 0, 1, 2
SPECIAL = ["<pad>", "</s>", "<unk>"]
TARGET = list("0123456789-.") + ["▁" + unit for unit in phrases.UNITS]


def is_held_out(content):
    return zlib.crc32(content.encode()) % 20 == 0


def make_examples(seed, count, held_out):
    """Different examples of one side of the split."""
    generator, found = random.Random(seed), {}
    while len(found) < count:
        phrase, iso, language, content = phrases.example(generator)
        if is_held_out(content) == held_out:
            found[phrase] = (phrase, iso, language)
    return list(found.values())


def make_tokenizer(texts):
    """BPE of some hundred pieces over lower-case text; what the answers are made of comes first."""
    trained = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trained.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, show_progress=False))
    learned = json.loads(trained.to_str())["model"]
    names = list(dict.fromkeys(SPECIAL + TARGET + sorted(learned["vocab"], key=learned["vocab"].get)))
    tokenizer = tokenizers.Tokenizer(models.BPE(
        vocab={name: index for index, name in enumerate(names)},
        merges=[tuple(pair) for pair in learned["merges"]], unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = trained.normalizer, trained.pre_tokenizer
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END)])
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def target_ids(iso, vocabulary):
    """Digit by digit, the unit as one token."""
    number, space, unit = iso.partition(" ")
    return [vocabulary[c] for c in number] + ([vocabulary["▁" + unit]] if space else []) + [END]


def padded(rows, fill):
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows])


def accuracy(model, tokenizer, examples):
    """Exact matches of greedy decoding, in all and by language."""
    model.eval()
    right = {}
    for at in range(0, len(examples), 200):
        part = examples[at:at + 200]
        source = padded([e.ids for e in tokenizer.encode_batch([p for p, _, _ in part])], PAD)
        with torch.no_grad():
            out = model.generate(
                input_ids=source, attention_mask=(source != PAD).long(), max_new_tokens=24,
                do_sample=False, num_beams=1)
        for (phrase, iso, language), row in zip(part, out.tolist()):
            said = tokenizer.decode([t for t in row if t > END], skip_special_tokens=False)
            right.setdefault(language, []).append(said == iso)
    model.train()
    counts = {name: (sum(hits), len(hits)) for name, hits in sorted(right.items())}
    return {"all": tuple(map(sum, zip(*counts.values()))), **counts}


def train(model, data, minutes, check):
    """Adam with warm-up and a cosine over the given time."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0, weight_decay=0.01, betas=(0.9, 0.98))
    start, step, generator = time.time(), 0, random.Random(7)
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        chunk = generator.sample(data, BATCH * 20)
        chunk.sort(key=lambda pair: len(pair[0]))
        batches = [chunk[at:at + BATCH] for at in range(0, len(chunk), BATCH)]
        generator.shuffle(batches)
        for batch in batches:
            rate = 2e-3 * min(1, (step + 1) / 300) * (0.02 + 0.98 * (1 - done) ** 1.2)
            for group in optimizer.param_groups:
                group["lr"] = rate
            source = padded([s for s, _ in batch], PAD)
            target = padded([t for _, t in batch], -100)
            loss = model(
                input_ids=source, attention_mask=(source != PAD).long(), labels=target).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
        if step % 400 == 0:
            print(f"{step} {time.time() - start:.0f} s, loss {loss.item():.4f}, {check()}", flush=True)
    return step


def main():
    output, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 14
    torch.set_num_threads(1)
    torch.manual_seed(1)
    examples = make_examples(1, EXAMPLES, held_out=False)
    held_out = make_examples(2, HELD_OUT, held_out=True)
    tokenizer = make_tokenizer([phrase for phrase, _, _ in examples[:40_000]])
    vocabulary = tokenizer.get_vocab()
    sources = tokenizer.encode_batch([phrase for phrase, _, _ in examples])
    data = [(s.ids, target_ids(iso, vocabulary)) for s, (_, iso, _) in zip(sources, examples)]
    print(len(vocabulary), "tokens;", sum(len(s) for s, _ in data) / len(data), "per source")
    config = transformers.T5Config(
        vocab_size=len(vocabulary), d_model=128, d_kv=32, num_heads=4, d_ff=256, num_layers=2,
        num_decoder_layers=2, relative_attention_num_buckets=16, relative_attention_max_distance=48,
        dropout_rate=0.0, feed_forward_proj="relu", pad_token_id=PAD, eos_token_id=END,
        decoder_start_token_id=PAD)
    model = transformers.T5ForConditionalGeneration(config)
    print(model.num_parameters(), "parameters")
    steps = train(model, data, minutes, lambda: accuracy(model, tokenizer, held_out[:200]))
    model = model.half()
    model.save_pretrained(output)
    tokenizer.save(os.path.join(output, "tokenizer.json"))
    print(steps, "steps; held out:", accuracy(model.float(), tokenizer, held_out))
    with open(os.path.join(output, "held-out.json"), "w") as file:
        json.dump([[p, i, l] for p, i, l in held_out], file, ensure_ascii=False, indent=0)


main()
