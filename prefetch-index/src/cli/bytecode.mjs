// Compiles Python sources with the Pyodide of a folder: bytecode is only good for the interpreter that made it.
// Started by prefetch-index with one argument, the options as JSON. Any Node from 18 on.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * @typedef {{ dir: string, sources: string, out: string, docstrings: boolean, columns: boolean }} Options
 * `sources`: JSON, [{file: where the source is, name: the file name for tracebacks}].
 * `out`: for each source the length of its .pyc, 4 bytes little-endian, 0 if it does not compile; then the .pyc.
 */

// Node would print the whole line it failed in, which in Pyodide's script is a megabyte long.
process.on("uncaughtException", (error) => {
  console.error(String(error.stack ?? error));
  process.exit(1);
});

const options = /** @type {Options} */ (JSON.parse(process.argv[2]));
const dir = resolve(options.dir);
const { loadPyodide } = await import(pathToFileURL(`${dir}/pyodide.mjs`).href);
const pyodide = await loadPyodide({
  indexURL: `${dir}/`,
  // The compiler itself leaves the columns out; a seed of its own would order sets differently in every build.
  args: options.columns ? [] : ["-X", "no_debug_ranges"],
  env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" },
});
const compile = pyodide.runPython(`
import ast
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash

def strip_docstrings(tree):
    """Empty rather than none: numpy hands them to C functions that want a string."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body[0].value.value = ""

def compile_source(source, name, docstrings):
    source = source.to_bytes()
    try:
        code = source
        if not docstrings:
            code = ast.parse(source, name)
            strip_docstrings(code)
        code = compile(code, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return bytes(_code_to_hash_pyc(code, source_hash(source), False))

compile_source
`, { globals: pyodide.toPy({}) });

/** @type {Uint8Array[]} */
const parts = [];
for (const { file, name } of JSON.parse(readFileSync(options.sources, "utf8"))) {
  const made = compile(new Uint8Array(readFileSync(file)), name, options.docstrings);
  const bytes = made?.toJs() ?? new Uint8Array(0);
  made?.destroy();
  parts.push(new Uint8Array(new Uint32Array([bytes.length]).buffer), bytes);
}
writeFileSync(options.out, Buffer.concat(parts));
process.exit(0);
