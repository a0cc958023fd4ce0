/** What stands in the place of Pyodide's own entry: its `loadPyodide`, with the settings of the folder it lies in. */

/** @typedef {import("./index.mjs").WheelfsOptions} WheelfsOptions */
/**
 * @typedef {WheelfsOptions & {pyodide?: string, version?: string, background?: string[] | boolean}} Settings What
 *   `wheelfs.json` may hold; URLs are relative to it. `pyodide`: URL of the real `pyodide.mjs`. `version`: its version;
 *   without it a request is made to know that. `background`: groups or entry points of the index that are brought once
 *   Python runs, or true for all.
 */

/**
 * @param {typeof import("./index.mjs")} wheelfs The module, which the stand-in's own file leaves out.
 * @param {Response | Promise<Response | undefined>} answer To the request for `wheelfs.json`; a site may have none.
 * @param {string} home URL of the stand-in.
 * @returns {Promise<{loadPyodide: (options?: Record<string, any>) => Promise<any>, version: string | undefined}>} What
 *   Pyodide's own entry exports.
 */
export async function standIn({ loadPyodide, importModule, WheelfsError }, answer, home) {
  const response = await answer;
  /** @type {Settings} */ const settings = response?.ok ? await response.json() : {};
  const { pyodide, version, background, ...rest } = settings;
  const real = pyodide === undefined ? undefined : new URL(".", new URL(pyodide, home)).href;
  /** @type {any} */ const wheelfs = { ...rest, index: rest.index ?? preloadedIndex() };
  for (const field of ["index", "baseUrl"]) {
    if (wheelfs[field] !== undefined) wheelfs[field] = new URL(wheelfs[field], home).href;
  }
  return {
    version: version ?? (real && (await importModule(`${real}pyodide.mjs`)).version),
    async loadPyodide(options = {}) {
      // JupyterLite and PyScript name the folder that the stand-in lies in, where there is no Pyodide.
      const own = options.indexURL === undefined || sameFolder(options.indexURL, home);
      const indexURL = own ? real : options.indexURL;
      if (indexURL === undefined) {
        throw new WheelfsError(
          `nothing says where Pyodide is: put {"pyodide": "URL of pyodide.mjs"} into ${new URL("wheelfs.json", home)}, or give loadPyodide an indexURL`,
          "pyodide",
          home,
        );
      }
      const loaded = await loadPyodide({ ...options, indexURL, wheelfs: { ...wheelfs, ...options.wheelfs } });
      if (background) {
        const names = background === true ? undefined : background;
        loaded.wheelfs.prefetch(names).catch((/** @type {Error} */ error) => console.warn(`wheelfs: ${error.message}`));
      }
      return loaded;
    },
  };
}

/** An index that the page's HTML preloads is the one it wants. */
function preloadedIndex() {
  /** @type {HTMLLinkElement | null | undefined} */
  const link = globalThis.document?.querySelector('link[rel="preload"][href$="wheelfs.idx"]');
  return link?.href;
}

function sameFolder(/** @type {string} */ folder, /** @type {string} */ home) {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  const base = page && !page.startsWith("blob:") ? page : home;
  return URL.canParse(folder, base) && new URL(folder, base).href.replace(/\/*$/, "/") === new URL(".", home).href;
}
