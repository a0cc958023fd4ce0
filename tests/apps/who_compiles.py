"""Prints whether pandas works, and whether all of its sources were compiled here."""

import builtins
import sys

here = set()
compiled = builtins.compile


def note(source, path, *arguments, **options):
    here.add(path)
    return compiled(source, path, *arguments, **options)


builtins.compile = note
import pandas

files = {getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name.startswith("pandas.")}
files = {file for file in files if file.endswith(".py")}
print(pandas.DataFrame({"a": [1, 2]}).a.sum(), len(files) > 100, files <= here)
