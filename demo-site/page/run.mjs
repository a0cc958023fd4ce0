/**
 * Runs one app by one strategy, times it, and tells the page around it.
 *
 * Times are milliseconds since this document's navigation began. `window.result` holds the same for a driver.
 *
 * @typedef {{ strategy: string, app: string, output: string, total_ms: number, boot_ms: number, run_ms: number,
 *             requests: number, bytes: number, package_requests: number, package_bytes: number }} Result
 * @typedef {{ strategy: string, app: string, error: string }} Failure
 */
import { apps } from "./apps.mjs";

/**
 * The part of Pyodide's interface that a run needs.
 *
 * @typedef {{ loadPackage(names: string[], options?: object): Promise<unknown>,
 *             runPythonAsync(source: string): Promise<unknown> }} Pyodide
 * @typedef {(options: object) => Promise<Pyodide>} LoadPyodide
 */

const indexURL = new URL("/pyodide/", location.href).href;

/**
 * Each boots, says so, and gets the app's packages ready in its own way.
 *
 * @type {Record<string, (packages: string[], app: string, options: object, booted: () => void) => Promise<Pyodide>>}
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

  /** Lazy with an access-order index over the unmodified wheels. */
  async ranges(packages, app, options, booted) {
    const loadPyodide = await loader("/wheelfs/index.js");
    const index = new URL(`/index/${app}/wheelfs.idx`, location.href).href;
    const pyodide = await loadPyodide({ ...options, wheelfs: { index } });
    booted();
    return pyodide;
  },
};

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
  let boot = 0;
  const pyodide = await start(apps[app].packages, app, options, () => (boot = performance.now()));
  await pyodide.runPythonAsync(await source);
  const total = performance.now();

  const resources = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  const packages = resources.filter(({ name }) => ofPackage(new URL(name).pathname));
  const sum = (/** @type {PerformanceResourceTiming[]} */ entries) =>
    entries.reduce((bytes, { encodedBodySize }) => bytes + encodedBodySize, 0);
  return {
    strategy,
    app,
    output: lines.join("\n"),
    total_ms: total,
    boot_ms: boot,
    run_ms: total - boot,
    requests: resources.length,
    bytes: sum(resources),
    package_requests: packages.length,
    package_bytes: sum(packages),
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
