// @ts-expect-error: by its place, since browsers do not look into node_modules.
import { loadPyodide } from "./node_modules/wheelfs/index.js";

const program = "import dateutil.parser\ndateutil.parser.parse('2 Jan 2026').year";
const pyodide = await loadPyodide({ indexURL: "/pyodide/" });
await pyodide.loadPackagesFromImports(program);
postMessage(await pyodide.runPythonAsync(program));
