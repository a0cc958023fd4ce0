/**
 * Whether what a worker does with a library's module has its functions compiled for whoever else has the module.
 *
 * node warm_up.mjs FILE… — primary modules with a warm-up. Prints, of all functions in their tables, how many are not compiled,
 * before and after, as another instance has them.
 */
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";

// Of the package's source: what the worker does with a module is none of its exports.
const { dummyInstance } = await import(new URL("../../vfs/js/unpacker.mjs", import.meta.url).href);
setFlagsFromString("--allow-natives-syntax");
const isUncompiled = new Function("f", "return %IsUncompiledWasmFunction(f)");

let before = 0, after = 0;
for (const file of process.argv.slice(2)) {
  const module = new WebAssembly.Module(readFileSync(file));
  const table = /** @type {WebAssembly.Table} */ (dummyInstance(module).exports["wheelfs:table"]);
  const uncompiled = () => {
    let count = 0;
    for (let slot = 1; slot < table.length; slot++) if (table.get(slot)) count += Number(isUncompiled(table.get(slot)));
    return count;
  };
  before += uncompiled();
  /** @type {() => void} */ (dummyInstance(module).exports["wheelfs:warm-up"])();
  after += uncompiled();
}
process.stdout.write(`${JSON.stringify([before, after])}\n`);
