/**
 * Reads a file out of each of several wheels, one after the other, and says what came of it.
 *
 * @typedef {{ name: string, url: string }} Case A wheel; its file is `NAME/data.bin` in site-packages.
 * @typedef {{ name: string, result: string, logged: string[] }} Outcome `result`: the SHA-256 of what Python read, or
 *   how its read or the mount failed. `logged`: what the console was told meanwhile.
 */

import { listen } from "./console.mjs";

const PROGRAM = `
import hashlib, sysconfig

def read(name):
    try:
        with open(f"{sysconfig.get_paths()['purelib']}/{name}/data.bin", "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        return f"OSError {error.errno}"
`;

/**
 * @param {any} pyodide
 * @param {Case[]} cases
 * @param {string} how "mount": mounted here, read by a stack that suspends; "index": known from an index; "blocking": the
 *   same, read by a stack that cannot suspend.
 * @returns {Promise<Outcome[]>}
 */
export async function fallback(pyodide, cases, how) {
  const told = listen();
  pyodide.runPython(PROGRAM);
  /** @type {Outcome[]} */ const outcomes = [];
  for (const { name, url } of cases) {
    told.length = 0;
    const call = `read("${name}")`;
    let result;
    try {
      if (how === "mount") await pyodide.wheelfs.mount(url);
      result = how === "blocking" ? pyodide.runPython(call) : await pyodide.runPythonAsync(call);
    } catch (/** @type {any} */ error) {
      result = `${error.name} ${error.code}`;
    }
    outcomes.push({ name, result, logged: told.slice() });
  }
  return outcomes;
}
