"""Prints a wheel whose module comes with bytecode of another text, dated like no source."""

import io
import sys
import zipfile
from importlib._bootstrap_external import _code_to_timestamp_pyc

wheel = io.BytesIO()
with zipfile.ZipFile(wheel, "w") as archive:
    archive.writestr("stale/__init__.py", "VALUE = 1")
    bytecode = _code_to_timestamp_pyc(compile("VALUE = 2", "stale", "exec"), 0, 9)
    archive.writestr(f"stale/__pycache__/__init__.{sys.implementation.cache_tag}.pyc", bytes(bytecode))
print(wheel.getvalue().hex())
