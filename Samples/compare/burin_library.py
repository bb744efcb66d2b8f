"""A compiled library from Python, by ctypes and numpy: what encoders and decoders need of burin.h."""

import ctypes as c
import os

import numpy

TYPES = {"float32": 1, "int32": 7, "int64": 8}
NAMES = {number: name for name, number in TYPES.items()}


class Tensor(c.Structure):
    _fields_ = [
        ("name", c.c_char_p), ("type", c.c_int32), ("rank", c.c_int32), ("extents", c.c_int64 * 8),
        ("data", c.c_void_p), ("bytes", c.c_size_t)]


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("threads", c.c_int32), ("limit_count", c.c_int32),
        ("limits", c.c_void_p)]


class Limit(c.Structure):
    _fields_ = [("symbol", c.c_char_p), ("maximum", c.c_int64)]


class Library:
    """One session of one library; `run` takes and gives arrays by name."""

    def __init__(self, path, threads, **limits):
        """limits: the most that the session takes of some symbols, such as batch=1."""
        # An absolute path: the library finds its weights through it.
        self.library = c.CDLL(os.path.abspath(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        self.library.burin_error.restype = c.c_char_p
        self.session = c.c_void_p()
        given = (Limit * len(limits))()
        for limit, (name, maximum) in zip(given, limits.items()):
            limit.symbol, limit.maximum = name.encode(), maximum
        options = Options(
            c.sizeof(Options), threads, len(limits), c.cast(given, c.c_void_p))
        self.check(self.library.burin_session_create(c.byref(options), c.byref(self.session)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.library.burin_error().decode())

    def truncate(self, sequence, length):
        self.check(self.library.burin_truncate(
            self.session, c.c_int64(sequence), c.c_int64(length)))

    def run(self, inputs, outputs, entry="forward"):
        """inputs: name -> array; outputs: names. The arrays returned live until the next run."""
        given = (Tensor * len(inputs))()
        for tensor, (name, array) in zip(given, inputs.items()):
            tensor.name, tensor.type = name.encode(), TYPES[array.dtype.name]
            tensor.rank = array.ndim
            tensor.extents[:array.ndim] = array.shape
            tensor.data, tensor.bytes = array.ctypes.data, array.nbytes
        wanted = (Tensor * len(outputs))()
        for tensor, name in zip(wanted, outputs):
            tensor.name = name.encode()
        self.check(self.library.burin_run(
            self.session, entry.encode(), given, len(given), wanted, len(wanted)))
        return {name: self.array(tensor) for name, tensor in zip(outputs, wanted)}

    @staticmethod
    def array(tensor):
        memory = (c.c_char * tensor.bytes).from_address(tensor.data)
        flat = numpy.frombuffer(memory, dtype=NAMES[tensor.type])
        return flat.reshape(tensor.extents[:tensor.rank])
