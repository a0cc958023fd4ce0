/**
 * Runs Python through wheelfs with the rest in the background, waits until all has come, then reads every file.
 *
 * node rest.mjs OPTIONS FILE — as lazy.mjs. Prints { output, filled, read }: the counters when all had come, and after
 * every file was read; `output` ends with the number of files and bytes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const READ_ALL = `
import os, site
files = [os.path.join(folder, name) for folder, _, names in os.walk(site.getsitepackages()[0]) for name in names]
print(len(files), sum(len(open(file, "rb").read()) for file in files))
`;

const [text, file] = process.argv.slice(2);
const { package: folder, ...options } = JSON.parse(text);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);
/** @type {string[]} */ const lines = [];
const pyodide = await loadPyodide({ ...options, stdout: (/** @type {string} */ line) => lines.push(line) });
await pyodide.runPythonAsync(readFileSync(file, "utf8"));
const started = pyodide.wheelfs.stats().bytes;
for (let before = -1, now = started; before !== now || now === started; now = pyodide.wheelfs.stats().bytes) {
  before = now;
  await new Promise((resolve) => setTimeout(resolve, 1500));
}
const filled = pyodide.wheelfs.stats();
await pyodide.runPythonAsync(READ_ALL);
const result = { output: lines.join("\n"), filled, read: pyodide.wheelfs.stats() };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
