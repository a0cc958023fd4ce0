// Which functions of shared libraries a run calls. Each function is made to clear its slot of a table when it begins: the
// table is an import more, so no function's number changes.
import { createHash } from "node:crypto";

/** @typedef {{ number: number, start: number, end: number }} Section */

/** Sections of a WebAssembly module. */
const IMPORT = 2, TABLE = 4, CODE = 10;
const FUNCREF = 0x70;
/** Instructions. */
const I32_CONST = 0x41, REF_NULL = 0xd0, TABLE_SET = 0x26;
/** Name of the imported module. */
const NAMESPACE = "wheelfs_profile";

/** A module with one function, `f`, which does nothing. */
const NOTHING = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], ...[1, 4, 1, 0x60, 0, 0], ...[3, 2, 1, 0], ...[7, 5, 1, 1, 0x66, 0, 0], ...[10, 4, 1, 2, 0, 0x0b],
]);

/** Watches every side module that is compiled from its making on. */
export class Profile {
  /** By the SHA-256 of the library: a slot for each function. @type {Record<string, WebAssembly.Table>} */ #tables = {};
  #uncalled;

  constructor() {
    const { Module, Instance, compile, instantiate } = WebAssembly;
    this.#uncalled = new Instance(new Module(NOTHING)).exports.f;
    /** @type {(given: any) => any} A module is compiled already. */
    const watch = (given) => (given instanceof Module ? given : this.#watch(bytesOf(given)));
    const withTables = (/** @type {any} */ imports) => imports && { ...imports, [NAMESPACE]: this.#tables };
    Object.assign(WebAssembly, {
      Module: new Proxy(Module, { construct: (_, [bytes]) => new Module(watch(bytes)) }),
      Instance: new Proxy(Instance, { construct: (_, [module, imports]) => new Instance(module, withTables(imports)) }),
      compile: async (/** @type {any} */ bytes) => compile(watch(bytes)),
      instantiate: async (/** @type {any} */ given, /** @type {any} */ imports) => instantiate(watch(given), withTables(imports)),
    });
  }

  /** Numbers, imports not counted, of the functions of this library that were called; undefined: it was not loaded. */
  called(/** @type {Uint8Array} */ library) {
    const table = this.#tables[digest(library)];
    return table && Array.from({ length: table.length }, (_, number) => number).filter((number) => table.get(number) === null);
  }

  /** The library as it is to be compiled. */
  #watch(/** @type {Uint8Array} */ library) {
    const sections = [...sectionsOf(library)];
    const imports = sections.find(({ number }) => number === IMPORT);
    const code = sections.find(({ number }) => number === CODE);
    // Pyodide's own module has tables, whose numbers another import would change.
    if (!isSideModule(library) || !imports || !code || sections.some(({ number }) => number === TABLE)) return library;
    const name = digest(library);
    const [functions, bodies] = instrument(library, code, countTables(library, imports));
    if (!Object.hasOwn(this.#tables, name)) {
      const table = new WebAssembly.Table({ element: "anyfunc", initial: functions });
      for (let i = 0; i < functions; i++) table.set(i, this.#uncalled);
      this.#tables[name] = table;
    }
    const [count, entries] = readU32(library, imports.start);
    const entry = [...text(NAMESPACE), ...text(name), 1, FUNCREF, 0, ...u32(functions)];
    const payloads = new Map([
      [imports, Buffer.concat([u32(count + 1), library.subarray(entries, imports.end), Uint8Array.from(entry)])],
      [code, bodies],
    ]);
    const parts = sections.flatMap((section) => {
      const payload = payloads.get(section) ?? library.subarray(section.start, section.end);
      return [Uint8Array.of(section.number), u32(payload.length), payload];
    });
    return Buffer.concat([library.subarray(0, 8), ...parts]);
  }
}

/** Number of functions, and the code section whose functions clear their slots of the table. @param {Uint8Array} library @param {Section} code @param {number} table @returns {[number, Buffer]} */
function instrument(library, code, table) {
  let [count, at] = readU32(library, code.start);
  /** @type {Uint8Array[]} */ const parts = [u32(count)];
  for (let number = 0; number < count; number++) {
    const [length, start] = readU32(library, at);
    at = start + length;
    let [runs, locals] = readU32(library, start);
    // A number and a type, which is one byte unless it names a type of the module.
    for (; runs > 0; runs--) locals = readU32(library, readU32(library, locals)[1])[1];
    const clear = Uint8Array.of(I32_CONST, ...i32(number), REF_NULL, FUNCREF, TABLE_SET, ...u32(table));
    parts.push(u32(length + clear.length), library.subarray(start, locals), clear, library.subarray(locals, at));
  }
  return [count, Buffer.concat(parts)];
}

/** How many tables are imported. @param {Uint8Array} library @param {Section} imports */
function countTables(library, { start }) {
  let [count, at] = readU32(library, start);
  let tables = 0;
  const skipU32 = () => {
    [, at] = readU32(library, at);
  };
  const skipText = () => {
    const [length, from] = readU32(library, at);
    at = from + length;
  };
  const skipLimits = () => {
    const hasMaximum = library[at++] & 1;
    skipU32();
    if (hasMaximum) skipU32();
  };
  for (; count > 0; count--) {
    skipText();
    skipText();
    const kind = library[at++];
    if (kind === 0) skipU32();
    else if (kind === 1) {
      at++;
      skipLimits();
      tables++;
    } else if (kind === 2) skipLimits();
    else if (kind === 3) at += 2;
    else {
      at++;
      skipU32();
    }
  }
  return tables;
}

/** @param {Uint8Array} module @returns {Iterable<Section>} */
function* sectionsOf(module) {
  for (let at = 8; at < module.length; ) {
    const number = module[at];
    const [length, start] = readU32(module, at + 1);
    at = start + length;
    yield { number, start, end: at };
  }
}

/** Whether the first section is `dylink.0`. */
function isSideModule(/** @type {Uint8Array} */ module) {
  const [, start] = readU32(module, 9);
  return module[8] === 0 && Buffer.from(module.subarray(start + 1, start + 9)).toString() === "dylink.0";
}

/** @param {Uint8Array} bytes @param {number} at @returns {[number, number]} LEB128 at `at`: the number, and where it ends. */
function readU32(bytes, at) {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * factor;
    if (!(byte & 128)) return [value, at];
  }
}

function u32(/** @type {number} */ value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value & 127) | 128);
  return Uint8Array.of(...bytes, value);
}

/** Signed, of a number that is not negative. */
function i32(/** @type {number} */ value) {
  const bytes = [];
  for (; value >= 64; value >>= 7) bytes.push((value & 127) | 128);
  return Uint8Array.of(...bytes, value);
}

function text(/** @type {string} */ value) {
  return [...u32(value.length), ...Buffer.from(value)];
}

function bytesOf(/** @type {any} */ given) {
  return ArrayBuffer.isView(given) ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength) : new Uint8Array(given);
}

function digest(/** @type {Uint8Array} */ bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
