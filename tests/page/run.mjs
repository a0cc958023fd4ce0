/**
 * One run of a program of `tests/apps`, on a page's main thread or in a worker.
 *
 * Query: `app=NAME`, `packages=A,B` for `loadPackage`, `index=URL`, `base=URL` of the wheels, `blocking` to run it by
 * `runPython`, where no read can suspend, `nojspi` to take JSPI away from an engine that has it.
 *
 * Or `fallback=JSON` of { index, base, how, cases }: what `fallback.mjs` says of these.
 *
 * @typedef {{ output: string, stats: Record<string, number>, suspends: boolean, isolated: boolean,
 *             loaded: Record<string, string>, warnings: string[] }} Run
 */

import { fallback } from "./fallback.mjs";

/** @returns {Promise<Run | import("./fallback.mjs").Outcome[]>} */
export async function run(/** @type {URLSearchParams} */ query) {
  if (query.has("nojspi")) {
    Reflect.deleteProperty(WebAssembly, "Suspending");
    Reflect.deleteProperty(WebAssembly, "promising");
  }
  /** @type {string[]} */ const warnings = [];
  for (const level of /** @type {const} */ (["warn", "error"])) {
    const original = console[level];
    console[level] = (...words) => {
      warnings.push(words.join(" "));
      original.apply(console, words);
    };
  }
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
  const pyodide = await loadPyodide({
    indexURL, stdout,
    ...(base && { packageBaseUrl: base }),
    ...(index && { wheelfs: { index } }),
  });
  const packages = (query.get("packages") ?? "").split(",").filter(Boolean);
  if (packages.length) await pyodide.loadPackage(packages, { messageCallback: () => {} });
  const source = await (await fetch(new URL(`apps/${query.get("app")}.py`, import.meta.url))).text();
  if (query.has("blocking")) pyodide.runPython(source);
  else await pyodide.runPythonAsync(source);
  return {
    output: lines.join("\n"),
    stats: pyodide.wheelfs.stats(),
    suspends: pyodide.wheelfs.suspends,
    isolated: Boolean(globalThis.crossOriginIsolated),
    loaded: { ...pyodide.loadedPackages },
    warnings,
  };
}
