/**
 * What Python's import system asks of the folders that wheelfs shows, answered at once.
 *
 * importlib asks the file system some five times for the place of a module and eight times for its bytecode, and each
 * question leaves WebAssembly from a stack that can be suspended. `vfs/py/finders.py` asks here, once for each.
 */

/** @typedef {import("./backend.mjs").Backend} Backend */

/** Answers of `find` that name no file: no module has this name, and: the file system is to be asked. */
const ABSENT = -1, UNKNOWN = -2;

export class Modules {
  #FS;
  #backend;
  /** Of files that are modules, in the order in which importlib tries them. @type {string[]} */ #suffixes = [];
  /** Of Python's bytecode: `.cpython-312.pyc`. */ #compiled = "";

  /**
   * @param {any} FS Emscripten's.
   * @param {Backend} backend
   */
  constructor(FS, backend) {
    this.#FS = FS;
    this.#backend = backend;
  }

  /** To be called once. `suffixes`: separated by slashes. */
  begin(/** @type {string} */ suffixes, /** @type {string} */ tag) {
    this.#suffixes = suffixes.split("/");
    this.#compiled = `.${tag}.pyc`;
  }

  /** Whether wheelfs shows the folder at `path`. */
  shows(/** @type {string} */ path) {
    return !!this.#folder(path);
  }

  /**
   * Which file of a folder is the module of this name: twice the number of its suffix, one more for a package's `__init__`.
   * As importlib's `FileFinder` decides, except that it would ask the file system.
   */
  find(/** @type {string} */ path, /** @type {string} */ name) {
    const folder = this.#folder(path);
    if (!folder) return UNKNOWN;
    const contents = this.#backend.contents(folder);
    const inside = Object.hasOwn(contents, name) && contents[name];
    const isPackage = inside && this.#FS.isDir(inside.mode);
    const init = isPackage ? this.#first(inside, "__init__") : ABSENT;
    if (init !== ABSENT) return init < 0 ? init : 2 * init + 1;
    const found = this.#first(folder, name);
    // A folder may be part of a namespace, a link lead to one.
    if (found === ABSENT) return inside && !this.#FS.isFile(inside.mode) ? UNKNOWN : ABSENT;
    return found < 0 ? found : 2 * found;
  }

  /** Number of the first suffix with which `stem` names a file. */
  #first(/** @type {any} */ folder, /** @type {string} */ stem) {
    const contents = this.#backend.contents(folder);
    for (const [number, suffix] of this.#suffixes.entries()) {
      const node = Object.hasOwn(contents, stem + suffix) && contents[stem + suffix];
      if (node) return this.#FS.isFile(node.mode) ? number : UNKNOWN;
    }
    return ABSENT;
  }

  /** The bytecode of the source at `path`, if wheelfs shows both and has it here. It counts as read. */
  bytecode(/** @type {string} */ path) {
    return this.#backend.bytecode(path, this.#compiled);
  }

  #folder(/** @type {string} */ path) {
    const node = this.#backend.find(path);
    return node?.wheelfs && this.#FS.isDir(node.mode) ? node : undefined;
  }
}
