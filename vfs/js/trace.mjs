/** What Python read, in the text format of `prefetch-index record` (`prefetch-index/src/trace.rs`). */

/** @typedef {{name: string, file_name: string}} Package */

export class Trace {
  /** Reads have `path`, `offset` and `len`. @type {any[]} */ #events = [];
  /** The read of each path. @type {Map<string, any>} */ #reads = new Map();
  /** Sources that were opened again. @type {Set<string>} */ #texts = new Set();
  #start = performance.now();
  /** Paths of the roots: site-packages, and the folder of shared libraries. @type {string[]} */ roots = [];

  /** `event`: "import" or "imported", the begin and the end of an outermost import of `module`. */
  import(/** @type {string} */ event, /** @type {string} */ module) {
    this.#add({ [event]: module });
  }

  /**
   * Each file is read once, from the first byte to the last that anybody wanted, when it was wanted first: a page may run
   * for days. A source that is opened again, then for its text, is read once more.
   */
  read(/** @type {string} */ path, /** @type {number} */ offset, /** @type {number} */ len) {
    const read = this.#reads.get(path);
    if (!read) this.#reads.set(path, this.#add({ path, offset, len }));
    else if (offset === 0 && path.endsWith(".py") && !this.#texts.has(path)) {
      this.#texts.add(path);
      this.#add({ path, offset, len });
    } else if (offset < read.offset || offset + len > read.offset + read.len) {
      const end = Math.max(offset + len, read.offset + read.len);
      read.offset = Math.min(offset, read.offset);
      read.len = end - read.offset;
    }
  }

  /** JSON lines: a header, then the events. */
  text(/** @type {{pyodide: string, python: string, app: string, packages: Package[], stdlib: string[], modules: string[]}} */ header) {
    const [site, libraries] = this.roots.map((root) => `${root}/`);
    // Those of the standard library stand in the header.
    const events = this.#events.flatMap(({ path, ...event }) =>
      path === undefined ? event
      : path.startsWith(site) ? { read: path.slice(site.length), ...event }
      : path.startsWith(libraries) ? { read: `lib:${path.slice(libraries.length)}`, ...event }
      : []);
    return [{ wheelfs_trace: 1, ...header }, ...events].map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  #add(/** @type {object} */ event) {
    const dated = { t: Math.round((performance.now() - this.#start) * 10) / 10, ...event };
    this.#events.push(dated);
    return dated;
  }
}
