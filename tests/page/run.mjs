/**
 * One run of a program of `tests/apps`, or of several at once, on a page's main thread or in a worker.
 *
 * Query: `app=NAME` for each, `packages=A,B` for `loadPackage`, `imports` for `loadPackagesFromImports`, `prefetch` to
 * wait for all of the index, `index=URL`, `entry=NAME` of it, `base=URL` of the wheels, `blocking` to run it by
 * `runPython`, where no read can suspend, `nojspi` to take JSPI away from an engine that has it, `silent` to have workers
 * that say nothing, `policy=SOURCES` to allow them only from there.
 *
 * Or `fallback=JSON` of { index, base, how, cases }: what `fallback.mjs` says of these.
 *
 * @typedef {{ output: string, stats: Record<string, number>, suspends: boolean, isolated: boolean,
 *             loaded: Record<string, string>, progress: [number, number][], warnings: string[] }} Run
 */

import { listen } from "./console.mjs";
import { fallback } from "./fallback.mjs";

class Silent extends EventTarget {
  postMessage() {}
  terminate() {}
}

/** What a run is at, for whoever waits for its result in vain. */
function at(/** @type {string} */ what) {
  Object.assign(globalThis, { at: `${what}, since ${Math.round(performance.now())} ms` });
}

/** @returns {Promise<Run | import("./fallback.mjs").Outcome[]>} */
export async function run(/** @type {URLSearchParams} */ query) {
  at("loading Pyodide");
  if (query.has("nojspi")) {
    Reflect.deleteProperty(WebAssembly, "Suspending");
    Reflect.deleteProperty(WebAssembly, "promising");
  }
  if (query.has("silent")) globalThis.Worker = /** @type {any} */ (Silent);
  if (query.has("policy")) {
    const policy = { httpEquiv: "Content-Security-Policy", content: `worker-src ${query.get("policy")}` };
    document.head.append(Object.assign(document.createElement("meta"), policy));
  }
  const warnings = listen();
  const { loadPyodide } = await import(/** @type {string} */ ("/wheelfs/index.js"));
  if (query.has("fallback")) {
    const { index, base: baseUrl, how, cases } = JSON.parse(query.get("fallback") ?? "");
    const wheelfs = how === "mount" ? {} : { index, baseUrl };
    return fallback(await loadPyodide({ indexURL: "/pyodide/", wheelfs }), cases, how);
  }
  /** @type {string[]} */ const lines = [];
  const stdout = (/** @type {string} */ line) => lines.push(line);
  const indexURL = "/pyodide/";
  const base = query.get("base");
  const index = query.get("index");
  const entry = query.get("entry") ?? undefined;
  /** @type {[number, number][]} */ const told = [];
  const progress = (/** @type {any} */ { bytes, expectedBytes }) => void told.push([bytes, expectedBytes]);
  const pyodide = await loadPyodide({
    indexURL, stdout,
    ...(base && { packageBaseUrl: base }),
    ...(index && { wheelfs: { index, entry, progress } }),
  });
  at("loading packages");
  Object.assign(globalThis, { stats: () => pyodide.wheelfs.stats() });
  const packages = (query.get("packages") ?? "").split(",").filter(Boolean);
  const quiet = { messageCallback: () => {} };
  if (packages.length) await pyodide.loadPackage(packages, quiet);
  at("fetching the programs");
  const sources = await Promise.all(
    query.getAll("app").map(async (app) => (await fetch(new URL(`apps/${app}.py`, import.meta.url))).text()),
  );
  at("bringing what they import");
  if (query.has("imports")) await pyodide.loadPackagesFromImports(sources.join("\n"), quiet);
  if (query.has("prefetch")) await pyodide.wheelfs.prefetch();
  at("running the programs");
  if (query.has("blocking")) sources.forEach((source) => pyodide.runPython(source));
  else await Promise.all(sources.map((source) => pyodide.runPythonAsync(source)));
  return {
    output: lines.join("\n"),
    stats: pyodide.wheelfs.stats(),
    suspends: pyodide.wheelfs.suspends,
    isolated: Boolean(globalThis.crossOriginIsolated),
    loaded: { ...pyodide.loadedPackages },
    progress: told,
    warnings,
  };
}
