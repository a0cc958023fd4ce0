/** `loadPackage` that mounts the lock file's wheels instead of downloading them. */

import { importsOf } from "./ahead.mjs";

/** @typedef {import("./ahead.mjs").Ahead} Ahead */
/** @typedef {import("./wheelfs.js").Filesystem} Filesystem */
/** @typedef {{name: string, version: string, fileName: string, packageType: string}} PackageData */
/** @typedef {{messageCallback?: (message: string) => void, errorCallback?: (message: string) => void, checkIntegrity?: boolean}} LoadOptions */

/** What `pyodide.loadedPackages` says of a mounted package. */
export const CHANNEL = "wheelfs";

export class Packages {
  #pyodide;
  #filesystem;
  #base;
  #refresh;
  #original;
  #ahead;

  /**
   * @param {any} pyodide
   * @param {Filesystem} filesystem
   * @param {string} base Absolute URL that the lock's file names are relative to.
   * @param {() => void} refresh Shows what was mounted.
   * @param {Ahead | undefined} ahead Where nothing can suspend.
   */
  constructor(pyodide, filesystem, base, refresh, ahead) {
    this.#ahead = ahead;
    this.#pyodide = pyodide;
    this.#filesystem = filesystem;
    this.#base = base;
    this.#refresh = refresh;
    this.#original = pyodide.loadPackage;
    for (const name of filesystem.packages()) pyodide.loadedPackages[name] = CHANNEL;
  }

  /**
   * Pyodide's `loadPackage`: names of the lock file are mounted, with all they depend on; URLs are left to Pyodide. Where
   * nothing can suspend, what the index foresees of them is waited for; and on a page's main thread, which a request
   * for each member would freeze, packages that no index names are left to Pyodide as well.
   */
  async loadPackage(/** @type {any} */ names, /** @type {LoadOptions} */ options = {}) {
    const wanted = typeof names?.toJs === "function" ? names.toJs() : names;
    /** @type {string[]} */ const list = typeof wanted === "string" ? [wanted] : [...wanted];
    const urls = list.filter((name) => name.includes("/") || name.endsWith(".whl"));
    const entries = this.#closure(list.filter((name) => !urls.includes(name)));
    const say = options.messageCallback ?? (() => {});
    const absent = entries.filter(({ name }) => this.#pyodide.loadedPackages[name] === undefined);
    const missing = this.#ahead && globalThis.document ? [] : absent;
    if (missing.length) say(`Mounting ${missing.map(({ name }) => name).sort().join(", ")}`);
    const unmountable = missing.length ? [] : absent.map(({ name }) => name);
    const outcomes = await Promise.allSettled(
      missing.map(async (entry) => {
        try {
          await this.#filesystem.mount({ ...entry, url: new URL(entry.file_name, this.#base).href });
          this.#pyodide.loadedPackages[entry.name] = CHANNEL;
        } catch (/** @type {any} */ error) {
          if (!mayLoadWhole(error)) throw error;
          (options.errorCallback ?? console.warn)(`wheelfs: ${error.message}; loading ${entry.name} whole instead`);
          unmountable.push(entry.name);
        }
      }),
    );
    // Those that were mounted are there, whatever became of the others.
    this.#refresh();
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    await this.#ahead?.ofImports(entries.flatMap(({ imports }) => imports));
    const whole = [...urls, ...unmountable];
    const loaded = whole.length ? await this.#original(whole, options) : [];
    const mounted = missing.filter(({ name }) => !unmountable.includes(name)).map(describe);
    return /** @type {PackageData[]} */ ([...mounted, ...loaded]);
  }

  /** Pyodide's `loadPackagesFromImports`. */
  async loadPackagesFromImports(/** @type {string} */ code, /** @type {LoadOptions} */ options = {}) {
    const owners = this.#pyodide._api._import_name_to_package_name;
    const names = new Set(importsOf(this.#pyodide, code).map((name) => owners.get(name)).filter(Boolean));
    return names.size ? this.loadPackage([...names], options) : [];
  }

  /** Mounts the wheel at an absolute URL. */
  async mount(/** @type {string} */ url) {
    const [name = url, version = ""] = (new URL(url).pathname.split("/").pop() ?? "").split("-");
    const lockName = name.toLowerCase().replace(/[-_.]+/g, "-");
    const members = await this.#filesystem.mount({
      name: lockName, version, url, install_dir: "site", imports: [], depends: [],
    });
    this.#pyodide.loadedPackages[lockName] = CHANNEL;
    this.#refresh();
    return { name: lockName, version, members };
  }

  /** The lock's entries for these names and all they depend on. */
  #closure(/** @type {string[]} */ names) {
    const lock = this.#pyodide._api.lockfile_packages;
    /** @type {Map<string, any>} */ const found = new Map();
    const visit = (/** @type {string} */ name) => {
      const key = name.toLowerCase().replace(/[-_.]+/g, "-");
      if (found.has(key)) return;
      const entry = lock[key];
      if (!entry) throw new Error(`No known package with name '${name}'`);
      found.set(key, entry);
      entry.depends.forEach(visit);
    };
    names.forEach(visit);
    return [...found.values()];
  }
}

/** Whether Pyodide's own way, the whole file at once, may succeed: no usable ranges, or in Node a file of the CDN. */
function mayLoadWhole(/** @type {any} */ { code, url }) {
  return code === "range" || (code === "unreachable" && url.startsWith("file:"));
}

/** @returns {PackageData} */
function describe(/** @type {any} */ { name, version, file_name, package_type }) {
  return { name, version, fileName: file_name, packageType: package_type };
}
