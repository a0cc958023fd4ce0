/**
 * The classic twin of `pyodide.mjs`, for `<script src>` and `importScripts`: defines `loadPyodide`, which takes
 * everything from the module beside this file.
 */
(() => {
  // A worker does not tell a script that it imports where that came from; only a stack does.
  const script = globalThis.document?.currentScript;
  const here = script ? script.src : new Error().stack?.match(/[a-z-]+:[^\s()]*pyodide\.js/i)?.[0];
  globalThis.loadPyodide = async (options) => {
    const { loadPyodide } = await import(new URL("pyodide.mjs", here).href);
    return loadPyodide(options);
  };
})();
