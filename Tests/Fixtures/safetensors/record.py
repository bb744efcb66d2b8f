"""Writes types.safetensors with the reference implementation: one tensor of every type that Burin
reads, values that are exact in it, and a tensor of a type that Burin only knows.

Recorded with safetensors 0.8.0 and torch 2.13.0: python record.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

values = [0.0, -0.0, 1.0, -2.5, 0.15625, 96.0, float("inf"), float("-inf"), 2.0**-20, -(2.0**-24)]
numbers = [0, 1, -2, 100, -128, 127]
tensors = {
    "f64": torch.tensor(values, dtype=torch.float64),
    "f32": torch.tensor(values, dtype=torch.float32),
    "f16": torch.tensor(values, dtype=torch.float16),
    "bf16": torch.tensor(values, dtype=torch.bfloat16),
    "i64": torch.tensor(numbers, dtype=torch.int64),
    "i32": torch.tensor(numbers, dtype=torch.int32).reshape(2, 3),
    "i16": torch.tensor(numbers, dtype=torch.int16),
    "i8": torch.tensor(numbers, dtype=torch.int8),
    "u8": torch.tensor([0, 1, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(3, 0, 2),
    "f8": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
    "\u00e9 \u4e2d \"q\" \\ \n": torch.tensor([1.0]),
}
path = Path(__file__).with_name("types.safetensors")
save_file(tensors, path, metadata={"format": "pt", "note": "\u00e9\n"})
print(path.stat().st_size, "bytes")
