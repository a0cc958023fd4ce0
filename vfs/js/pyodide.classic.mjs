/**
 * `pyodide.js`, the classic twin of `pyodide.mjs`, for `<script src>` and `importScripts`: defines `loadPyodide`.
 */

import { standIn } from "./shim.mjs";

// A worker does not tell a script that it imports where that came from; only a stack does.
const script = /** @type {HTMLScriptElement | null | undefined} */ (globalThis.document?.currentScript);
const here = script ? script.src : new Error().stack?.match(/[a-z-]+:[^\s()]*pyodide\.js/i)?.[0] ?? "";

/** @type {any} */ (globalThis).loadPyodide = async (/** @type {any} */ options) => {
  const answer = fetch(new URL("wheelfs.json", here)).catch(() => undefined);
  const { loadPyodide } = await standIn(await import(new URL("index.js", here).href), answer, here);
  return loadPyodide(options);
};
