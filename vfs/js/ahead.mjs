/**
 * Where nothing can suspend: what code is going to read is brought, and its libraries are loaded, before it runs.
 *
 * A read that has to wait is then a request that freezes the thread, and while Python runs no other request makes
 * progress. So what the index foresees is waited for while JavaScript still can. Libraries are compiled off the thread
 * here; Chromium's main thread refuses to compile more than 8 MiB at once, as `dlopen` would.
 */

/** @typedef {import("./backend.mjs").Backend} Backend */
/** @typedef {import("./bridge.mjs").Bridge} Bridge */
/** @typedef {import("./wheelfs.js").Filesystem} Filesystem */

export class Ahead {
  #pyodide;
  #filesystem;
  #bridge;

  /**
   * @param {any} pyodide
   * @param {Filesystem} filesystem
   * @param {Bridge} bridge
   */
  constructor(pyodide, filesystem, bridge) {
    this.#pyodide = pyodide;
    this.#filesystem = filesystem;
    this.#bridge = bridge;
    const { runPythonAsync } = pyodide;
    pyodide.runPythonAsync = async (/** @type {string} */ code, /** @type {any[]} */ ...rest) => {
      await this.ofImports(importsOf(pyodide, code));
      return runPythonAsync(code, ...rest);
    };
  }

  /** What code that imports these modules will read. Does not reject: the read that misses its bytes says why. */
  ofImports(/** @type {string[]} */ imports) {
    return this.load(this.#filesystem.prefetchImports(imports)).catch(() => {});
  }

  /** Loads the libraries, rows of the exports, that were brought. */
  async load(/** @type {Promise<any[]>} */ brought) {
    const { backend, libraries } = this.#bridge;
    backend?.onWait?.(brought);
    await libraries?.loadAhead(backend?.paths(await brought) ?? []);
  }
}

/** Modules that Python code imports, as Pyodide finds them. */
export function importsOf(/** @type {any} */ pyodide, /** @type {string} */ code) {
  const found = pyodide._api.pyodide_code.find_imports(code);
  /** @type {string[]} */ const imports = found.toJs();
  found.destroy();
  return imports;
}
