"""The programs whose reads are recorded: the kernel's start, and the site's notebooks run in it."""

import base64
import json

from .errors import WheelfsError

# Packages of the distribution that the kernel loads when it starts (`initPackageManager` and `initKernel` in
# packages/pyodide-kernel/src/worker.ts), in its order. A lock file that has not all of them is no error.
KERNEL_PACKAGES = ("micropip", "ssl", "sqlite3", "ipykernel", "comm", "pyodide-kernel", "jedi", "ipython")

# Reads as the kernel's worker does, with the site's own wheels at hand so that nothing is asked of PyPI. Completion
# comes last: it loads jedi, and cannot wait for bytes when a person presses Tab.
START = """
import base64, importlib, io, sysconfig, zipfile

for wheel in WHEELS:
    zipfile.ZipFile(io.BytesIO(base64.b64decode(wheel))).extractall(sysconfig.get_paths()["purelib"])
importlib.invalidate_caches()
import micropip
import piplite.piplite

piplite.piplite._PIPLITE_DISABLE_PYPI = True
for name in PACKAGES:
    try:
        await piplite.install(name, keep_going=True)
    except Exception as error:
        print(f"{name}: {error}")
import pyodide_kernel

kernel = pyodide_kernel.kernel_instance
"""

COMPLETE = """
await kernel.run("import json")
kernel.complete("import js", 9)
kernel.complete("json.", 5)
"""

RUN = """
for number, cell in enumerate(CELLS, 1):
    outcome = await kernel.run(cell)
    if outcome["status"] == "error":
        print(f"cell {number}: {outcome['ename']}: {outcome['evalue']}")
"""


def kernel_program(wheels):
    """The kernel starts, and completes a name. `wheels`: paths of the wheels that the site carries for it."""
    return start(wheels) + COMPLETE


def notebook_program(wheels, cells):
    """The kernel starts and runs these cells, to the end whatever fails."""
    return f"{start(wheels)}CELLS = {cells!r}\n{RUN}"


def start(wheels):
    encoded = [base64.b64encode(wheel.read_bytes()).decode() for wheel in wheels]
    return f"WHEELS = {encoded!r}\nPACKAGES = {list(KERNEL_PACKAGES)!r}\n{START}"


def cells(notebook):
    """Sources of a notebook's code cells; empty when it is not Python's."""
    content = read(notebook)
    try:
        metadata = content.get("metadata", {})
        language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
        if language not in (None, "python"):
            return []
        sources = [cell["source"] for cell in content.get("cells", []) if cell.get("cell_type") == "code"]
        return ["".join(source) for source in sources if source]
    except (AttributeError, KeyError, TypeError) as error:
        raise WheelfsError(f"{notebook} has not the form of a notebook ({error!r}): save it again in Jupyter") from None


def read(notebook):
    """The JSON of a notebook; says what there is instead."""
    try:
        content = notebook.read_bytes()
    except OSError as error:
        raise WheelfsError(f"{notebook} cannot be read ({error.strerror})") from None
    if content.startswith(b"version https://git-lfs"):
        raise WheelfsError(f"{notebook} is a pointer of Git LFS, not the notebook: `git lfs pull` brings that")
    if not content.strip():
        raise WheelfsError(f"{notebook} is empty: save it again in Jupyter")
    try:
        # Of bytes the encoding is found out, and a byte order mark passed over.
        return json.loads(content)
    except ValueError as error:
        raise WheelfsError(f"{notebook} is not JSON ({error}): save it again in Jupyter") from None
