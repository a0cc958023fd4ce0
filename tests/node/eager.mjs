/**
 * Runs Python on a stock Pyodide, its packages loaded whole beforehand.
 *
 * node eager.mjs DISTRIBUTION PACKAGES FILE — packages separated by commas; prints { output, version } as its last line.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [distribution, packages, file] = process.argv.slice(2);
const { loadPyodide, version } = await import(pathToFileURL(join(distribution, "pyodide.mjs")).href);

/** @type {string[]} */
const lines = [];
const pyodide = await loadPyodide({
  indexURL: distribution,
  packages: packages.split(",").filter(Boolean),
  stdout: (/** @type {string} */ line) => lines.push(line),
});
await pyodide.runPythonAsync(readFileSync(file, "utf8"));
console.log(JSON.stringify({ output: lines.join("\n"), version }));
