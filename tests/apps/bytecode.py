"""Which sources and bytecode of pandas are opened when it is imported, and which text of a replaced source is run."""

import importlib
import sys

site = next(path for path in sys.path if path.endswith("site-packages"))
opened = []


def hook(event, arguments):
    if event == "open" and f"{site}/pandas/" in str(arguments[0]):
        opened.append(arguments[0].removeprefix(f"{site}/pandas/"))


with open(f"{site}/pandas/util/__init__.py") as file:
    text = file.read()
with open(f"{site}/pandas/util/__init__.py", "w") as file:
    file.write(f"{text}\nREPLACED = 1\n")
sys.addaudithook(hook)
import pandas

print(sorted({name.split(".")[0] for name in opened if not name.endswith(".so")}))
print(pandas.util.REPLACED, pandas.Series([1, 2]).sum(), pandas.core.frame.__cached__.endswith(".pyc"))

opened.clear()
importlib.reload(sys.modules["pandas.core.common"])
print(opened)
with open(f"{site}/pandas/core/common.py", "a") as file:
    file.write("\nREPLACED = 2\n")
print(importlib.reload(sys.modules["pandas.core.common"]).REPLACED)
