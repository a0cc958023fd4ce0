/** What Python read, in the text format of `prefetch-index record` (`prefetch-index/src/trace.rs`). */

/** @typedef {{name: string, file_name: string}} Package */

export class Trace {
  /** @type {object[]} */ #events = [];
  #start = performance.now();
  /** Paths of the roots: site-packages, and the folder of shared libraries. @type {string[]} */ roots = [];

  /** `event`: "import" or "imported", the begin and the end of an outermost import of `module`. */
  import(/** @type {string} */ event, /** @type {string} */ module) {
    this.#add({ [event]: module });
  }

  read(/** @type {string} */ path, /** @type {number} */ offset, /** @type {number} */ len) {
    const [site, libraries] = this.roots;
    if (path.startsWith(`${site}/`)) {
      this.#add({ read: path.slice(site.length + 1), offset, len });
    } else if (path.startsWith(`${libraries}/`)) {
      this.#add({ read: `lib:${path.slice(libraries.length + 1)}`, offset, len });
    }
  }

  /** JSON lines: a header, then the events. */
  text(/** @type {{pyodide: string, python: string, app: string, packages: Package[], stdlib: string[]}} */ header) {
    return [{ wheelfs_trace: 1, ...header }, ...this.#events].map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  #add(/** @type {object} */ event) {
    this.#events.push({ t: Math.round((performance.now() - this.#start) * 10) / 10, ...event });
  }
}
