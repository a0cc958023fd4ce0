/**
 * Lets wheelfs' worker unpack a pack.
 *
 * Query: `job`, URL of what the worker is told; `resume`: when files that programs read are there, say that the others
 * need not wait. Leaves in `window.result` { files: numbers in the order they came, held: milliseconds between the last file
 * that programs read and the next one, outcome: what went wrong }.
 */
const query = new URLSearchParams(location.search);
const { id, lengths, ...job } = await (await fetch(query.get("job") ?? "")).json();
const files = /** @type {number[]} */ ([]);
let read = 0, held = 0;

const worker = new Worker("/wheelfs/worker.js", { type: "module" });
worker.onerror = ({ message }) => Object.assign(window, { result: { error: message } });
worker.onmessage = ({ data }) => {
  if (!data) return;
  if ("outcome" in data) Object.assign(window, { result: { files, held, outcome: data.outcome ?? null } });
  for (const { file } of data.unpacked ?? []) {
    if (files.length === job.read) held = performance.now() - read;
    if (files.push(file) !== job.read) continue;
    read = performance.now();
    if (query.has("resume")) worker.postMessage({ resume: true });
  }
};
worker.postMessage(await WebAssembly.compileStreaming(fetch("/wheelfs/wheelfs_bg.wasm")));
worker.postMessage({ ...job, number: 0, id: new Uint8Array(id), lengths: new Float64Array(lengths) });
