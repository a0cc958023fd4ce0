// node main.mjs FOLDER-OF-PYODIDE
import { loadPyodide } from "wheelfs";

const program = "import dateutil.parser\ndateutil.parser.parse('2 Jan 2026').year";
const pyodide = await loadPyodide({ indexURL: process.argv[2] });
await pyodide.loadPackagesFromImports(program);
console.log(await pyodide.runPythonAsync(program));
process.exit(0);
