import { Filesystem } from "./wheelfs.js";

/** @type {Record<string, WebAssembly.Module>} */ const modules = {};

/** Of a small module that wheelfs's own carries. */
export function instance(/** @type {string} */ name, /** @type {WebAssembly.Imports} */ imports) {
  modules[name] ??= new WebAssembly.Module(/** @type {BufferSource} */ (Filesystem.carried(name)));
  return new WebAssembly.Instance(modules[name], imports);
}
