"""The vector of a sentence, from a compiled sentence-transformers model, by ctypes alone.

    burin compile MODEL -o sentence.so
    python3 Samples/python/sentence.py sentence.so $(burin tokenize sentence.so --text "Hello world")

The arguments are the library and token ids.
"""

import ctypes as c
import os
import sys

I64 = 8  # BURIN_I64 of Runtime/include/burin.h


class Tensor(c.Structure):  # struct burin_tensor
    _fields_ = [
        ("name", c.c_char_p), ("type", c.c_int32), ("rank", c.c_int32), ("extents", c.c_int64 * 8),
        ("data", c.c_void_p), ("bytes", c.c_size_t)]


def main(path, *words):
    burin = c.CDLL(os.path.abspath(path))
    burin.burin_error.restype = c.c_char_p
    session = c.c_void_p()

    def check(status):
        if status != 0:
            sys.exit(burin.burin_error().decode())

    ids = (c.c_int64 * len(words))(*map(int, words))
    given = Tensor(
        b"input_ids", I64, 2, (c.c_int64 * 8)(1, len(ids)), c.cast(ids, c.c_void_p), c.sizeof(ids))
    vector = Tensor(b"sentence_embedding")
    check(burin.burin_session_create(None, c.byref(session)))
    check(burin.burin_run(session, b"embed", c.byref(given), 1, c.byref(vector), 1))
    values = c.cast(vector.data, c.POINTER(c.c_float))
    for value in values[:min(8, vector.extents[1])]:
        print(f"{value:.7f}")
    burin.burin_session_free(session)


if len(sys.argv) < 3:
    sys.exit("usage: sentence.py LIBRARY ID...")
main(*sys.argv[1:])
