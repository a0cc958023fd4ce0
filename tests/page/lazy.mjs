/**
 * Runs a program of `tests/apps` through wheelfs on this page's main thread, and leaves { output, stats } in
 * `window.result`.
 *
 * ?app=NAME&packages=A,B — and `&blocking` to run it by `runPython`, where no read can suspend; `&index=URL&entry=NAME`
 * for an index.
 */
const query = new URLSearchParams(location.search);
run().then(report, (error) => report({ error: String(error?.message ?? error) }));

async function run() {
  const { loadPyodide } = await import(/** @type {string} */ ("/wheelfs/index.js"));
  /** @type {string[]} */
  const lines = [];
  const stdout = (/** @type {string} */ line) => lines.push(line);
  const wheelfs = { index: query.get("index") ?? undefined, entry: query.get("entry") ?? undefined };
  const pyodide = await loadPyodide({ indexURL: "/pyodide/", stdout, wheelfs });
  await pyodide.loadPackage((query.get("packages") ?? "").split(","));
  const source = await (await fetch(`/tests/apps/${query.get("app")}.py`)).text();
  if (query.has("blocking")) pyodide.runPython(source);
  else await pyodide.runPythonAsync(source);
  return { output: lines.join("\n"), stats: pyodide.wheelfs.stats() };
}

function report(/** @type {object} */ result) {
  Object.assign(window, { result });
}
