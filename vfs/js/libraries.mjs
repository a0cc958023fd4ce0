/**
 * Loading shared libraries whose bytes are not here yet.
 *
 * Emscripten reads a library from JavaScript and compiles it at once, where nothing can wait and where Chromium refuses
 * more than 8 MiB. So a library, and everything its NEEDED list names, is fetched, compiled and linked before the
 * `dlopen` that Python issued goes on; that call then finds it loaded.
 */

/** @typedef {import("./backend.mjs").Backend} Backend */

/** Where the file name is in Emscripten's `struct dso` (system/lib/libc/dynlink.c); the same in 3.1.58 and 5.0.3. */
const DSO_NAME = 36;

export class Libraries {
  #module;
  #backend;
  /** @type {Set<string>} */ #loaded = new Set();
  /** Those that are being linked. @type {Set<string>} */ #linking = new Set();

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
    return this.#load(path).catch((error) => {
      this.#forget(path);
      this.#explain(path, error);
    });
  }

  /**
   * Compiles and links those of these libraries whose bytes are here, and those of all that they need, before Python asks.
   * What fails is left to its `dlopen`.
   */
  async loadAhead(/** @type {string[]} */ paths) {
    for (const path of paths) {
      if (this.#closure(path, false).every((library) => this.#backend.isHere(library))) await this.#load(path).catch(() => {});
    }
  }

  /** Compiles and links at once the library and all it needs. What cannot be had is reported by the `dlopen` that follows. */
  loadBlocking(/** @type {number} */ handle) {
    const path = this.#path(handle);
    try {
      for (const library of this.#closure(path, true)) this.#linkBlocking(library);
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
    const node = this.#backend.find(path);
    await this.#backend.missing(node);
    await Promise.all(this.#backend.needed(node).map((needed) => this.#fetch(needed, seen)));
  }

  async #load(/** @type {string} */ path) {
    for (const library of this.#closure(path, false)) {
      if (this.#loaded.has(library)) continue;
      this.#backend.makeResident(this.#backend.find(library));
      this.#linking.add(library);
      try {
        await this.#module.API.loadDynlib(library);
      } finally {
        this.#linking.delete(library);
      }
      this.#loaded.add(library);
    }
  }

  /**
   * Emscripten notes a library before it has it, and takes that note for the library from then on, also if it never came:
   * Python would say that the module has no PyInit function. A note of what failed goes, so that the next import tries again.
   */
  #forget(/** @type {string} */ path) {
    if (this.#loaded.has(path) || this.#linking.has(path)) return;
    const { LDSO } = this.#module;
    const note = LDSO.loadedLibsByName[path];
    if (note?.exports !== "loading") return;
    delete LDSO.loadedLibsByName[path];
    for (const [handle, noted] of Object.entries(LDSO.loadedLibsByHandle)) {
      if (noted === note) delete LDSO.loadedLibsByHandle[handle];
    }
  }

  /** The library and all it needs, needed ones first. */
  #closure(/** @type {string} */ path, /** @type {boolean} */ blocking) {
    /** @type {string[]} */ const order = [];
    const seen = new Set();
    const visit = (/** @type {string} */ library) => {
      if (seen.has(library)) return;
      seen.add(library);
      const node = this.#backend.find(library);
      if (blocking) this.#backend.makeResident(node);
      this.#backend.needed(node).forEach(visit);
      order.push(library);
    };
    visit(path);
    return order;
  }

  #linkBlocking(/** @type {string} */ path) {
    if (this.#loaded.has(path)) return;
    this.#forget(path);
    const { FS, PATH, LDSO } = this.#module;
    // Without `fs` Emscripten before 4 would not look into the filesystem; later ones ignore it.
    const fs = {
      findObject: (/** @type {string} */ name) => FS.analyzePath(name).object,
      readFile: (/** @type {string} */ name, /** @type {any} */ options) => FS.readFile(name, options),
    };
    this.#module.loadDynamicLibrary(path, { loadAsync: false, nodelete: true, allowUndefined: true, global: false, fs }, {});
    LDSO.loadedLibsByName[PATH.basename(path)] ??= LDSO.loadedLibsByName[path];
    this.#loaded.add(path);
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
