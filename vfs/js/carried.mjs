import { Filesystem } from "./wheelfs.js";

/** Of a small module that wheelfs's own carries. */
export function instance(/** @type {string} */ name, /** @type {WebAssembly.Imports} */ imports) {
  return new WebAssembly.Instance(new WebAssembly.Module(/** @type {BufferSource} */ (Filesystem.carried(name))), imports);
}
