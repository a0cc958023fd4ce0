"""Reads the sources of two modules as text: of one that it has imported, and of one that it has not."""

import importlib.util
import inspect
import sys

import dateutil.tz

spec = importlib.util.find_spec("dateutil.easter")
with open(spec.origin, encoding="utf-8") as file:
    print(len(file.read()), spec.name in sys.modules)
print(len(inspect.getsource(dateutil.tz.tzrange)))
