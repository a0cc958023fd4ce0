/**
 * Compiles Python sources beside the page, by a copy of its interpreter: another instance of Pyodide's main module over a
 * copy of the memory, as fork(2) would make it. So it compiles as the interpreter itself does, and boots nothing.
 *
 * Of JavaScript the copy has nothing: no file exists in it, and what needs anything else traps. Then the copy is made anew.
 *
 * Runs as a worker of the page, or of Node, from its text (`vfs/js/compiler.mjs`).
 *
 * @typedef {object} Image What the copy is made of.
 * @property {WebAssembly.Module} module
 * @property {ArrayBuffer} memory
 * @property {number[]} globals Values of the globals that the module imports, in the order of its imports.
 * @property {number} table Length of the function table.
 * @property {number} stack The stack pointer.
 * @property {number} magic What a `.pyc` begins with, as a number.
 * @property {number} format Of `marshal`.
 *
 * @typedef {object} Source
 * @property {string} path Of the bytecode that is wanted.
 * @property {string} source Path of the source.
 * @property {Uint8Array} text Its content.
 * @property {number} modified Its time, seconds.
 */

const ENOENT = 44, ENOSYS = 52;
const PAGE = 65536;
/** By how many pages the memory may grow, and does at a time. */
const MORE = 1024, STEP = 64;
const FILE_INPUT = 257;
/** After how many sources in a row that trap the worker ends: it cannot be of use to this interpreter. */
const MOST_TRAPS = 8;

/** @type {Image} */ let image;
/** @type {any} */ let python;
/** @type {WebAssembly.Memory} */ let memory;
/** @type {WebAssembly.Global} */ let stack;
let traps = 0;

onmessage = ({ data }) => {
  if (data.module) {
    image = data;
    fork();
    return;
  }
  let bytecode;
  try {
    bytecode = compile(data);
    traps = 0;
  } catch (error) {
    if (++traps === MOST_TRAPS) throw error;
    reset();
  }
  /** @type {any} */ (globalThis).postMessage({ path: data.path, bytecode }, bytecode ? [bytecode.buffer] : []);
};

function fork() {
  const globals = [...image.globals];
  /** @type {Record<string, (name: string, from: string) => any>} */
  const make = {
    function: (name, from) => {
      if (name === "emscripten_resize_heap") return grow;
      if (from.startsWith("wasi")) return () => ENOSYS;
      if (name.startsWith("__syscall_")) return () => -ENOENT;
      return () => {
        throw new Error(name);
      };
    },
    memory: () => (memory = new WebAssembly.Memory({ initial: pages(), maximum: pages() + MORE })),
    table: () => new WebAssembly.Table({ element: "anyfunc", initial: image.table }),
    // Where the module's own memory and table begin is fixed.
    global: (name, from) => new WebAssembly.Global({ value: "i32", mutable: from !== "env" || !name.endsWith("_base") }, globals.shift()),
    tag: () => new /** @type {any} */ (WebAssembly).Tag({ parameters: ["i32"] }),
  };
  /** @type {any} */ const imports = {};
  for (const { module, name, kind } of WebAssembly.Module.imports(image.module)) {
    (imports[module] ??= {})[name] = make[kind]?.(name, module);
  }
  python = new WebAssembly.Instance(image.module, imports).exports;
  memory = python.memory ?? memory;
  stack = python.__stack_pointer ?? imports.env.__stack_pointer;
  reset();
}

function reset() {
  const missing = pages() - memory.buffer.byteLength / PAGE;
  if (missing > 0) memory.grow(missing);
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(new Uint8Array(image.memory));
  // Memory that has just been had is all zeros.
  bytes.fill(0, image.memory.byteLength);
  stack.value = image.stack;
}

function pages() {
  return image.memory.byteLength / PAGE;
}

function grow(/** @type {number} */ length) {
  const missing = Math.ceil(((length >>> 0) - memory.buffer.byteLength) / PAGE);
  try {
    memory.grow(Math.max(missing, STEP));
    return 1;
  } catch {
    return 0;
  }
}

/** A `.pyc`; nothing where the page has to say what is wrong with the source. */
function compile(/** @type {Source} */ { source, text, modified }) {
  // For C a source ends there; for Python it is an error.
  if (text.includes(0)) return;
  const utf8 = new TextEncoder().encode(source);
  const name = place(utf8), start = place(text);
  const file = python.PyUnicode_FromStringAndSize(name, utf8.length);
  const code = python.Py_CompileStringObject(start, file, FILE_INPUT, 0, -1);
  const content = code && python.PyMarshal_WriteObjectToString(code, image.format);
  let bytecode;
  if (content) {
    const length = python.PyBytes_Size(content);
    bytecode = new Uint8Array(16 + length);
    bytecode.set(new Uint8Array(memory.buffer, python.PyBytes_AsString(content), length), 16);
    new Uint32Array(bytecode.buffer, 0, 4).set([image.magic, 0, modified, text.length]);
  } else {
    python.PyErr_Clear();
  }
  for (const object of [content, code, file]) if (object) python.Py_DecRef(object);
  for (const pointer of [name, start]) python.free(pointer);
  return bytecode;
}

/** Puts a C string into the memory. */
function place(/** @type {Uint8Array} */ bytes) {
  const pointer = python.malloc(bytes.length + 1);
  const target = new Uint8Array(memory.buffer);
  target.set(bytes, pointer);
  target[pointer + bytes.length] = 0;
  return pointer;
}
