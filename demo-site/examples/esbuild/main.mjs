import { loadPyodide } from "wheelfs";

const program = "import dateutil.parser\ndateutil.parser.parse('2 Jan 2026').year";
const pyodide = await loadPyodide({ indexURL: "/pyodide/" });
await pyodide.loadPackagesFromImports(program);
/** @type {any} */ (document.querySelector("output")).value = await pyodide.runPythonAsync(program);
