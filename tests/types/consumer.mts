// What TypeScript knows of the package. Compiled by `cargo xtask test`, never run.
import type { PyodideInterface } from "pyodide";
import { loadPyodide, type Wheelfs, WheelfsError } from "wheelfs";

const pyodide = await loadPyodide({ indexURL: "/pyodide/", fullStdLib: false, wheelfs: { index: "wheelfs.idx", rest: true } });
export const wheelfs: Wheelfs = pyodide.wheelfs;
export const requests: number = pyodide.wheelfs.stats().requests;
export const trace: string = pyodide.wheelfs.trace();
export const { members }: { members: number } = await pyodide.wheelfs.mount("/a-1.0-py3-none-any.whl");
await pyodide.runPythonAsync("import a");

const typed = await loadPyodide<PyodideInterface>();
typed.runPython("import a");
await typed.wheelfs.prefetch(["a"]);

export const code: string = new WheelfsError("", "range", "").code;

// @ts-expect-error an option that does not exist
await loadPyodide({ wheelfs: { indx: "wheelfs.idx" } });
// @ts-expect-error a counter that does not exist
pyodide.wheelfs.stats().nothing;
// @ts-expect-error a function that Pyodide does not have
typed.runPithon("import a");
