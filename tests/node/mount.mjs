/**
 * Mounts the archive at a URL and lists it.
 *
 * node mount.mjs PACKAGE PYODIDE URL — prints { members, listed, mount_ms, list_ms } as its last line.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, indexURL, url] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(folder, "index.js")).href);
const pyodide = await loadPyodide({ indexURL });
const start = performance.now();
const { members } = await pyodide.wheelfs.mount(url);
const mount_ms = performance.now() - start;
const listed = pyodide.runPython(`
import os, sysconfig
sum(len(files) for _, _, files in os.walk(sysconfig.get_paths()["purelib"] + "/many"))
`);
console.log(JSON.stringify({ members, listed, mount_ms, list_ms: performance.now() - start - mount_ms }));
process.exit(0);
