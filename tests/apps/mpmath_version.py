"""A pure package, for a Pyodide that has no other."""

import mpmath

print(mpmath.__version__)
