/**
 * Runs Python through wheelfs.
 *
 * node lazy.mjs OPTIONS FILE… — OPTIONS: JSON of { package: folder of the npm package, indexURL, wheelfs, packages, mount:
 * URLs of wheels to mount, line: URL to post to when Pyodide is there, which changes the line, prefetch: wait for all of the
 * index first, or for what it names, blocking: run it where no read can suspend, written: files that `fsInit` puts into site-packages, throws: what the option `progress` throws each time }; FILE: a
 * Python program, several of which run at once. Prints { output, version, stats, trace, progress, error, warnings } as its
 * last line; `progress` has what the option of that name was told, [bytes, expectedBytes] each; `error` is what a program
 * sees when `loadPyodide`, `loadPackage`, `prefetch` or the run rejects: { name, code, message, url, member }; `warnings` is
 * what the console was told.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { listen } from "../page/console.mjs";

const [text, ...files] = process.argv.slice(2);
const { package: folder, packages = [], mount = [], line, prefetch, blocking, written, throws, wheelfs, ...options } = JSON.parse(text);
const warnings = listen();
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);

/** @type {string[]} */
const lines = [];
/** @type {[number, number][]} */
const progress = [];
const told = {
  progress(/** @type {any} */ { bytes, expectedBytes }) {
    progress.push([bytes, expectedBytes]);
    if (throws) throw new Error(throws);
  },
};
const fsInit = (/** @type {any} */ FS, /** @type {{sitePackages: string}} */ { sitePackages }) => {
  for (const [name, content] of Object.entries(written ?? {})) FS.writeFile(`${sitePackages}/${name}`, content);
};
/** @type {any} */
const result = {};
try {
  const pyodide = await loadPyodide({ ...options, fsInit, wheelfs: { ...told, ...wheelfs }, stdout: (/** @type {string} */ line) => lines.push(line) });
  result.version = pyodide.version;
  if (line) await fetch(line, { method: "POST" });
  if (packages.length) await pyodide.loadPackage(packages);
  for (const url of mount) await pyodide.wheelfs.mount(url);
  const sources = files.map((file) => readFileSync(file, "utf8"));
  try {
    if (prefetch) await pyodide.wheelfs.prefetch(prefetch === true ? undefined : prefetch);
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
process.stdout.write(`${JSON.stringify({ output: lines.join("\n"), ...result, progress, warnings })}\n`, () => process.exit(0));
