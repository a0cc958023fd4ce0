/**
 * What JavaScript does beside a lazy program: interrupts it, reads and writes its files, unpacks and installs into the
 * same site-packages.
 *
 * node interplay.mjs OPTIONS — JSON of { package, indexURL, wheelfs, zip, wheel }: the URL of a zip to unpack, and of a
 * wheel for micropip. Prints what was seen as its last line.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { package: folder, zip, wheel, ...options } = JSON.parse(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);
const pyodide = await loadPyodide(options);
const { FS } = pyodide;
const site = pyodide.runPython("import sysconfig; sysconfig.get_paths()['purelib']");
/** @type {Record<string, unknown>} */ const seen = {};

const interrupt = new Int32Array(new SharedArrayBuffer(4));
pyodide.setInterruptBuffer(interrupt);
// `with`: what is raised where a file is closed by its finalizer, CPython forgets.
const slow = `
with open("${site}/slow/data.bin", "rb") as file:
    size = len(file.read())
size`;
// Pyodide's event loop reports a KeyboardInterrupt a second time, to whom it may concern.
process.on("unhandledRejection", (/** @type {any} */ error) => {
  if (error.type !== "KeyboardInterrupt") throw error;
});
setTimeout(() => (interrupt[0] = 2), 100);
try {
  await pyodide.runPythonAsync(`${slow}\nfor _ in range(100_000_000): pass`);
} catch (/** @type {any} */ error) {
  seen.interrupted = error.type ?? String(error);
}
seen.afterInterrupt = await pyodide.runPythonAsync(slow);

// A lock that nobody is going to release.
setTimeout(() => (interrupt[0] = 2), 100);
try {
  await pyodide.runPythonAsync("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()");
} catch (/** @type {any} */ error) {
  seen.interruptedLock = error.type ?? String(error);
}

const text = (/** @type {Uint8Array} */ bytes) => new TextDecoder().decode(bytes);
seen.readFile = FS.readFile(`${site}/quick/data.bin`).length;
FS.writeFile(`${site}/quick/added.py`, "ADDED = 1\n");
FS.writeFile(`${site}/quick/other.bin`, "overwritten");
seen.writeFile = await pyodide.runPythonAsync(`
import importlib; importlib.invalidate_caches()
from quick.added import ADDED
[ADDED, open("${site}/quick/other.bin").read()]`).then((/** @type {any} */ list) => list.toJs());

pyodide.unpackArchive(await (await fetch(zip)).arrayBuffer(), "zip", { extractDir: site });
seen.unpacked = [text(FS.readFile(`${site}/quick/unpacked.txt`)), FS.readFile(`${site}/quick/data.bin`).length];

await pyodide.loadPackage("micropip", { messageCallback: () => {} });
seen.micropip = await pyodide.runPythonAsync(`
import micropip
await micropip.install("${wheel}")
import plain, importlib.metadata
[plain.NAME, importlib.metadata.version("plain"), "quick" in __import__("os").listdir("${site}")]`)
  .then((/** @type {any} */ list) => list.toJs());

// Python sets a file's time, and removes a package; then the wheel is mounted again.
await pyodide.runPythonAsync(`
import os, shutil
os.utime("${site}/slow/other.bin", (1, 2_000_000_000))
shutil.rmtree("${site}/quick")`);
seen.removed = FS.readdir(site).includes("quick");
const mount = (/** @type {string} */ name) => pyodide.wheelfs.mount(new URL(`${name}-py3-none-any.whl`, options.wheelfs.baseUrl).href);
await mount("quick-1.0");
seen.mountedAgain = await pyodide.runPythonAsync(`
[sorted(os.listdir("${site}/quick")), len(open("${site}/quick/other.bin").read()), os.stat("${site}/slow/other.bin").st_mtime]`)
  .then((/** @type {any} */ list) => list.toJs());

// Another version is mounted while a file is open, another is moved away and a third was written.
await pyodide.runPythonAsync(`
opened = open("${site}/slow/data.bin", "rb", buffering=0)
opened.read(4)
os.rename("${site}/slow/other.bin", "${site}/kept.bin")
for name in ("other.bin", "added.txt"):
    with open(f"${site}/slow/{name}", "w") as file:
        file.write("mine")`);
await mount("slow-2.0");
seen.upgraded = await pyodide.runPythonAsync(`
def whole(path):
    with open(f"${site}/{path}") as file:
        return file.read()
rest, newer, kept = opened.read(5000).decode(), whole("slow/data.bin"), whole("kept.bin")
["".join(set(rest)), len(rest), "".join(set(newer)), len(newer), len(whole("slow/other.bin")), "".join(set(kept)), len(kept), whole("slow/added.txt")]`)
  .then((/** @type {any} */ list) => list.toJs());

// A package is moved away, another of its name mounted, the first removed.
await pyodide.runPythonAsync(`os.rename("${site}/slow", "${site}/before")`);
await mount("slow-2.0");
seen.movedAway = await pyodide.runPythonAsync(`
shutil.rmtree("${site}/before")
[sorted(os.listdir("${site}/slow")), len(whole("slow/data.bin"))]`).then((/** @type {any} */ list) => list.toJs());
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
