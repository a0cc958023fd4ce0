/**
 * Which interpreters stay in memory that nobody uses any more.
 *
 * node released.mjs OPTIONS — JSON of { package, indexURL }. Prints, for each of two that were loaded one after the other,
 * whether it is still there.
 */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const { package: folder, ...options } = JSON.parse(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);

/** @returns {Promise<WeakRef<object>>} */
async function interpreter() {
  const pyodide = await loadPyodide(options);
  return new WeakRef(pyodide._module);
}
const interpreters = [await interpreter(), await interpreter()];
for (let i = 0; i < 10; i++) {
  await setTimeout(50);
  collect();
}
const there = interpreters.map((interpreter) => interpreter.deref() !== undefined);
process.stdout.write(`${JSON.stringify(there)}\n`, () => process.exit(0));
