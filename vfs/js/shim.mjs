/** What stands in the place of Pyodide's own entry: its `loadPyodide`, with the settings of the folder it lies in. */

import { WheelfsError } from "./index.mjs";

/** @typedef {import("./index.mjs").WheelfsOptions} WheelfsOptions */
/**
 * @typedef {WheelfsOptions & {pyodide?: string, background?: string[] | boolean}} Settings What `wheelfs.json` may hold;
 *   URLs are relative to it. `pyodide`: URL of the real `pyodide.mjs`. `background`: groups or entry points of the
 *   index that are brought once Python runs, or true for all.
 */

/**
 * @param {(options: any) => Promise<any>} load `loadPyodide` of `index.mjs`.
 * @param {Settings} settings
 * @param {string} home URL of the stand-in.
 * @returns {(options?: Record<string, any>) => Promise<any>} To be used as Pyodide's `loadPyodide`.
 */
export function standIn(load, settings, home) {
  const { background, ...rest } = settings;
  const real = folderOfPyodide(settings, home);
  /** @type {any} */ const wheelfs = { ...rest, index: rest.index ?? preloadedIndex() };
  delete wheelfs.pyodide;
  for (const field of ["index", "baseUrl"]) {
    if (wheelfs[field] !== undefined) wheelfs[field] = new URL(wheelfs[field], home).href;
  }
  return async (options = {}) => {
    // JupyterLite and PyScript name the folder that this file lies in, where there is no Pyodide.
    const own = options.indexURL === undefined || sameFolder(options.indexURL, home);
    const indexURL = own ? real : options.indexURL;
    if (indexURL === undefined) {
      throw new WheelfsError(
        `nothing says where Pyodide is: put {"pyodide": "URL of pyodide.mjs"} into ${new URL("wheelfs.json", home)}, or give loadPyodide an indexURL`,
        "pyodide",
        home,
      );
    }
    const pyodide = await load({ ...options, indexURL, wheelfs: { ...wheelfs, ...options.wheelfs } });
    if (background) {
      pyodide.wheelfs.prefetch(background === true ? undefined : background).catch((/** @type {Error} */ error) => {
        console.warn(`wheelfs: ${error.message}`);
      });
    }
    return pyodide;
  };
}

/** Folder of the real Pyodide, or undefined. */
export function folderOfPyodide(/** @type {Settings} */ { pyodide }, /** @type {string} */ home) {
  return pyodide === undefined ? undefined : new URL(".", new URL(pyodide, home)).href;
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
