/**
 * Loading shared libraries whose bytes are not here yet.
 *
 * Emscripten reads a library from JavaScript and compiles it at once, where nothing can wait and where Chromium refuses
 * more than 8 MiB. So a library, and everything its NEEDED list names, is fetched, compiled and linked before the
 * `dlopen` that Python issued goes on; that call then finds it loaded.
 *
 * Of a library that a pack brings in two modules (`prefetch-index/src/split.rs`) the primary one is linked; the first call
 * of a function that it lacks instantiates the secondary one.
 */

import { instance } from "./carried.mjs";
import { compiledFrom } from "./unpacker.mjs";

/** @typedef {import("./backend.mjs").Backend} Backend */

/** Where the file name is in Emscripten's `struct dso` (system/lib/libc/dynlink.c); the same in 3.1.58 and 5.0.3. */
const DSO_NAME = 36;

export class Libraries {
  #module;
  #backend;
  /** @type {Set<string>} */ #loaded = new Set();

  /**
   * @param {any} module Emscripten's.
   * @param {Backend} backend
   */
  constructor(module, backend) {
    this.#module = module;
    this.#backend = backend;
  }

  /** Null when there is nothing to do; else a promise for the bytes of the library and all it needs. Never rejects. */
  prepare(/** @type {number} */ handle, /** @type {boolean} */ mayWait) {
    const path = this.#path(handle);
    if (!this.#backend.find(path)?.wheelfs || this.#loaded.has(path)) return null;
    if (mayWait) return this.#fetch(path, new Set()).then(() => 0);
    this.loadBlocking(handle);
    return null;
  }

  /** Compiles and links the library and all it needs, needed ones first. Never rejects. */
  load(/** @type {number} */ handle) {
    const path = this.#path(handle);
    return this.#load(path).catch((error) => this.#explain(path, error));
  }

  /**
   * Compiles and links those of these libraries whose bytes are here, and those of all that they need, before Python asks.
   * What fails is left to its `dlopen`.
   */
  async loadAhead(/** @type {string[]} */ paths) {
    for (const path of paths) {
      if (this.#closure(path).every((library) => this.#backend.hasLibrary(library))) await this.#load(path).catch(() => {});
    }
  }

  /** Compiles and links at once the library and all it needs. What cannot be had is reported by the `dlopen` that follows. */
  loadBlocking(/** @type {number} */ handle) {
    const path = this.#path(handle);
    this.#forget(path);
    try {
      for (const library of this.#closure(path, true)) this.#link(library, this.#backend.library(library));
    } catch (error) {
      this.#explain(path, error);
    }
  }

  #path(/** @type {number} */ handle) {
    return this.#module.PATH.normalize(this.#module.UTF8ToString(handle + DSO_NAME));
  }

  async #fetch(/** @type {string} */ path, /** @type {Set<string>} */ seen) {
    if (seen.has(path)) return;
    seen.add(path);
    this.#forget(path);
    await this.#backend.missingLibrary(path);
    await Promise.all(this.#backend.needed(path).map((needed) => this.#fetch(needed, seen)));
  }

  async #load(/** @type {string} */ path) {
    for (const library of this.#closure(path)) {
      if (this.#loaded.has(library)) continue;
      const bytes = this.#backend.library(library);
      this.#link(library, bytes, compiledFrom.get(bytes) ?? (await WebAssembly.compile(bytes)));
    }
  }

  /**
   * Emscripten notes a library before it has it, and takes that note for the library from then on, also if it never came:
   * Python would say that the module has no PyInit function. A note of what failed goes, so that the next import tries again.
   */
  #forget(/** @type {string} */ path) {
    if (this.#loaded.has(path)) return;
    const { LDSO } = this.#module;
    if (LDSO.loadedLibsByName[path]?.exports === "loading") delete LDSO.loadedLibsByName[path];
  }

  /** The library and all it needs, needed ones first. `bring`: without returning to the event loop, to learn what is needed. */
  #closure(/** @type {string} */ path, bring = false) {
    /** @type {string[]} */ const order = [];
    const seen = new Set();
    const visit = (/** @type {string} */ library) => {
      if (seen.has(library)) return;
      seen.add(library);
      if (bring) this.#backend.library(library);
      this.#backend.needed(library).forEach(visit);
      order.push(library);
    };
    visit(path);
    return order;
  }

  /**
   * Links a library, at once: what Emscripten would read and compile is put under its hands for the time of the call.
   *
   * @param {string} path
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {WebAssembly.Module} [compiled]
   */
  #link(path, bytes, compiled = compiledFrom.get(bytes)) {
    if (this.#loaded.has(path)) return;
    this.#forget(path);
    const { FS, PATH, LDSO } = this.#module;
    /** @type {any} */ const engine = WebAssembly;
    const { Module, Instance } = engine;
    const { readFile } = FS;
    const node = this.#backend.find(path);
    // Whatever becomes of the file.
    const ino = node.wheelfs?.ino;
    const instantiate = (/** @type {WebAssembly.Module} */ module, /** @type {WebAssembly.Imports} */ imports) => {
      const primary = new Instance(module, imports);
      const wheelfs = primary.exports;
      const table = wheelfs["wheelfs:table"];
      if (!table) return primary;
      const complete = () => {
        const secondary = this.#backend.secondary(ino);
        return new Instance(compiledFrom.get(secondary) ?? new Module(secondary), { ...imports, wheelfs });
      };
      table.set(0, instance("call.wasm", { js: { complete } }).exports.complete);
      return { exports: Object.fromEntries(Object.entries(wheelfs).filter(([name]) => !name.startsWith("wheelfs:"))) };
    };
    FS.readFile = (/** @type {string} */ name, /** @type {any} */ options) =>
      this.#backend.find(name) === node ? bytes : readFile(name, options);
    engine.Module = new Proxy(Module, { construct: (_, [given]) => (given === bytes && compiled) || new Module(given) });
    engine.Instance = new Proxy(Instance, { construct: (_, [module, imports]) => instantiate(module, imports) });
    // Without `fs` Emscripten before 4 would not look into the filesystem; later ones ignore it.
    const fs = { findObject: (/** @type {string} */ name) => this.#backend.find(name), readFile: FS.readFile };
    try {
      this.#module.loadDynamicLibrary(path, { loadAsync: false, nodelete: true, allowUndefined: true, global: false, fs }, {});
      this.#loaded.add(path);
    } finally {
      FS.readFile = readFile;
      Object.assign(engine, { Module, Instance });
      this.#forget(path);
    }
    LDSO.loadedLibsByName[PATH.basename(path)] ??= LDSO.loadedLibsByName[path];
  }

  /** Lets the `dlopen` that is about to fail say why, in place of what Emscripten says when it finds no file. */
  #explain(/** @type {string} */ path, /** @type {any} */ error) {
    const why = String(error?.message ?? error);
    console.error(`wheelfs: ${path}: ${why}`);
    const { locateFile } = this.#module;
    this.#module.locateFile = (/** @type {string} */ name, /** @type {any[]} */ ...rest) => {
      this.#module.locateFile = locateFile;
      if (name === path) throw new Error(why);
      return locateFile(name, ...rest);
    };
  }
}
