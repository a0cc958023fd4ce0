/**
 * Put in the place of Pyodide's `pyodide.mjs`: the same exports, over wheelfs. `wheelfs.json` beside this file says
 * where the real one is (`shim.mjs` has its fields).
 */

import { loadPyodide as load } from "./index.mjs";
import { folderOfPyodide, standIn } from "./shim.mjs";

const settings = await readSettings(new URL("wheelfs.json", import.meta.url).href);
const real = folderOfPyodide(settings, import.meta.url);

/** The real Pyodide's; undefined when no `wheelfs.json` says where that is. @type {string | undefined} */
export const version = real && (await import(/* webpackIgnore: true */ /* @vite-ignore */ `${real}pyodide.mjs`)).version;

export const loadPyodide = standIn(load, settings, import.meta.url);

/** @returns {Promise<import("./shim.mjs").Settings>} */
async function readSettings(/** @type {string} */ url) {
  const response = url.startsWith("http") ? await fetch(url) : undefined;
  return response?.ok ? response.json() : {};
}
