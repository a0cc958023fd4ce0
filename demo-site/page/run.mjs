/**
 * Runs one app by one strategy, times it, and tells the page around it.
 *
 * Times are milliseconds since this document's navigation began. `window.result` holds the same for a driver.
 *
 * Query: `strategy`, `app`; `index=APP`, to use the index of another app's reads; `notice=PACKAGE`, to leave in
 * `window.firstLine` that the first line of a package has run.
 *
 * - `boot_ms`: until `loadPyodide` resolves; `run_ms`: from there to the output; `load_ms`: the part of `run_ms` before the
 *   program's first line, when packages are loaded after the boot; `import_ms`: its part from there to the end of the
 *   program's imports, 0 for a program of the visitor's, whose parts nobody knows.
 * - `requests`, `bytes`: all of them; `package_requests`, `package_bytes`: those for wheels, archives and packs; encoded bodies.
 * - `cached`: responses that came from the browser's cache, not from the server.
 * - `unlisted`: requests of wheelfs' worker, which are not among a document's resources. `entries` has all others.
 * - `file_bytes`: content of files held in JavaScript's memory, by Emscripten's file system or by wheelfs.
 * - `heap_bytes`: size of the interpreter's WebAssembly memory.
 * - `picture`: data URL of the PNG that the program leaves in a variable `png`.
 *
 * @typedef {{ strategy: string, app: string, pyodide: string, protocol: string, output: string, picture?: string,
 *             total_ms: number, boot_ms: number, load_ms: number, import_ms: number, run_ms: number,
 *             requests: number, bytes: number, package_requests: number, package_bytes: number, cached: number,
 *             unlisted: number, waits: number, file_bytes: number, heap_bytes: number, entries: Entry[] }} Result
 * @typedef {{ strategy: string, app: string, error: string }} Failure
 * @typedef {import("./requests.mjs").Entry} Entry
 */
import { apps, OWN, snippet } from "./apps.mjs";
import { entriesOf } from "./requests.mjs";

/**
 * The part of Pyodide's interface that a run needs.
 *
 * @typedef {{ contents?: any, isFolder?: boolean, wheelfs?: object }} FileNode of Emscripten's MEMFS
 * @typedef {{ bytes: number, requests: number, waits: number, cachedBytes: number, waitingBytes: number }} Stats
 * @typedef {{ version: string, FS: { root: FileNode, isDir(mode: number): boolean },
 *             _module: { HEAPU8: Uint8Array }, globals: { get(name: string): any },
 *             loadPackage(names: string[], options?: object): Promise<unknown>,
 *             unpackArchive(archive: ArrayBuffer, format: string, options: object): void,
 *             _api: { loadDynlib(path: string, global: boolean): Promise<void> },
 *             runPython(source: string): unknown, runPythonAsync(source: string): Promise<unknown>,
 *             wheelfs?: { stats(): Stats } }} Pyodide
 * @typedef {(options: object) => Promise<Pyodide>} LoadPyodide
 */

/** The page lies beside the folders it uses, wherever a host has put them. @param {string} path */
const beside = (path) => new URL(path, location.href).href;
const indexURL = beside("pyodide/");

/**
 * Each boots, says so, and gets the app's packages ready in its own way. `app`: whose index is used. `clock.untimed` takes
 * what does not count.
 *
 * @type {Record<string, (packages: string[], app: string, options: object, booted: () => void, clock: {untimed: number}) => Promise<Pyodide>>}
 */
const strategies = {
  /** The best eager page: packages arrive while the interpreter boots. */
  async eager(packages, app, options, booted) {
    const loadPyodide = await loader("pyodide/pyodide.mjs");
    const pyodide = await loadPyodide({ ...options, packages });
    booted();
    return pyodide;
  },

  /** What the documentation shows: one after the other. */
  async "eager-seq"(packages, app, options, booted) {
    const loadPyodide = await loader("pyodide/pyodide.mjs");
    const pyodide = await loadPyodide(options);
    booted();
    await pyodide.loadPackage(packages, { messageCallback: () => {} });
    return pyodide;
  },

  /** Lazy without prediction: every read of a file is a round trip. */
  async naive(packages, app, options, booted) {
    const loadPyodide = await loader("wheelfs/index.js");
    const pyodide = await loadPyodide({ ...options, wheelfs: {} });
    booted();
    await pyodide.loadPackage(packages, { messageCallback: () => {} });
    return pyodide;
  },

  /** What pyodide-pack ships: one zip of just the files that the app reads, unpacked before it runs. */
  async bundle(packages, app, options, booted) {
    const zip = fetch(`index/${app}/bundle.zip`).then((response) => response.arrayBuffer());
    const loadPyodide = await loader("pyodide/pyodide.mjs");
    const pyodide = await loadPyodide(options);
    booted();
    pyodide.unpackArchive(await zip, "zip", { extractDir: "/" });
    const libraries = await fetch(`index/${app}/bundle.json`);
    for (const library of await libraries.json()) await pyodide._api.loadDynlib(library, false);
    return pyodide;
  },

  /** Lazy with an access-order index over the unmodified wheels; the standard library as a pack of what is used. */
  ranges: (packages, app, options, booted) => lazy(`index/${app}/wheelfs.idx`, options, booted),

  /** The same, what the app reads packed and Python compiled. */
  pack: (packages, app, options, booted) => lazy(`index/${app}/pack/wheelfs.idx`, options, booted),

  /** `ranges`, and after the program's imports everything else, before the program goes on. */
  rest: (packages, app, options, booted) => lazy(`index/${app}/wheelfs.idx`, options, booted, { rest: true }),

  /** `pack` without docstrings and columns. */
  "pack-slim": (packages, app, options, booted) => lazy(`index/${app}/slim/wheelfs.idx`, options, booted),

  /** No line and no filesystem: what the processor needs when every byte is here, compiled Python in memory. */
  async memfs(packages, app, options, booted, clock) {
    const answers = await Promise.all(["json", "bin"].map((type) => fetch(`index/${app}/memfs.${type}`)));
    /** @type {[string, number][]} */ const files = await answers[0]?.json();
    const bytes = new Uint8Array(await /** @type {Response} */ (answers[1]).arrayBuffer());
    clock.untimed = performance.now();
    const fsInit = (/** @type {any} */ FS) => {
      const writing = performance.now();
      let end = 0;
      for (const [path, length] of files) {
        FS.mkdirTree(path.replace(/[/][^/]*$/, ""));
        FS.writeFile(path, bytes.subarray(end, (end += length)));
      }
      clock.untimed += performance.now() - writing;
    };
    const loadPyodide = await loader("pyodide/pyodide.mjs");
    // Pyodide 314 looks for modules in the archive only.
    const library = files.find(([path]) => path.endsWith("/encodings/__init__.py"))?.[0].split("/encodings/")[0];
    const env = { PYTHONPATH: library ?? "" };
    const pyodide = await loadPyodide({ ...options, env, fsInit, stdLibURL: beside(`index/${app}/pack/empty.zip`) });
    for (const [path] of files) if (path.startsWith("/usr/lib/")) await pyodide._api.loadDynlib(path, true);
    booted();
    return pyodide;
  },
};

/**
 * @param {string} path of the index
 * @param {object} options
 * @param {() => void} booted
 * @param {object} [more] options of wheelfs
 */
async function lazy(path, options, booted, more) {
  const loadPyodide = await loader("wheelfs/index.js");
  const pyodide = await loadPyodide({ ...options, wheelfs: { index: beside(path), ...more } });
  booted();
  return pyodide;
}

const query = new URLSearchParams(location.search);
const strategy = query.get("strategy") ?? "";
const app = query.get("app") ?? "";

run().then(report, (error) => report({ strategy, app, error: String(error?.message ?? error) }));

/** @returns {Promise<Result>} */
async function run() {
  const start = strategies[strategy];
  if (!start) throw new Error(`no strategy "${strategy}": one of ${Object.keys(strategies).join(", ")}`);
  if (!apps[app] && app !== OWN) throw new Error(`no app "${app}": one of ${[...Object.keys(apps), OWN].join(", ")}`);
  const { packages, source } = app === OWN ? snippet() : { ...apps[app], source: text(`apps/${app}.py`) };

  /** @type {string[]} */
  const lines = [];
  const options = { indexURL, stdout: (/** @type {string} */ line) => lines.push(line) };
  const clock = { untimed: 0 };
  // Whole milliseconds, so that table, file and link show the same.
  const now = () => Math.round(performance.now() - clock.untimed);
  let boot = 0;
  const pyodide = await start(packages, query.get("index") ?? app, options, () => (boot = now()), clock);
  const noticed = query.get("notice");
  if (noticed) notice(pyodide, noticed);
  const loaded = now();
  const [imports, program] = app === OWN ? ["", await source] : inParts(await source);
  if (imports) await pyodide.runPythonAsync(imports);
  const imported = now();
  if (strategy === "rest") clock.untimed += await restHasCome(pyodide);
  await pyodide.runPythonAsync(program);
  const total = now();

  // Nothing from here on is timed.
  const entries = entriesOf(performance);
  const ofPackages = entries.filter(({ kind }) => kind === "package");
  const bytes = (/** @type {Entry[]} */ some) => some.reduce((sum, { bytes }) => sum + bytes, 0);
  const lazily = pyodide.wheelfs?.stats();
  // wheelfs brings the standard library as well, which is no package.
  const brought = lazily ? entries.filter(({ kind, name }) => kind === "package" || name.startsWith("python_stdlib.")) : [];
  const unlisted = Math.max(0, (lazily?.requests ?? 0) - brought.length);
  const unlisted_bytes = Math.max(0, (lazily?.bytes ?? 0) - bytes(brought));
  const package_requests = ofPackages.length + unlisted;
  const package_bytes = bytes(ofPackages) + unlisted_bytes;
  return {
    strategy,
    app,
    pyodide: pyodide.version,
    protocol: entries.find(({ kind }) => kind === "runtime")?.protocol ?? "",
    output: lines.join("\n"),
    picture: pictureIn(pyodide),
    total_ms: total,
    boot_ms: boot,
    load_ms: loaded - boot,
    import_ms: imported - loaded,
    run_ms: total - boot,
    requests: entries.length + unlisted,
    bytes: bytes(entries) + unlisted_bytes,
    package_requests,
    package_bytes,
    cached: entries.filter(({ cached }) => cached).length,
    unlisted,
    waits: lazily?.waits ?? 0,
    file_bytes: held(pyodide.FS.root) + (lazily ? lazily.cachedBytes + lazily.waitingBytes : 0),
    heap_bytes: pyodide._module.HEAPU8.byteLength,
    entries,
  };
}

/**
 * A program up to its last import, and what comes after it. The apps are written so that this is possible.
 *
 * @param {string} source
 * @returns {[string, string]}
 */
function inParts(source) {
  const lines = source.split("\n");
  const last = lines.findLastIndex((line) => /^(import|from) /.test(line));
  return [lines.slice(0, last + 1).join("\n"), lines.slice(last + 1).join("\n")];
}

/** How long nothing has to arrive until all has: wheelfs begins with the rest after a second or two without. */
const SILENCE = 4000;

/**
 * Waits until the rest is here.
 *
 * @param {Pyodide} pyodide
 * @returns {Promise<number>} milliseconds of the wait after the last byte, which nobody but this page has to wait
 */
async function restHasCome(pyodide) {
  const received = () => pyodide.wheelfs?.stats().bytes;
  let last = performance.now();
  for (let before = received(); performance.now() - last < SILENCE; before = received()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (received() !== before) last = performance.now();
  }
  return performance.now() - last;
}

/** Says when the first line of a package runs. @param {Pyodide} pyodide @param {string} name of the package */
function notice(pyodide, name) {
  pyodide.runPython(`
def notice():
    import js, sys
    def first_line(event, arguments):
        if event == "exec" and arguments[0].co_filename.endswith("/${name}/__init__.py"):
            js.window.firstLine = True
    sys.addaudithook(first_line)
notice()`);
}

/** @param {string} path */
async function text(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: status ${response.status}, where the program should be`);
  return response.text();
}

/**
 * Bytes of the files that Emscripten's file system itself holds under a folder.
 *
 * @param {FileNode} folder
 * @returns {number}
 */
function held(folder) {
  return Object.values(folder.contents).reduce((sum, /** @type {any} */ node) => {
    if (node.mounted && node.mounted !== node || !node.contents) return sum;
    return sum + (ArrayBuffer.isView(node.contents) ? node.contents.byteLength : node.isFolder ? held(node) : 0);
  }, 0);
}

/** @param {Pyodide} pyodide */
function pictureIn(pyodide) {
  const png = pyodide.globals.get("png")?.getvalue?.().toJs?.();
  if (!(png instanceof Uint8Array)) return undefined;
  return `data:image/png;base64,${btoa(Array.from(png, (byte) => String.fromCharCode(byte)).join(""))}`;
}

/**
 * @param {string} path of a module shaped like pyodide.mjs
 * @returns {Promise<LoadPyodide>}
 */
async function loader(path) {
  const module = await import(beside(path));
  return module.loadPyodide;
}

/** @param {Result | Failure} result */
function report(result) {
  Object.assign(window, { result });
  if (parent !== window) parent.postMessage(result, location.origin);
}
