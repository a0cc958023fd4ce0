/**
 * Put in the place of Pyodide's `pyodide.mjs`: the same exports, over wheelfs. `wheelfs.json` beside this file says
 * where the real one is (`shim.mjs` has its fields).
 */

import { standIn } from "./shim.mjs";

// Both at once: each waiting for the other would cost a round trip.
const answer = fetch(new URL("wheelfs.json", import.meta.url)).catch(() => undefined);
export const { loadPyodide, version } = await standIn(await import("./index.mjs"), answer, import.meta.url);
