/**
 * Runs a program of `tests/apps` through wheelfs and leaves what `run` returns in `window.result`.
 *
 * Query: that of `run.mjs`, and `worker` to run it in a module worker.
 */
import { run } from "./run.mjs";

const query = new URLSearchParams(location.search);
if (query.has("worker")) {
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => report(data);
  worker.onerror = ({ message }) => report({ error: message || "the worker did not start" });
  worker.postMessage(location.search);
} else {
  run(query).then(report, (error) => report({ error: String(error?.message ?? error) }));
}

function report(/** @type {object} */ result) {
  Object.assign(window, { result });
}
