/**
 * wheelfs: Pyodide's `loadPyodide`, with every wheel member visible at once and its bytes brought when Python reads
 * them.
 *
 * @module wheelfs
 */

import { Ahead } from "./ahead.mjs";
import { Backend } from "./backend.mjs";
import { Bridge, canSuspend } from "./bridge.mjs";
import { WheelfsError } from "./error.mjs";
import { compiler } from "./compiler.mjs";
import { Packages } from "./packages.mjs";
import { precompiler } from "./precompiler.mjs";
import { Modules } from "./modules.mjs";
import { WorkerUnpacker, serve } from "./unpacker.mjs";
import { Filesystem, start, unpackHere, withWarmUp } from "./wheelfs.js";

export { WheelfsError };

/**
 * @typedef {object} WheelfsOptions
 * @property {string} [index] URL of a `wheelfs.idx` made by `prefetch-index build`. Without one nothing is predicted:
 *   `loadPackage` mounts the lock file's wheels from their central directories.
 * @property {string} [baseUrl] What the index's archive URLs are relative to. Default: `packageBaseUrl`, else where
 *   this Pyodide looks for packages: beside `lockFileURL` from 0.28 on, else in `indexURL`.
 * @property {string} [entry] The recorded program whose reads are fetched ahead; `""` is none. Default: the index's only one.
 * @property {{rtt?: number, down?: number}} [line] Round trip in milliseconds and rate in Mbit/s that requests are planned
 *   for. Default: 200 and 20.
 * @property {number} [cacheBytes] Budget for decoded members that may be read again. Default: 64 MiB.
 * @property {number} [maxPrefetches] Prefetch requests under way at once. Default: 16, since
 *   the thread that would send the next ones is busy booting.
 * @property {(stats: import("./wheelfs.js").Stats) => void} [progress] Called when bytes have arrived, from before Python
 *   boots: `bytes` of `expectedBytes` are here.
 * @property {boolean} [rest] Bring every other member too, once nothing has arrived for a second: in small requests that
 *   stop while Python waits for anything. They stay in memory, compressed, until they are read. Default: false.
 */

/**
 * @typedef {object} Wheelfs `pyodide.wheelfs`
 * @property {() => import("./wheelfs.js").Stats} stats Counters since the page was loaded.
 * @property {(names?: string[]) => Promise<void>} prefetch Brings what the named groups or entry points of the index
 *   read, or all of them; resolves when it is here.
 * @property {() => string} trace What was read so far, as `prefetch-index build --trace` takes it.
 * @property {(url: string) => Promise<{name: string, version: string, members: number}>} mount Mounts a wheel.
 * @property {boolean} suspends Whether reads suspend Python (JSPI) or block the thread.
 */

/** @typedef {{wheelfs: Wheelfs, [name: string]: any}} Untyped Pyodide's API, of which nothing is known but `wheelfs`. */

const SITE_PACKAGES = 0, SHARED_LIBRARIES = 1, STANDARD_LIBRARY = 2;
/** Where Pyodide's package loader puts shared libraries (`DSO_DIR`), 0.27 to 314. */
const LIBRARY_FOLDER = "/usr/lib";
const BRIDGE = Symbol("wheelfs");

/** In the header of an index (`prefetch-index/src/format.rs`): where the flags are, and that Pyodide boots from the index. */
const FLAGS = 32, BOOTS = 1;

/** @type {Promise<any> | undefined} */ let ready;

/**
 * Pyodide's `loadPyodide` with the option `wheelfs`. Rejects with a {@link WheelfsError} when the index cannot be used.
 *
 * @template [Pyodide=Untyped] The type of Pyodide's API: `PyodideInterface` of the package `pyodide`, where that is
 *   installed.
 * @param {{indexURL?: string, wheelfs?: WheelfsOptions, [option: string]: any}} [options]
 * @returns {Promise<Pyodide & {wheelfs: Wheelfs}>} Pyodide's API.
 */
export async function loadPyodide(options = {}) {
  const { wheelfs: config = {}, packages = [], fsInit, ...rest } = options;
  const inNode = typeof process === "object" && Boolean(process.versions?.node);
  const node = inNode ? await import("./node.mjs") : undefined;
  const toUrl = (/** @type {string} */ path) => absolute(path, node?.pathToFileURL);
  const toFolder = (/** @type {string} */ path) => toUrl(`${path}/`).replace(/\/+$/, "/");
  const indexURL = toFolder(options.indexURL ?? beside(place.url));

  // Runtime, index and this package's module are asked for at once; the wheels' bytes are on their way before Pyodide
  // boots, as soon as the runtime leaves them room.
  const real = importModule(`${indexURL}pyodide.mjs`);
  const { lockFileURL: lock, packageBaseUrl } = options;
  const folder = config.baseUrl ?? packageBaseUrl;
  // Pyodide looks beside the lock file from 0.28 on.
  const isBesideLock = lock && !folder && real.then(({ version }) => parseFloat(version) > 0.27);
  const base = (async () => ((await isBesideLock) ? beside(toUrl(lock)) : toFolder(folder ?? indexURL)))();
  const indexUrl = config.index && toUrl(config.index);
  const index = indexUrl ? readWhole(indexUrl, node?.get) : undefined;
  // Where the index brings the standard library, Pyodide's own archive stays where it is, and is read like a wheel.
  const boots = index?.then((bytes) => !options.stdLibURL && Boolean(/** @type {number} */ (bytes[FLAGS]) & BOOTS));
  const line = node ? openGate : runtimeGate([`${indexURL}pyodide.asm.wasm`, `${indexURL}python_stdlib.zip`]);
  const filesystem = openFilesystem(config, node, index, indexUrl, base, indexURL, line, boots);
  // None of them is awaited yet, and a failure of one must not leave another's unhandled.
  for (const promise of [real, base, filesystem, boots]) promise?.catch(() => {});

  const { loadPyodide: original, version } = await real;
  let refuse = (/** @type {unknown} */ _) => {};
  const refused = new Promise((_, reject) => (refuse = reject));
  const bridge = new Bridge(version, (error) => refuse(error));
  /** @type {Backend | undefined} */ let backend;
  const mount = async (/** @type {any} */ FS, /** @type {{sitePackages: string}} */ info) => {
    line.open();
    const { filesystem: files, builtFor, booted } = await filesystem;
    if (builtFor && builtFor !== version) {
      throw new WheelfsError(
        `${config.index} was built for Pyodide ${builtFor}, this is ${version}: record and build again with \`prefetch-index\``,
        "index",
        String(config.index),
      );
    }
    backend = new Backend(FS, files, bridge);
    backend.graft(info.sitePackages, SITE_PACKAGES);
    backend.graft(LIBRARY_FOLDER, SHARED_LIBRARIES);
    const { standardLibrary } = files;
    if (booted && standardLibrary) {
      backend.graft(standardLibrary, STANDARD_LIBRARY, true);
      // Pyodide 314 looks into its archive only.
      const { ENV } = bridge.module;
      ENV.PYTHONPATH = ENV.PYTHONPATH ? `${standardLibrary}:${ENV.PYTHONPATH}` : standardLibrary;
    }
    bridge.backend = backend;
    await fsInit?.(FS, info);
    await booted;
  };
  const booting = original({
    ...rest,
    ...interceptor(version, bridge, indexURL),
    ...((await boots) && { stdLibURL: node ? node.devNull : new URL("empty.zip", indexUrl).href }),
    indexURL: node?.folder(indexURL) ?? indexURL,
    // What fails here is why there will be no Pyodide: it is not left to boot without its files.
    fsInit: (/** @type {any} */ FS, /** @type {any} */ info) =>
      mount(FS, info).catch((error) => new Promise(() => refuse(error))),
  });
  const pyodide = await Promise.race([refused, booting]);
  const { filesystem: files } = await filesystem;
  if (!backend) {
    throw new WheelfsError(
      `Pyodide ${version} does not call fsInit: use a version of Pyodide from 0.27.5 on`, "pyodide", `pyodide ${version}`,
    );
  }
  bridge.live = true;
  const refreshFinders = prepare(pyodide, bridge, files, backend);
  const shown = backend;
  const refresh = () => {
    shown.refresh();
    refreshFinders();
  };
  refresh();

  const inWorker = compiler(bridge, backend, files, (copy) => install(pyodide, "compiler.py", copy), node?.openWorker);
  backend.making = inWorker.missing;
  backend.onWait = precompiler(bridge, backend, files, inWorker.fill, () => install(pyodide, "precompile.py"));
  inWorker.fill();
  const ahead = canSuspend ? undefined : new Ahead(pyodide, files, bridge);
  const manager = new Packages(pyodide, files, await base, refresh, ahead);
  pyodide.loadPackage = manager.loadPackage.bind(manager);
  pyodide.loadPackagesFromImports = manager.loadPackagesFromImports.bind(manager);
  /** @type {Wheelfs} */
  pyodide.wheelfs = {
    suspends: canSuspend,
    stats: () => files.stats(),
    async prefetch(names) {
      const brought = files.prefetch(names);
      await (ahead ? ahead.load(brought) : brought);
    },
    mount: (url) => manager.mount(toUrl(url)),
    trace: () =>
      files.trace({ wheelfs_trace: 1, pyodide: version, app: globalThis.document?.title ?? "", ...loadedModules(pyodide) }),
  };
  if (globalThis.document && /[?&]wheelfs=record\b/.test(location.search)) {
    (await import("./record.mjs")).offerTrace(pyodide.wheelfs.trace);
  }
  if (packages.length) await pyodide.loadPackage(packages);
  if (config.rest) files.fill();
  return pyodide;
}

/** What the worker that `unpacker.mjs` starts does. @internal */
export function unpackInWorker() {
  serve(start, unpackHere, withWarmUp);
}

/** A module of Pyodide's. @internal */
export async function importModule(/** @type {string} */ url) {
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } catch (error) {
    // Some servers have no type for .mjs (Debian 12's nginx), and a browser then refuses the module. Its text will do.
    const response = url.startsWith("http") ? await fetch(url).catch(() => undefined) : undefined;
    if (!response?.ok || response.headers.get("content-type")?.includes("javascript")) throw error;
    const text = new Blob([await response.arrayBuffer()], { type: "text/javascript" });
    return import(/* webpackIgnore: true */ /* @vite-ignore */ URL.createObjectURL(text));
  }
}

/** The filesystem, its index loaded and its prefetch started. */
async function openFilesystem(
  /** @type {WheelfsOptions} */ config, /** @type {any} */ node, /** @type {Promise<Uint8Array> | undefined} */ index,
  /** @type {string | undefined} */ indexUrl, /** @type {Promise<string>} */ base, /** @type {string} */ runtime,
  /** @type {{opened: Promise<void>, open: () => void}} */ line, /** @type {Promise<boolean> | undefined} */ boots,
) {
  const unpacker = index && !node && typeof Worker !== "undefined" ? new WorkerUnpacker(line.open) : undefined;
  try {
    await loadModule(node?.get);
    unpacker?.adopt(/** @type {WebAssembly.Module} */ (Filesystem.compiledModule()));
    const filesystem = new Filesystem(node?.host, unpacker, config);
    let builtFor = "", booted;
    if (index && indexUrl) {
      builtFor = filesystem.loadIndex(await index, { index: indexUrl, base: await base, runtime });
      if (!filesystem.packs) unpacker?.stop();
      if (await boots) booted = filesystem.bringBoot();
      line.opened.then(() => filesystem.start());
    }
    return { filesystem, builtFor, booted };
  } catch (error) {
    unpacker?.stop();
    throw error;
  }
}

/**
 * Python's version, and the sources of the modules that it has loaded, as paths: those of the standard library in its
 * archive, the others below site-packages.
 *
 * @returns {{python: string, stdlib: string[], modules: string[]}}
 */
function loadedModules(/** @type {any} */ pyodide) {
  const found = install(pyodide, "loaded.py");
  const paths = found.toJs({ dict_converter: Object.fromEntries });
  found.destroy();
  return paths;
}

/** A gate that was never closed. */
const openGate = { opened: Promise.resolve(), open() {} };

/**
 * Opens when the first of these URLs has come, or when told to. Boot is the longest part of the way to the first line
 * of Python and needs all of the runtime: sharing the line with it delays both, and most servers ignore `priority`.
 * Waiting for all would leave the line idle for a round trip.
 */
function runtimeGate(/** @type {string[]} */ urls) {
  let open = () => {};
  const opened = new Promise((/** @type {(value: void) => void} */ resolve) => (open = resolve));
  if (typeof PerformanceObserver === "undefined") open();
  else {
    const observer = new PerformanceObserver((list) => {
      if (list.getEntries().some(({ name }) => urls.includes(name))) open();
    });
    observer.observe({ type: "resource", buffered: true });
    opened.then(() => observer.disconnect());
  }
  return { opened, open };
}

/** The wasm module, once per page. */
function loadModule(/** @type {typeof fetch | undefined} */ get) {
  const whole = async () => WebAssembly.compile(await readWhole(place.wasm.href, get, "is it beside index.js?"));
  ready ??= (get ? whole() : WebAssembly.compileStreaming(fetch(place.wasm)).catch(whole)).then(start);
  // The next call tries again.
  ready.catch(() => (ready = undefined));
  return ready;
}

/** All bytes of a small file. `get`: `fetch`, or what does its work in Node. */
async function readWhole(
  /** @type {string} */ url, /** @type {(url: string) => Promise<Response>} */ get = fetch, remedy = "check the URL in the option `wheelfs`",
) {
  const unreachable = (/** @type {string} */ found, /** @type {string} */ code) =>
    new WheelfsError(`${url}: ${found}: ${remedy}`, code, url);
  let response;
  try {
    response = await get(url);
  } catch (/** @type {any} */ error) {
    throw unreachable(error.message, "unreachable");
  }
  if (!response.ok) throw unreachable(`the server answered ${response.status}`, "status");
  return new Uint8Array(await response.arrayBuffer());
}

/** How to stand between Pyodide and its Emscripten module. 314 has an option for it; before, a global function. */
function interceptor(/** @type {string} */ version, /** @type {Bridge} */ bridge, /** @type {string} */ indexURL) {
  if (!version.startsWith("0.")) {
    const module = importModule(`${indexURL}pyodide.asm.mjs`);
    module.catch(() => {});
    return {
      async createPyodideModule(/** @type {any} */ settings) {
        const [{ default: create }] = await Promise.all([module, ready]);
        return create(bridge.hook(settings));
      },
    };
  }
  divertGlobal(indexURL);
  return { [BRIDGE]: bridge };
}

/** The global function, for all interpreters of a page: it knows none of them, so that none is kept in memory. */
function divertGlobal(/** @type {string} */ indexURL) {
  // Pyodide loads its script only where this function is missing, so it is there from the start; the script, when it
  // has come, finds its own assignment diverted. Pyodide's other downloads wait for neither.
  /** @type {any} */ const scope = globalThis;
  if (!scope._createPyodideModule?.[BRIDGE]) {
    let { _createPyodideModule: create } = scope;
    const script = create ? undefined : import(/* webpackIgnore: true */ /* @vite-ignore */ `${indexURL}pyodide.asm.js`);
    // The next call tries again.
    script?.catch(() => delete scope._createPyodideModule);
    const hooked = async (/** @type {any} */ settings) => {
      await Promise.all([script, ready]);
      return create(settings.API.config[BRIDGE]?.hook(settings) ?? settings);
    };
    hooked[BRIDGE] = true;
    Object.defineProperty(scope, "_createPyodideModule", {
      configurable: true,
      get: () => hooked,
      set: (value) => (create = value),
    });
  }
}

/**
 * Makes Python fit to be suspended: who waits for a lock suspends, the collector leaves suspended stacks alone.
 * Returns what makes importlib look again after a mount.
 */
function prepare(/** @type {any} */ pyodide, /** @type {Bridge} */ bridge, /** @type {Filesystem} */ files, /** @type {Backend} */ backend) {
  const turnstile = () => {
    const turn = { done: false, resolve() {} };
    bridge.turn = new Promise((/** @type {any} */ resolve) => {
      turn.resolve = () => resolve((turn.done = true));
    });
    return turn;
  };
  install(pyodide, "locks.py", turnstile, files.noteImport.bind(files));
  if (bridge.collector) install(pyodide, "collector.py", bridge.collector);
  return install(pyodide, "finders.py", backend.roots[SITE_PACKAGES], new Modules(pyodide.FS, backend));
}

/** Runs a Python source that the module carries, and the function `install` that it defines. */
function install(/** @type {any} */ pyodide, /** @type {string} */ name, /** @type {any[]} */ ...values) {
  const scope = pyodide.globals.get("dict")();
  pyodide.runPython(new TextDecoder().decode(Filesystem.carried(name)), { globals: scope });
  const python = scope.get("install");
  const result = python(...values);
  python.destroy();
  scope.destroy();
  return result;
}

/** The folder that a URL lies in. */
function beside(/** @type {string} */ url) {
  return url.replace(/[^/]*$/, "");
}

/** Pages resolve against themselves; a `blob:` worker, which has no place of its own, against this module. */
function absolute(/** @type {string} */ path, /** @type {((path: string) => URL) | undefined} */ pathToFileURL) {
  if (pathToFileURL) return /^[a-z]+:\/\//i.test(path) ? path : pathToFileURL(path).href + (path.endsWith("/") ? "/" : "");
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  return new URL(path, page && !page.startsWith("blob:") ? page : import.meta.url).href;
}
