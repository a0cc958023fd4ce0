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

/** Of a second and a half each: not how fast it has to be, but the end of a run that would never end. */
const ROUNDS = 200;

const [text, file] = process.argv.slice(2);
const { package: folder, ...options } = JSON.parse(text);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);
/** @type {string[]} */ const lines = [];
const pyodide = await loadPyodide({ ...options, stdout: (/** @type {string} */ line) => lines.push(line) });
await pyodide.runPythonAsync(readFileSync(file, "utf8"));
const started = pyodide.wheelfs.stats().bytes;
for (let round = 1, before = -1, now = started; before !== now || now === started; now = pyodide.wheelfs.stats().bytes, round++) {
  if (round > ROUNDS) {
    const came = now === started ? "none of the rest came" : "bytes still come";
    throw new Error(`${came} ${ROUNDS} rounds after ${file} ran: ${started} bytes then, now ${JSON.stringify(pyodide.wheelfs.stats())}`);
  }
  before = now;
  await new Promise((resolve) => setTimeout(resolve, 1500));
}
const filled = pyodide.wheelfs.stats();
await pyodide.runPythonAsync(READ_ALL);
const result = { output: lines.join("\n"), filled, read: pyodide.wheelfs.stats() };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
