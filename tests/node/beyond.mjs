/**
 * Runs a program through wheelfs, then others.
 *
 * node beyond.mjs OPTIONS FIRST NEXT… — OPTIONS: JSON of { package: folder of the npm package, indexURL, wheelfs, whole:
 * whether all that is on its way is to be there before NEXT begins, unless there was a warning }; the others: Python programs. Prints { outputs, stats, warnings, library }
 * as its last line: of each program, what it printed and the counters after it; `library`: SHA-256 of the first library in
 * numpy/_core, as JavaScript reads it through Emscripten.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { listen } from "../page/console.mjs";

/** Of 20 ms each: not how fast it has to be, but the end of a run that would never end. */
const ROUNDS = 20_000;

const [text, ...files] = process.argv.slice(2);
const { package: folder, whole, ...options } = JSON.parse(text);
const warnings = listen();
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);

/** @type {string[]} */ let lines = [];
const outputs = [], stats = [];
const pyodide = await loadPyodide({ ...options, stdout: (/** @type {string} */ line) => lines.push(line) });
for (const file of files) {
  await pyodide.runPythonAsync(readFileSync(file, "utf8"));
  outputs.push(lines.join("\n"));
  lines = [];
  stats.push(pyodide.wheelfs.stats());
  const isMissing = () => pyodide.wheelfs.stats().bytes < pyodide.wheelfs.stats().expectedBytes;
  for (let round = 0; whole && isMissing() && !warnings.length; round++) {
    if (round === ROUNDS) {
      throw new Error(`all was to come after ${file}: ${JSON.stringify(pyodide.wheelfs.stats())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
const core = "/lib/python3.12/site-packages/numpy/_core";
const name = pyodide.FS.analyzePath(core).exists && pyodide.FS.readdir(core).filter((/** @type {string} */ name) => name.endsWith(".so")).sort()[0];
const library = name && createHash("sha256").update(pyodide.FS.readFile(`${core}/${name}`)).digest("hex");
process.stdout.write(`${JSON.stringify({ outputs, stats, warnings, library })}\n`, () => process.exit(0));
