/**
 * `tests/page/fallback.mjs` in Node.
 *
 * node fallback.mjs OPTIONS — JSON of { package, indexURL, wheelfs, cases, how }; prints the outcomes as its last line.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fallback } from "../page/fallback.mjs";

const { package: folder, cases, how, ...options } = JSON.parse(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);
const outcomes = await fallback(await loadPyodide(options), cases, how);
process.stdout.write(`${JSON.stringify(outcomes)}\n`, () => process.exit(0));
