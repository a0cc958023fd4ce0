"""What of JupyterLite's addon the builds of the tests' sites do not show: what goes wrong, and other sites than theirs.

addon.py PREFETCH_INDEX DISTRIBUTION: run by a Python that has JupyterLite and the addon's source on its path.
"""

import atexit
import contextlib
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from jupyterlite_core.manager import LiteManager
from jupyterlite_wheelfs import addon, distribution, errors, programs, recording

recording.PROGRAM = pathlib.Path(sys.argv[1])
folder = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, folder, ignore_errors=True)
# What a wheel of the addon carries besides.
addon.SITE_FILES = folder / "files"
addon.SITE_FILES.mkdir()


def running(argument):
    """How many processes were started with this in an argument."""
    count = 0
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        # It may just have ended.
        with contextlib.suppress(OSError):
            count += str(argument).encode() in file.read_bytes()
    return count


class Short(http.server.BaseHTTPRequestHandler):
    # Nothing comes whole but this.
    whole = {}

    def do_GET(self):
        content = self.whole.get(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)) if content else "1000")
        self.end_headers()
        self.wfile.write(content or b"x" * 300)
        self.close_connection = True

    def log_message(self, *words):
        pass


endless = folder / "endless.py"
endless.write_text("while True: pass")
seen = []
threading.Timer(4, lambda: seen.append(running(endless))).start()
try:
    recording.prefetch_index(["record", "--pyodide", sys.argv[2], "-o", folder / "endless.trace", endless], 8)
except subprocess.TimeoutExpired:
    for _ in range(100):
        left = running(endless)
        if not left:
            break
        time.sleep(0.1)
    print("ended:", seen[0] > 1, left)

server = http.server.HTTPServer(("127.0.0.1", 0), Short)
threading.Thread(target=server.serve_forever, daemon=True).start()
target = folder / "pyodide.mjs"
try:
    distribution.download(f"http://127.0.0.1:{server.server_port}/pyodide.mjs", target)
except errors.WheelfsError as error:
    print("refused:", "300 of 1000 bytes" in str(error), target.exists())


class Lite:
    """A site as JupyterLite hands it to the addon, a Pyodide in its folders `own` and `other`."""

    def __init__(self, name, url, **traits):
        source, self.output = folder / name, folder / name / "output"
        (source / "output").mkdir(parents=True)
        for pyodide in ("own", "other"):
            (self.output / pyodide).symlink_to(sys.argv[2])
        self.source = source / "jupyter-lite.json"
        self.settings = self.output / "jupyter-lite.json"
        self.set(self.settings, url)
        self.addon = addon.WheelfsAddon(LiteManager(lite_dir=source, output_dir=self.output), **traits)

    def warnings(self):
        """A list that gets what the addon warns of."""
        said = []
        self.addon.log.warning = self.addon.log.error = lambda message, *words: said.append(message % words)
        return said

    def set(self, file, url, **options):
        """Sets the kernel's `pyodideUrl`, or nothing, and options of `loadPyodide`."""
        kernel = {"pyodideUrl": url, "loadPyodideOptions": options} if url else {}
        file.write_text(json.dumps({"jupyter-config-data": {"litePluginSettings": {addon.KERNEL: kernel}}}))

    def build(self, enabled=True):
        """Returns which Pyodide the page gets: by wheelfs, else by the kernel's own setting."""
        self.addon.enabled = enabled
        self.addon.put_in_place()
        plugins = json.loads(self.settings.read_text())["jupyter-config-data"]["litePluginSettings"]
        url = plugins[addon.KERNEL].get("pyodideUrl")
        made = self.output / "static/wheelfs/wheelfs.json"
        assert enabled == made.exists() == (url == "./static/wheelfs/pyodide.module.js"), url
        return json.loads(made.read_text())["pyodide"] if enabled else url


# An index that was made elsewhere, as far as the addon looks at it.
given = folder / "given"
given.mkdir()
(given / "wheelfs.idx").touch()
recording.inspect = lambda index: {"pyodide": "0.27.7", "entries": []}

lite = Lite("settings", "./own/pyodide.mjs", index=str(given))
print("built twice:", lite.build(), lite.build(), lite.build(enabled=False))
lite.build()
# JupyterLite writes what is new in the source, and no more.
lite.set(lite.settings, "./other/pyodide.mjs")
print("set anew:", lite.build(), lite.build(), lite.build(enabled=False))
# The output was emptied: to JupyterLite the source's settings are written.
lite.set(lite.source, "./own/pyodide.mjs")
lite.set(lite.settings, None)
print("emptied:", lite.build(), lite.build(enabled=False))
lite.set(lite.source, None)
lite.set(lite.settings, "./static/wheelfs/pyodide.module.js")
print("never set:", lite.build(enabled=False))

# What a kernel brings before Python runs, and what once it does.
for entries in (["kernel", "notebook-x", "package-y"], ["app"]):
    recording.inspect = lambda index: {"pyodide": "0.27.7", "entries": [{"name": name} for name in entries]}
    for background in (True, False):
        lite = Lite(f"{entries[0]}-{background}", "./own/pyodide.mjs", index=str(given), background=background)
        lite.build()
        written = json.loads((lite.output / "static/wheelfs/wheelfs.json").read_text())
        print("brings:", written.get("entry"), written["background"])
recording.inspect = lambda index: {"pyodide": "0.27.7", "entries": []}


def named(*notebooks):
    files = lite.output / "files"
    for notebook in notebooks:
        (files / notebook).parent.mkdir(parents=True, exist_ok=True)
        (files / notebook).touch()
    return {path.relative_to(files).as_posix(): name for name, path in lite.addon._notebooks()}


first = named("data/x.ipynb", "ages.ipynb")
both = named("data-x.ipynb")
more = named("data x.ipynb", "b.ipynb")
print("named:", first["data/x.ipynb"], both["ages.ipynb"], len(set(both.values())), both.items() <= more.items())

cell = json.dumps({"cells": [{"cell_type": "code", "source": "import this"}]})
pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
read = {}
for name, text in (("mark", "\ufeff" + cell), ("empty", ""), ("pointer", pointer), ("list", "[]"), ("text", "{'")):
    notebook = folder / f"{name}.ipynb"
    notebook.write_text(text, encoding="utf-8")
    try:
        read[name] = programs.cells(notebook)
    except errors.WheelfsError as error:
        read[name] = str(notebook) in str(error)
print("read:", read)

# What Pyodide would run is stood in for: a program that never ends, and others that do.
ran = []


def run(arguments, timeout):
    program = arguments[-1].read_text()
    ran.append(program)
    if "while True" in program:
        raise subprocess.TimeoutExpired("prefetch-index", timeout)
    arguments[-2].touch()


recording.prefetch_index = run
recording.build = lambda *arguments: given
lite = Lite("endless", "./own/pyodide.mjs")
endless = json.dumps({"cells": [{"cell_type": "code", "source": "import micropip\nwhile True: pass"}]})
named("endless.ipynb", "empty.ipynb")
(lite.output / "files/endless.ipynb").write_text(endless)
lite.addon._site_wheels = list
said = lite.warnings()
for seconds in (5, 5, 4, 6):
    lite.addon.timeout = seconds
    ran.clear()
    said.clear()
    lite.build()
    again = any("endless did not end" in line and "not run again" in line for line in said)
    empty = any("empty.ipynb is empty" in line for line in said)
    print(f"{seconds} s: {len(ran)} ran, not again: {again}, warned: {empty} {len(said)}")

lite = Lite("traces", "./own/pyodide.mjs", traces=["gone.trace"])
said = lite.warnings()
try:
    lite.build()
except SystemExit:
    print("no trace:", len(said), f"WheelfsAddon.traces: {lite.source.parent / 'gone.trace'} is missing" in said[0])

url = f"http://127.0.0.1:{server.server_port}/cdn"
lock = (pathlib.Path(sys.argv[2]) / "pyodide-lock.json").read_bytes()
lite = Lite("cdn", f"{url}/pyodide.mjs", index=str(given))
said = lite.warnings()
for name, lock_file, whole in (
    ("not fetched", b'{"packages": {}}', {}),
    ("fetched", lock, {"/cdn/pyodide-lock.json": lock}),
    ("kept", lock, {}),
):
    Short.whole = whole
    said.clear()
    assert lite.build() == f"{url}/pyodide.mjs"
    written = (lite.output / "static/wheelfs/pyodide-lock.json").read_bytes() == lock_file
    print(f"{name}:", written, len(said), "is not known" in str(said), "of an earlier build" in str(said))

# Another release at the same URLs: what was downloaded of the runtime is that of the one before.
Short.whole = {"/cdn/pyodide-lock.json": lock}
kept = distribution.Distribution(f"{url}/", f"{url}/pyodide-lock.json", folder / "kept", lite.addon.log)
(kept.folder / "pyodide.asm.wasm").touch()
for name, version in (("the same", "0.27.7"), ("upgraded", "0.28.0.dev0")):
    Short.whole = {"/cdn/pyodide-lock.json": lock.replace(b'"0.27.7"', f'"{version}"'.encode())}
    found = distribution.Distribution(f"{url}/", f"{url}/pyodide-lock.json", folder / "kept", lite.addon.log)
    print(f"{name}:", found.version, (kept.folder / "pyodide.asm.wasm").exists())

# A lock file elsewhere: what it names lies beside it, or with the runtime of an older Pyodide.
for name, version in (("older", "0.27.7"), ("newer", "0.29.5")):
    lite = Lite(name, None, index=str(given))
    lite.set(lite.settings, "./own/pyodide.mjs", lockFileURL="./locks/lock.json")
    (lite.output / "locks").mkdir()
    (lite.output / "locks/lock.json").write_text(json.dumps({"info": {"version": version}, "packages": {}}))
    recording.inspect = lambda index, version=version: {"pyodide": version, "entries": []}
    lite.build()
    print(f"{name}:", json.loads((lite.output / "static/wheelfs/wheelfs.json").read_text())["baseUrl"])
recording.inspect = lambda index: {"pyodide": "0.27.7", "entries": []}

# From the root of the server, where the site may be or not.
lite = Lite("root", "/own/pyodide.mjs", index=str(given))
said = lite.warnings()
print("at the root:", lite.build(), lite.addon._place("/own/") == pathlib.Path(sys.argv[2]).resolve(), len(said))
lite = Lite("below", "/elsewhere/pyodide.mjs", index=str(given))
said = lite.warnings()
print("below it:", lite.build(), len(said), lite.build(enabled=False))
lite.addon.index = None
said.clear()
try:
    lite.build()
except SystemExit:
    print("not there:", len(said), "/elsewhere/, which starts at the root" in said[0], "WheelfsAddon.index" in said[0])
