"""The documentation of the standard library of the Python that runs this, from its docstrings.

One module in sixteen is held out whole, by its name.
"""

import ast
import os
import sysconfig
import zlib

SKIPPED = ("test", "tests", "idlelib", "site-packages", "dist-packages", "lib2to3", "__pycache__")


def modules():
    """`(module, text)` of every module with documentation of some length, in order."""
    root = sysconfig.get_path("stdlib")
    for directory, below, files in os.walk(root):
        below[:] = sorted(name for name in below if name not in SKIPPED)
        for name in sorted(files):
            path = os.path.join(directory, name)
            if not name.endswith(".py"):
                continue
            try:
                with open(path, encoding="utf-8") as file:
                    tree = ast.parse(file.read())
            except (SyntaxError, UnicodeDecodeError, ValueError):
                continue
            documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            found = [ast.get_docstring(n) for n in ast.walk(tree) if isinstance(n, documented)]
            text = "\n\n".join(dict.fromkeys(text for text in found if text))
            if len(text) >= 400:
                yield os.path.relpath(path, root), text


def docstrings(held_out):
    """The texts of one side, as bytes."""
    texts = (text for module, text in modules()
             if (zlib.crc32(module.encode()) % 16 == 0) == held_out)
    return "\n\n\n".join(texts).encode()


def sample():
    """What perplexity is measured on: the first 16 KiB that are held out, in whole letters."""
    return docstrings(held_out=True)[:16_384].decode(errors="ignore").encode()
