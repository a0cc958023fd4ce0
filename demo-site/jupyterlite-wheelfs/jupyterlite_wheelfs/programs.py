"""The programs whose reads are recorded: the kernel's start, and the site's notebooks run in it."""

import base64
import json

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
    content = json.loads(notebook.read_text(encoding="utf-8"))
    metadata = content.get("metadata", {})
    language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    if language not in (None, "python"):
        return []
    sources = [cell["source"] for cell in content.get("cells", []) if cell.get("cell_type") == "code"]
    return ["".join(source) for source in sources if source]
