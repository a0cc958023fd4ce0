/**
 * Put in the place of Pyodide's `pyodide.mjs`: the same exports, over wheelfs. `wheelfs.json` beside this file says
 * where the real one is (`shim.mjs` has its fields).
 */

// Both at once: each waiting for the other would cost a round trip.
const answer = fetch(new URL("wheelfs.json", import.meta.url)).catch(() => undefined);
const { standIn } = await import("./index.mjs");

export const { loadPyodide, version } = await standIn(answer, import.meta.url);
