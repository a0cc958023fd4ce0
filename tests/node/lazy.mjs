/**
 * Runs Python through wheelfs.
 *
 * node lazy.mjs OPTIONS FILE… — OPTIONS: JSON of { package: folder of the npm package, indexURL, wheelfs, packages, mount:
 * URLs of wheels to mount, prefetch: wait for all of the index first, blocking: run it where no read can suspend }; FILE:
 * a Python program, several of which run at once. Prints { output, version, stats, trace, error, warnings } as its last
 * line; `error` is what a program sees when `loadPyodide`, `loadPackage`, `prefetch` or the run rejects: { name, code,
 * message, url, member }; `warnings` is what the console was told.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { listen } from "../page/console.mjs";

const [text, ...files] = process.argv.slice(2);
const { package: folder, packages = [], mount = [], prefetch, blocking, ...options } = JSON.parse(text);
const warnings = listen();
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);

/** @type {string[]} */
const lines = [];
/** @type {any} */
const result = {};
try {
  const pyodide = await loadPyodide({ ...options, stdout: (/** @type {string} */ line) => lines.push(line) });
  result.version = pyodide.version;
  if (packages.length) await pyodide.loadPackage(packages);
  for (const url of mount) await pyodide.wheelfs.mount(url);
  const sources = files.map((file) => readFileSync(file, "utf8"));
  try {
    if (prefetch) await pyodide.wheelfs.prefetch();
    if (blocking) sources.forEach((source) => pyodide.runPython(source));
    else await Promise.all(sources.map((source) => pyodide.runPythonAsync(source)));
  } finally {
    result.stats = pyodide.wheelfs.stats();
    result.trace = pyodide.wheelfs.trace();
  }
} catch (/** @type {any} */ error) {
  const { name, code, message, url, member } = error;
  result.error = { name, code, message, url, member };
}
// Not before all is written: a pipe takes less at once than a trace has.
process.stdout.write(`${JSON.stringify({ output: lines.join("\n"), ...result, warnings })}\n`, () => process.exit(0));
