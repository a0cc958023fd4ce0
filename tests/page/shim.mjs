/**
 * Loads Pyodide by the stand-in's URL alone and leaves { version, output, requests, blockingRequests, loaded, isolated } in `window.result`.
 *
 * ?shim=URL of its folder&how=module|script|module-worker|blob-worker|classic-worker&options=JSON for loadPyodide
 */
const query = new URLSearchParams(location.search);
const shim = new URL(query.get("shim") ?? "", location.href).href;
const options = JSON.parse(query.get("options") ?? "{}");
const how = query.get("how");

/** Runs in a page or a worker. `find` gives Pyodide's exports. */
const program = `
async ({ loadPyodide, version }, options) => {
  const lines = [];
  const pyodide = await loadPyodide({ ...options, stdout: (line) => lines.push(line) });
  await pyodide.runPythonAsync(
    "import dateutil.parser, importlib.metadata\\n" +
    "print(dateutil.parser.parse('2 Jan 2026').year, importlib.metadata.version('six'))"
  );
  const { requests, blockingRequests } = pyodide.wheelfs.stats();
  return { version: version ?? pyodide.version, output: lines.join(), requests, blockingRequests, loaded: pyodide.loadedPackages.six, isolated: crossOriginIsolated };
}`;
const inWorker = `
const answer = (result) => self.postMessage(result);
const fail = (error) => self.postMessage({ error: String(error?.message ?? error) });
const run = ${program};`;
const asModule = `${inWorker}
import(${JSON.stringify(`${shim}pyodide.mjs`)}).then((exports) => run(exports, ${JSON.stringify(options)})).then(answer, fail);`;
const asScript = `${inWorker}
importScripts(${JSON.stringify(`${shim}pyodide.js`)});
run(self, ${JSON.stringify(options)}).then(answer, fail);`;

start().then(
  (result) => Object.assign(window, { result }),
  (error) => Object.assign(window, { result: { error: String(error?.message ?? error) } }),
);

async function start() {
  const run = (0, eval)(program);
  switch (how) {
    case "module":
      return run(await import(`${shim}pyodide.mjs`), options);
    case "script":
      await new Promise((resolve, reject) => {
        const script = Object.assign(document.createElement("script"), { src: `${shim}pyodide.js` });
        script.addEventListener("load", resolve);
        script.addEventListener("error", () => reject(new Error(`${script.src} does not load`)));
        document.head.append(script);
      });
      return run(window, options);
    case "module-worker":
      return work(`data:text/javascript,${encodeURIComponent(asModule)}`, "module");
    case "blob-worker":
      return work(URL.createObjectURL(new Blob([asModule], { type: "text/javascript" })), "module");
    case "classic-worker":
      return work(URL.createObjectURL(new Blob([asScript], { type: "text/javascript" })), "classic");
    default:
      throw new Error(`no way "${how}"`);
  }
}

function work(/** @type {string} */ url, /** @type {WorkerType} */ type) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(url, { type });
    worker.addEventListener("message", ({ data }) => resolve(data));
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
  });
}
