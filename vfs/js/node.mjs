/** What Node has no built-in for: ranges of `file:` URLs, and requests that do not return to the event loop. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { devNull } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";

/** @typedef {import("./wheelfs.js").Host} Host */

export { devNull, pathToFileURL };

/** Runs in a worker: answers each request on the port, then wakes the thread that waits on the flag. */
const WORKER = `
const { workerData: { port, flag } } = require("node:worker_threads");
port.on("message", async ({ url, start, end }) => {
  let reply;
  try {
    const headers = end === undefined ? {} : { Range: \`bytes=\${start}-\${end - 1}\` };
    const response = await fetch(url, { headers });
    const contentRange = response.headers.get("content-range") ?? undefined;
    reply = { status: response.status, contentRange, body: new Uint8Array(await response.arrayBuffer()) };
  } catch {
    reply = {};
  }
  port.postMessage(reply);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
});
`;

/** What a worker's text finds in a browser. */
const SCOPE = `
const { parentPort } = require("node:worker_threads");
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
parentPort.on("message", (data) => onmessage({ data }));
`;

/** A worker as a browser has it, that keeps nobody from ending. */
export function openWorker(/** @type {string} */ text) {
  const thread = new Worker(SCOPE + text, { eval: true });
  /** @type {import("./compiler.mjs").Thread} */
  const worker = {
    postMessage: (message, transfer) => thread.postMessage(message, transfer),
    terminate: () => void thread.terminate(),
    onmessage: null,
    onerror: null,
  };
  thread.on("message", (data) => worker.onmessage?.({ data }));
  thread.on("error", () => worker.onerror?.({ preventDefault() {} }));
  thread.unref();
  return worker;
}

/** A folder as Pyodide's Node code takes it: a path, where it is in the filesystem. */
export function folder(/** @type {string} */ url) {
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}

/** `fetch`, for `file:` URLs as well. */
export async function get(/** @type {string} */ url) {
  return url.startsWith("file:") ? new Response(await readFile(fileURLToPath(url))) : fetch(url);
}

/** Longest wait for one blocking request, milliseconds: Python hangs meanwhile. */
const BLOCKING_TIMEOUT = 120_000;

/** @type {{port: import("node:worker_threads").MessagePort, flag: Int32Array} | undefined} */
let worker;

function fetchBlocking(/** @type {string} */ url, /** @type {number | undefined} */ start, /** @type {number | undefined} */ end) {
  if (!worker) {
    const { port1, port2 } = new MessageChannel();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(WORKER, { eval: true, workerData: { port: port2, flag }, transferList: [port2] });
    thread.unref();
    port1.unref();
    worker = { port: port1, flag };
  }
  const { port, flag } = worker;
  Atomics.store(flag, 0, 0);
  port.postMessage({ url, start, end });
  if (Atomics.wait(flag, 0, 0, BLOCKING_TIMEOUT) === "timed-out") {
    worker = undefined;
    throw new Error(`no answer from ${url} after ${BLOCKING_TIMEOUT} ms`);
  }
  const reply = receiveMessageOnPort(port)?.message;
  if (!reply?.status) throw new Error(`no answer from ${url}`);
  return reply;
}

/** @type {Host} */
export const host = {
  async readFile(url, start, end) {
    const file = await open(fileURLToPath(url));
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(end - start), 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  },
  async fileLength(url) {
    return (await stat(fileURLToPath(url))).size;
  },
  readBlocking(url, start, end) {
    if (start === undefined || end === undefined || !url.startsWith("file:")) return fetchBlocking(url, start, end);
    const file = openSync(fileURLToPath(url), "r");
    try {
      const { size } = fstatSync(file);
      const body = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      return { status: 206, body: body.subarray(0, readSync(file, body, 0, body.length, start)) };
    } finally {
      closeSync(file);
    }
  },
};
