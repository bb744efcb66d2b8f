"""Trains the byte-level language model of this directory on Python's own documentation.

    python3 train.py OUTPUT_DIRECTORY [MINUTES]

Needs torch, transformers and tokenizers; one thread. The text is the docstrings of the standard
library of the Python that runs this (`text.py`). Writes the model in f16, and its tokenizer of the
256 bytes.
"""

import os
import sys
import time

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers

from text import docstrings, sample

CONTEXT = 256
BATCH = 16


def make_tokenizer():
    """One token for each byte, in the bytes' order."""
    letters = {letter: None for letter in pre_tokenizers.ByteLevel.alphabet()}
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    name = {byte: chr(byte) for byte in printable}
    name.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    assert set(name.values()) == set(letters)
    tokenizer = tokenizers.Tokenizer(models.BPE(
        vocab={name[byte]: byte for byte in range(256)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def perplexity(model, data):
    """Over pieces of the context's length, each byte but the first of a piece predicted once."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for at in range(0, len(data) - 1, CONTEXT):
            piece = data[at:at + CONTEXT][None]
            total += float(model(piece, labels=piece).loss) * (piece.shape[1] - 1)
            count += piece.shape[1] - 1
    model.train()
    return float(torch.tensor(total / count).exp())


def main():
    output, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 12
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = docstrings(held_out=False)
    print(len(data), "bytes to train on", flush=True)
    data = torch.frombuffer(bytearray(data), dtype=torch.uint8).long()
    measured = torch.frombuffer(bytearray(sample()), dtype=torch.uint8).long()
    config = transformers.LlamaConfig(
        vocab_size=256, hidden_size=128, intermediate_size=256, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=CONTEXT,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None)
    model = transformers.LlamaForCausalLM(config)
    print(model.num_parameters(), "parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0, weight_decay=0.05, betas=(0.9, 0.98))
    start, step = time.time(), 0
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        rate = 3e-3 * min(1, (step + 1) / 100) * (0.02 + 0.98 * (1 - done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(0, len(data) - CONTEXT, (BATCH,))
        batch = torch.stack([data[at:at + CONTEXT] for at in starts.tolist()])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 200 == 0:
            print(f"{step} {time.time() - start:.0f} s, loss {loss.item():.3f}", flush=True)
    model.half()
    model.save_pretrained(output)
    make_tokenizer().save(os.path.join(output, "tokenizer.json"))
    print(step, "steps; perplexity per held-out byte", perplexity(model.float(), measured))


if __name__ == "__main__":
    main()
