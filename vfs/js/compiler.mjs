/**
 * Compiles sources that have arrived before they are imported, in a worker (`vfs/worker/compiler.js`), while Python runs or
 * waits. An import that comes sooner waits for its bytecode.
 */

import { uninterrupted } from "./precompiler.mjs";
import { fromText } from "./unpacker.mjs";
import { Filesystem } from "./wheelfs.js";

/** @typedef {import("./backend.mjs").Backend} Backend */
/** @typedef {import("./bridge.mjs").Bridge} Bridge */
/** @typedef {{source: string, ino: number, length: number}} Source Path, inode, and bytes. */
/** @typedef {Source & {done: Promise<void>, end: (value?: any) => void}} Job */
/**
 * @typedef {object} Thread What is used of a worker.
 * @property {(message: any, transfer?: any) => void} postMessage
 * @property {() => void} terminate
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onerror
 */

/** How many sources the worker has at a time: an import of the last of them waits for all. */
const ROOM = 8;
/** For how many milliseconds an import waits. A worker that was ended for its memory says nothing any more. */
const PATIENCE = 10_000;
/** The most bytes of the interpreter's memory that are copied, twice, to compile a little sooner. */
const LARGEST = 1 << 27;
/** For how many milliseconds the worker is kept when it has nothing to do. */
const KEEP = 5_000;

/**
 * @param {Bridge} bridge
 * @param {Backend} backend
 * @param {Filesystem} filesystem
 * @param {(copy: (magic: number, format: number) => void) => string} install Of `vfs/py/compiler.py`.
 * @param {((text: string) => Thread) | undefined} open Starts a worker where that is no browser's.
 */
export function compiler(bridge, backend, filesystem, install, open = fromText) {
  /** What the worker has, by the path of the bytecode. @type {Map<string, Job>} */ const jobs = new Map();
  /** @type {Thread | undefined} */ let worker;
  /** @type {any} */ let idle;
  let room = ROOM;
  let tag = "";

  /** Gives the worker what it has room for. To be called where Python can be run. */
  function fill() {
    while (jobs.size < room && bridge.module.HEAPU8.length < LARGEST) {
      const [source] = backend.paths(filesystem.nextToPrepare(true));
      if (!source) break;
      send(source);
    }
  }

  function send(/** @type {string} */ source) {
    const { ino, modified } = backend.find(source)?.wheelfs ?? {};
    const bytes = filesystem.bytes(ino);
    if (!bytes) return;
    try {
      if (!worker) start();
    } catch {
      return fail();
    }
    clearTimeout(idle);
    const path = source.replace(/([^/]*)[.]py$/, `__pycache__/$1.${tag}.pyc`);
    /** @type {any} */ const job = { source, ino, length: bytes.length };
    job.done = new Promise((resolve) => (job.end = resolve));
    jobs.set(path, job);
    // A clone would be one of all that the bytes are a part of.
    worker?.postMessage({ path, source, text: bytes.slice(), modified });
  }

  function start() {
    const { interpreter, module: emscripten, program: { module, imports } } = bridge;
    const thread = (worker = open(new TextDecoder().decode(Filesystem.carried("compiler.js"))));
    thread.onmessage = ({ data }) => receive(data);
    thread.onerror = (event) => {
      event.preventDefault();
      fail();
    };
    tag = uninterrupted(emscripten, () =>
      install((magic, format) => {
        const memory = emscripten.HEAPU8.buffer.slice();
        const globals = WebAssembly.Module.imports(module)
          .filter(({ kind }) => kind === "global")
          .map((one) => imports[one.module][one.name].value);
        // Pyodide 314's main module has its own.
        const { __indirect_function_table: table, __stack_pointer: stack } = interpreter.__stack_pointer ? interpreter : imports.env;
        thread.postMessage({ module, memory, globals, table: table.length, stack: stack.value, magic, format }, [memory]);
      }),
    );
  }

  function receive(/** @type {{path: string, bytecode: Uint8Array | undefined}} */ { path, bytecode }) {
    const job = jobs.get(path);
    if (!job) return;
    jobs.delete(path);
    // Who waits goes on when this has returned.
    job.end();
    fill();
    if (!jobs.size) {
      idle = setTimeout(stop, KEEP);
      // Node would not end before.
      idle.unref?.();
    }
    if (bytecode) backend.addBytecode(path, bytecode, job);
  }

  /** There can be no worker here, or no copy of this interpreter. */
  function fail() {
    room = 0;
    stop();
    for (const { end } of jobs.values()) end();
    jobs.clear();
  }

  function stop() {
    worker?.terminate();
    worker = undefined;
  }

  return {
    fill,
    /** A promise for the bytecode at `path`, if it is being made. */
    missing(/** @type {string} */ path) {
      const done = jobs.get(path)?.done;
      const timer = done && setTimeout(fail, PATIENCE);
      return done?.finally(() => clearTimeout(timer));
    },
  };
}
