/**
 * Runs one app by one strategy, times it, and tells the page around it.
 *
 * Times are milliseconds since this document's navigation began. `window.result` holds the same for a driver.
 *
 * @typedef {{ strategy: string, app: string, output: string, total_ms: number, boot_ms: number, run_ms: number,
 *             requests: number, bytes: number, package_requests: number, package_bytes: number, waits: number }} Result
 * @typedef {{ strategy: string, app: string, error: string }} Failure
 */
import { apps } from "./apps.mjs";

/**
 * The part of Pyodide's interface that a run needs.
 *
 * @typedef {{ loadPackage(names: string[], options?: object): Promise<unknown>,
 *             unpackArchive(archive: ArrayBuffer, format: string, options: object): void,
 *             _api: { loadDynlib(path: string, global: boolean): Promise<void> },
 *             runPythonAsync(source: string): Promise<unknown>,
 *             wheelfs?: { stats(): { requests: number, bytes: number, waits: number } } }} Pyodide
 * @typedef {(options: object) => Promise<Pyodide>} LoadPyodide
 */

const indexURL = new URL("/pyodide/", location.href).href;

/**
 * Each boots, says so, and gets the app's packages ready in its own way. `clock.untimed` takes what does not count.
 *
 * @type {Record<string, (packages: string[], app: string, options: object, booted: () => void, clock: {untimed: number}) => Promise<Pyodide>>}
 */
const strategies = {
  /** The best eager page: packages arrive while the interpreter boots. */
  async eager(packages, app, options, booted) {
    const loadPyodide = await loader("/pyodide/pyodide.mjs");
    const pyodide = await loadPyodide({ ...options, packages });
    booted();
    return pyodide;
  },

  /** What the documentation shows: one after the other. */
  async "eager-seq"(packages, app, options, booted) {
    const loadPyodide = await loader("/pyodide/pyodide.mjs");
    const pyodide = await loadPyodide(options);
    booted();
    await pyodide.loadPackage(packages, { messageCallback: () => {} });
    return pyodide;
  },

  /** Lazy without prediction: every read of a file is a round trip. */
  async naive(packages, app, options, booted) {
    const loadPyodide = await loader("/wheelfs/index.js");
    const pyodide = await loadPyodide({ ...options, wheelfs: {} });
    booted();
    await pyodide.loadPackage(packages, { messageCallback: () => {} });
    return pyodide;
  },

  /** What pyodide-pack ships: one zip of just the files that the app reads, unpacked before it runs. */
  async bundle(packages, app, options, booted) {
    const zip = fetch(`/index/${app}/bundle.zip`).then((response) => response.arrayBuffer());
    const loadPyodide = await loader("/pyodide/pyodide.mjs");
    const pyodide = await loadPyodide(options);
    booted();
    pyodide.unpackArchive(await zip, "zip", { extractDir: "/" });
    const libraries = await fetch(`/index/${app}/bundle.json`);
    for (const library of await libraries.json()) await pyodide._api.loadDynlib(library, false);
    return pyodide;
  },

  /** Lazy with an access-order index over the unmodified wheels. */
  ranges: (packages, app, options, booted) => lazy(`/index/${app}/wheelfs.idx`, options, booted),

  /** The same, what the app reads packed, Python compiled, and the standard library cut to what is used. */
  pack: (packages, app, options, booted) => lazy(`/index/${app}/pack/wheelfs.idx`, options, booted),

  /** The same without docstrings and columns. */
  "pack-slim": (packages, app, options, booted) => lazy(`/index/${app}/slim/wheelfs.idx`, options, booted),

  /** No line and no filesystem: what the processor needs when every byte is here, compiled Python in memory. */
  async memfs(packages, app, options, booted, clock) {
    const blob = async (/** @type {string} */ url) => (await fetch(url)).blob();
    const [zip, stdlib] = await Promise.all([blob(`/index/${app}/memfs.zip`), blob(`/index/${app}/pack/python_stdlib.zip`)]);
    const bytes = await zip.arrayBuffer();
    clock.untimed = performance.now();
    const loadPyodide = await loader("/pyodide/pyodide.mjs");
    const pyodide = await loadPyodide({ ...options, stdLibURL: URL.createObjectURL(stdlib) });
    booted();
    const unpacking = performance.now();
    pyodide.unpackArchive(bytes, "zip", { extractDir: "/" });
    clock.untimed += performance.now() - unpacking;
    return pyodide;
  },
};

/**
 * @param {string} path of the index
 * @param {object} options
 * @param {() => void} booted
 */
async function lazy(path, options, booted) {
  const loadPyodide = await loader("/wheelfs/index.js");
  const pyodide = await loadPyodide({ ...options, wheelfs: { index: new URL(path, location.href).href } });
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
  if (!apps[app]) throw new Error(`no app "${app}": one of ${Object.keys(apps).join(", ")}`);
  const source = fetch(`/apps/${app}.py`).then((response) => response.text());

  /** @type {string[]} */
  const lines = [];
  const options = { indexURL, stdout: (/** @type {string} */ line) => lines.push(line) };
  const clock = { untimed: 0 };
  let boot = 0;
  const pyodide = await start(apps[app].packages, app, options, () => (boot = performance.now() - clock.untimed), clock);
  await pyodide.runPythonAsync(await source);
  const total = performance.now() - clock.untimed;

  const resources = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  const packages = resources.filter(({ name }) => ofPackage(new URL(name).pathname));
  const sum = (/** @type {PerformanceResourceTiming[]} */ entries) =>
    entries.reduce((bytes, { encodedBodySize }) => bytes + encodedBodySize, 0);
  const others = resources.filter((resource) => !packages.includes(resource));
  // What wheelfs' worker asks for is not among this document's resources.
  const lazily = pyodide.wheelfs?.stats();
  const [package_requests, package_bytes] = lazily ? [lazily.requests, lazily.bytes] : [packages.length, sum(packages)];
  return {
    strategy,
    app,
    output: lines.join("\n"),
    total_ms: total,
    boot_ms: boot,
    run_ms: total - boot,
    requests: others.length + package_requests,
    bytes: sum(others) + package_bytes,
    package_requests,
    package_bytes,
    waits: lazily?.waits ?? 0,
  };
}

/**
 * @param {string} url of a module shaped like pyodide.mjs
 * @returns {Promise<LoadPyodide>}
 */
async function loader(url) {
  const module = await import(url);
  return module.loadPyodide;
}

/** @param {string} path */
function ofPackage(path) {
  return /\.(whl|zip|pack)$/.test(path) && !path.endsWith("/python_stdlib.zip");
}

/** @param {Result | Failure} result */
function report(result) {
  Object.assign(window, { result });
  if (parent !== window) parent.postMessage(result, location.origin);
}
