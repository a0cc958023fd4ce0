/**
 * Puts the bridge (`vfs/bridge/bridge.wat`) between CPython and Emscripten's syscalls.
 *
 * The hooks below are asked before a syscall runs: is anything missing? Null, or a promise that the bridge waits for.
 * They must not throw: an exception from here would unwind the interpreter.
 */

import { WheelfsError } from "./error.mjs";
import { Collector } from "./collector.mjs";
import { instance } from "./carried.mjs";
import { Libraries } from "./libraries.mjs";

/** @typedef {import("./backend.mjs").Backend} Backend */

/** Imports of Pyodide's main module that the bridge stands before, or calls. */
const SYSCALLS = { openat: "__syscall_openat", mmap: "_mmap_js", dlopen: "_dlopen_js" };
const WASI = ["fd_read", "fd_pread"];
const PYODIDE = ["saveState", "get_suspender", "syncifyHandler", "restoreState"];
const EXPORTS = ["PyGILState_Ensure", "PyGILState_Release"];
const TRAMPOLINE = "_PyImport_InitFunc_TrampolineCall";

/** Whether this engine can suspend WebAssembly. */
export const canSuspend = "Suspending" in WebAssembly;

/** One interpreter's bridge. */
export class Bridge {
  /** Set once Emscripten's module object exists. @type {any} */ module;
  /** Exports of Pyodide's main module, once it is there. @type {any} */ interpreter;
  /** What that was made of. @type {{module: WebAssembly.Module, imports: any}} */ program = /** @type {any} */ (undefined);
  /** Set by `fsInit`. @type {Backend | undefined} */ backend;
  /** Set once Python runs: nothing waits during boot. */
  live = false;
  /** What the next opening of the path "" waits for; see `vfs/py/locks.py`. @type {Promise<any> | null} */ turn = null;
  #version;
  #refuse;
  /** @type {Libraries | undefined} */ #libraries;

  /**
   * @param {string} version Pyodide's, for messages.
   * @param {(error: unknown) => void} refuse Told why there will be no interpreter.
   */
  constructor(version, refuse) {
    this.#version = version;
    this.#refuse = refuse;
    // Python 3.12 and 3.13, of Pyodide 0.x, do not look at frames when they collect.
    this.collector = version.startsWith("0.") ? undefined : new Collector();
  }

  /** Wraps the settings that Pyodide hands to Emscripten. */
  hook(/** @type {any} */ settings) {
    settings.preRun.push((/** @type {any} */ module) => {
      this.module = module;
    });
    const instantiate = settings.instantiateWasm;
    settings.instantiateWasm = (/** @type {any} */ imports, /** @type {any} */ done) => {
      const connect = canSuspend ? this.#interpose(imports) : this.#interposeLibraries(imports);
      this.#watch(imports);
      return instantiate(imports, (/** @type {WebAssembly.Instance} */ instance, /** @type {any} */ module) => {
        try {
          this.interpreter = instance.exports;
          this.program = { module, imports };
          connect(instance.exports);
          done(instance, module);
        } catch (error) {
          this.#refuse(error);
        }
      });
    };
    return settings;
  }

  /** Pyodide warns of a runtime that cannot be had, and waits for ever: the call with its imports says when that is. */
  #watch(/** @type {any} */ imports) {
    /** @type {any} */ const engine = WebAssembly;
    const { instantiateStreaming, instantiate } = engine;
    for (const [name, original] of Object.entries({ instantiateStreaming, instantiate })) {
      engine[name] = (/** @type {any[]} */ ...given) => {
        const outcome = original.apply(engine, given);
        if (given[1] === imports) {
          Object.assign(engine, { instantiateStreaming, instantiate });
          outcome.catch((/** @type {any} */ error) => {
            const what = `Pyodide ${this.#version}: its runtime (pyodide.asm.wasm) did not come whole`;
            this.#refuse(new WheelfsError(`${what}: ${error.message}: reload`, "pyodide", "pyodide.asm.wasm"));
          });
        }
        return outcome;
      };
    }
  }

  /** Replaces the imports; the function returned is to be given the exports. */
  #interpose(/** @type {any} */ imports) {
    const { env, wasi_snapshot_preview1: wasi } = imports;
    for (const name of [...Object.values(SYSCALLS), ...PYODIDE]) this.#require(env, name, "import");
    for (const name of WASI) this.#require(wasi, name, "import");
    const libc = Object.fromEntries([
      ...Object.entries(SYSCALLS).map(([ours, theirs]) => [ours, env[theirs]]),
      ...WASI.map((name) => [name, wasi[name]]),
    ]);
    this.collector?.interpose(env);
    const bridge = instance("bridge.wasm", { hook: this.#hooks(), pyodide: env, libc });
    /** @type {any} */ const exports = bridge.exports;
    for (const [ours, theirs] of Object.entries(SYSCALLS)) env[theirs] = exports[ours];
    for (const name of WASI) wasi[name] = exports[name];
    if (env[TRAMPOLINE]) env[TRAMPOLINE] = instance("trampoline.wasm", { env }).exports.call;
    return (/** @type {any} */ interpreter) => {
      this.collector?.connect(interpreter);
      EXPORTS.forEach((name, slot) => {
        this.#require(interpreter, name, "export");
        exports.interpreter.set(slot, interpreter[name]);
      });
    };
  }

  /** Where nothing can suspend, only a library has to be prepared: what it needs may lie where Emscripten does not look. */
  #interposeLibraries(/** @type {any} */ { env }) {
    const { dlopen } = SYSCALLS;
    this.#require(env, dlopen, "import");
    const original = env[dlopen];
    env[dlopen] = (/** @type {number} */ handle) => {
      this.libraries?.prepare(handle, false);
      return original(handle);
    };
    return () => {};
  }

  #hooks() {
    return {
      open: (/** @type {number} */ dirfd, /** @type {number} */ path, /** @type {number} */ flags) => {
        const name = this.module.UTF8ToString(path);
        const { turn } = this;
        if (!name) this.turn = null;
        if (!this.#mayWait) return null;
        return (name ? this.backend?.missingForOpen(dirfd, name, flags) : turn) ?? null;
      },
      read: (/** @type {number} */ fd, /** @type {number} */ vectors, /** @type {number} */ count, /** @type {number} */ offset) =>
        this.#mayWait ? this.backend?.missingForRead(fd, this.module.HEAPU32, vectors, count, offset) ?? null : null,
      mmap: (/** @type {number} */ fd) => (this.#mayWait ? this.backend?.missingForMap(fd) ?? null : null),
      dlopen: (/** @type {number} */ handle) => this.libraries?.prepare(handle, this.#mayWait) ?? null,
      dlopenLoad: (/** @type {number} */ handle) => this.libraries?.load(handle) ?? null,
      dlopenSync: (/** @type {number} */ handle) => this.libraries?.loadBlocking(handle),
      // Pyodide answers null (0.27), or a value of its own that means an error (314).
      stateSaved: (/** @type {any} */ state) => (state && state !== this.module.error ? 1 : 0),
    };
  }

  /** Whether Pyodide believes that the stack can suspend. It may be wrong; the bridge then finds out. */
  get #mayWait() {
    return this.live && this.module.validSuspender.value;
  }

  /** @returns {Libraries | undefined} */
  get libraries() {
    if (!this.live || !this.backend) return undefined;
    return (this.#libraries ??= new Libraries(this.module, this.backend));
  }

  #require(/** @type {any} */ from, /** @type {string} */ name, /** @type {string} */ kind) {
    if (from?.[name] !== undefined) return;
    throw new WheelfsError(
      `Pyodide ${this.#version} has no ${kind} "${name}", which wheelfs needs to suspend a read: use a version of ` +
        `Pyodide that this version of wheelfs supports (0.27, 0.28, 0.29 or 314)`,
      "pyodide",
      `pyodide ${this.#version}`,
    );
  }
}
