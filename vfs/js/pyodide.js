/** The classic twin of `pyodide.mjs`, for `<script src>` and `importScripts`: defines `loadPyodide`. */
(() => {
  // A worker does not tell a script that it imports where that came from; only a stack does.
  const script = globalThis.document?.currentScript;
  const here = script ? script.src : new Error().stack?.match(/[a-z-]+:[^\s()]*pyodide\.js/i)?.[0];
  globalThis.loadPyodide = async (options) => {
    const answer = fetch(new URL("wheelfs.json", here)).catch(() => undefined);
    const { standIn } = await import(new URL("index.js", here).href);
    const { loadPyodide } = await standIn(answer, here);
    return loadPyodide(options);
  };
})();
