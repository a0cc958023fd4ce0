/**
 * What an import will need is done while it waits: libraries that have arrived are linked, and sources compiled that the
 * worker (`compiler.mjs`) has no room for.
 *
 * A wheel's files lie in another order than Python reads them in. While one is waited for, many that are read later are
 * here, and the thread has nothing to do.
 */

/** @typedef {import("./backend.mjs").Backend} Backend */
/** @typedef {import("./bridge.mjs").Bridge} Bridge */
/** @typedef {import("./wheelfs.js").Filesystem} Filesystem */
/** @typedef {(path: string, source: Uint8Array) => string | undefined} Compile */

/** For how many milliseconds the thread is kept from what arrives meanwhile: half a frame. One library or source may take longer. */
const SLICE = 8;

/**
 * @param {Bridge} bridge
 * @param {Backend} backend
 * @param {Filesystem} filesystem
 * @param {() => void} fill Gives sources to the worker, which come first.
 * @param {() => Compile} install Makes `precompile` of `vfs/py/precompile.py`, when there is something to compile.
 * @returns {(promise: Promise<any>) => void} The backend's `onWait`.
 */
export function precompiler(bridge, backend, filesystem, fill, install) {
  /** @type {Compile | undefined} */ let compile;
  let waits = 0;
  let runs = false;

  async function run() {
    runs = true;
    let began = -Infinity;
    for (;;) {
      // A task of its own: what has arrived comes first, and may be what is waited for. And the stack that waits, which the
      // first time is still running, has been suspended.
      if (performance.now() - began > SLICE) {
        await turn();
        began = performance.now();
      }
      if (!waits) break;
      fill();
      const [path] = backend.paths(filesystem.nextToPrepare(false));
      if (path) await prepare(path);
      else await filesystem.arrival();
    }
    runs = false;
  }

  /** What fails is the import's to report. */
  async function prepare(/** @type {string} */ path) {
    const { libraries, module } = bridge;
    const ino = backend.find(path)?.wheelfs?.ino;
    if (ino === undefined) return;
    if (!path.endsWith(".py")) return libraries?.loadAhead([path]);
    const source = filesystem.bytes(ino);
    try {
      const compiled = source && uninterrupted(module, () => (compile ??= install())(path, source));
      if (compiled) backend.readOnce(compiled, ino, source.length);
    } catch {
      // Python could not even say why.
    }
  }

  return (promise) => {
    waits++;
    const end = () => void waits--;
    promise.then(end, end);
    if (!runs) run();
  };
}

/**
 * Runs Python in the midst of a program, whose an interrupt is.
 *
 * @template T
 * @param {any} module Emscripten's.
 * @param {() => T} run
 */
export function uninterrupted(module, run) {
  const flag = module._Py_EMSCRIPTEN_SIGNAL_HANDLING;
  const interruptible = module.HEAP8[flag];
  module.HEAP8[flag] = 0;
  try {
    return run();
  } finally {
    module.HEAP8[flag] = interruptible;
  }
}

/** Resolves in a task of its own, and at once: a timer would wait for 4 ms. */
function turn() {
  return new Promise((/** @type {(value: void) => void} */ resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
