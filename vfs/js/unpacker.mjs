/**
 * Packs are fetched and decoded in a worker: the main thread is busy booting Python while they arrive.
 *
 * The worker runs the same module as the page, and gets the compiled wasm from it.
 */

/** @typedef {import("./wheelfs.js").Unpacker} Unpacker */
/** @typedef {{number: number, url: string, length: number, id: Uint8Array, lengths: Float64Array, here: boolean | Uint8Array}} Job */
/** @typedef {{number: number, chunk?: Uint8Array<ArrayBuffer>}} Piece Of a pack that the page fetches; without a chunk, nothing follows. */
/** @typedef {{file: number, bytes: Uint8Array<ArrayBuffer>, received: number, files: number, module?: WebAssembly.Module}} Unpacked `module`: of a library, compiled. */
/** @typedef {{number: number, unpacked: Unpacked[]}} Batch What was unpacked at one go: one task for the page. */
/** @typedef {{number: number, outcome: string | undefined}} Ended */
/** @typedef {{emit: (file: number, bytes: Uint8Array, received: number, files: number) => void, end: (outcome: string | undefined) => void, fail: () => void}} Client Rejected without a reason: then there can be no worker. */

/** How long the worker is kept after the last pack, milliseconds: there may be another one. */
const KEEP = 30_000;
/** For how many seconds a worker may say nothing while it unpacks. It says every second that it is there. */
const PATIENCE = 30;

/** Libraries that a worker has compiled, by their bytes. @type {WeakMap<Uint8Array, WebAssembly.Module>} */
export const compiledFrom = new WeakMap();

/** For how long unpacked files are gathered into one message, milliseconds: half a frame. */
const GATHER = 8;

/** What {@link dummyInstance} takes for imports that are no globals. @type {Record<string, any> | undefined} */ let stubs;

/** @implements {Unpacker} */
export class WorkerUnpacker {
  /** @type {Worker | undefined} */ #worker;
  /** @type {() => Worker} */ #open = fromSource;
  #lineIsFree;
  /** @type {WebAssembly.Module | undefined} */ #module;
  /** @type {Map<number, Client>} */ #clients = new Map();
  #jobs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #idle;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #watch;
  /** Seconds since the worker said anything, as far as this thread had time to count them. */
  #silent = 0;

  /**
   * Starts the worker, while index and module come.
   *
   * @param {() => void} lineIsFree Called when a request that is sent now delays nothing.
   */
  constructor(lineIsFree) {
    this.#lineIsFree = lineIsFree;
    this.#start();
  }

  /** To be called once: what the worker runs, `wheelfs_bg.wasm`. */
  adopt(/** @type {WebAssembly.Module} */ module) {
    this.#module = module;
    this.#worker?.postMessage(module);
  }

  #start() {
    if (this.#worker) return;
    try {
      const worker = this.#open();
      this.#worker = worker;
      worker.onmessage = ({ data }) => this.#receive(data);
      worker.onerror = (event) => {
        event.preventDefault?.();
        this.#fail();
        // A policy of the page may forbid the one and allow the other.
        if (this.#open === fromSource) {
          this.#open = place.worker;
          this.#start();
        }
      };
      if (this.#module) this.adopt(this.#module);
    } catch {
      this.#fail();
    }
  }

  /** @type {Unpacker["unpack"]} */
  unpack(url, length, id, lengths, here, emit) {
    return new Promise((end, fail) => {
      const number = this.#jobs++;
      this.#clients.set(number, { emit, end, fail });
      clearTimeout(this.#idle);
      this.#silent = 0;
      // A worker that was ended for its memory says nothing any more.
      this.#watch ??= setInterval(() => {
        if (++this.#silent > PATIENCE) this.#fail();
      }, 1000);
      this.#start();
      if (!this.#worker) return;
      // Both lie in the module's memory: there only until it grows, and a clone would be one of all of it.
      /** @type {Job} */ const job = { number, url, length, id: id.slice(), lengths: lengths.slice(), here };
      this.#worker.postMessage(job);
      if (here === true) this.#forward(number, url);
    });
  }

  /** Fetches a pack for the worker, which may not have started yet. What fails here it does again, and says why. */
  async #forward(/** @type {number} */ number, /** @type {string} */ url) {
    const send = (/** @type {Uint8Array<ArrayBuffer> | undefined} */ chunk) =>
      this.#worker?.postMessage({ number, chunk }, chunk ? [chunk.buffer] : []);
    try {
      const asked = performance.now();
      const { ok, body } = await fetch(url);
      const answered = performance.now();
      if (ok && body) {
        const reader = body.getReader();
        for (let chunk; (chunk = (await reader.read()).value); ) send(chunk);
        // The runtime shared the line with it, and what is left of the runtime takes about as long again. A request that
        // is sent a round trip before that is answered when the line falls idle.
        const came = { requestStart: asked, responseStart: answered, responseEnd: performance.now() };
        // A page that preloads it asked for it before.
        const [noted] = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(url));
        const { requestStart, responseStart, responseEnd } = noted ?? came;
        const idle = responseEnd + (responseEnd - responseStart) - (responseStart - requestStart);
        setTimeout(this.#lineIsFree, idle - performance.now());
      }
    } catch {}
    send(undefined);
  }

  #receive(/** @type {Batch | Ended | undefined} */ message) {
    this.#silent = 0;
    if (!message) return;
    const client = this.#clients.get(message.number);
    if (!client) return;
    if ("unpacked" in message) {
      for (const { file, bytes, received, files, module } of message.unpacked) {
        if (module) compiledFrom.set(bytes, module);
        client.emit(file, bytes, received, files);
      }
      return;
    }
    this.#clients.delete(message.number);
    client.end(message.outcome);
    // Its memory, the decoder's window most of all, is only good for packs.
    if (this.#clients.size === 0) {
      this.#unwatch();
      this.#idle = setTimeout(() => this.stop(), KEEP);
    }
  }

  #unwatch() {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #fail() {
    this.stop();
    for (const { fail } of this.#clients.values()) fail();
    this.#clients.clear();
  }

  stop() {
    this.#unwatch();
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** A worker that runs the page's own code: that is here, from whichever origin it came, and costs no round trip. */
function fromSource() {
  return fromText(`(${place.source()})({}).unpackInWorker()`);
}

/** A worker that runs this text. */
export function fromText(/** @type {string} */ text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.addEventListener("message", () => URL.revokeObjectURL(url), { once: true });
  return worker;
}

/**
 * What the worker does. `open` makes the wasm module its own.
 *
 * @param {(module: WebAssembly.Module) => void} open
 * @param {(url: string, length: number, id: Uint8Array, lengths: Float64Array, here: ReadableStream | boolean | Uint8Array, emit: Function) => Promise<string | undefined>} unpackHere
 * @param {(library: Uint8Array) => Uint8Array | undefined} withWarmUp
 */
export function serve(open, unpackHere, withWarmUp) {
  /** @type {any} */ const scope = globalThis;
  /** Packs that the page fetches. @type {Map<number, ReadableStreamDefaultController<Uint8Array>>} */ const streams = new Map();
  const compile = (/** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
    const warm = withWarmUp(bytes);
    let module;
    try {
      module = new WebAssembly.Module(/** @type {BufferSource} */ (warm ?? bytes));
      if (warm) /** @type {() => void} */ (dummyInstance(module).exports["wheelfs:warm-up"])();
    } catch {
      // What cannot be compiled is the dynamic linker's to report.
    }
    return module;
  };
  scope.onmessage = async (/** @type {{data: WebAssembly.Module | Job | Piece}} */ { data }) => {
    if (data instanceof WebAssembly.Module) return open(data);
    if (!("url" in data)) {
      const stream = streams.get(data.number);
      try {
        if (data.chunk) stream?.enqueue(data.chunk);
        else stream?.close();
      } catch {
        // Nobody reads it any more.
      }
      return;
    }
    const { number, url, length, id, lengths, here } = data;
    const source = here === true ? new ReadableStream({ start: (controller) => void streams.set(number, controller) }) : here;
    /** @type {Unpacked[]} */ let unpacked = [];
    let began = 0;
    const send = () => {
      if (!unpacked.length) return;
      scope.postMessage(/** @type {Batch} */ ({ number, unpacked }), unpacked.map(({ bytes }) => bytes.buffer));
      unpacked = [];
    };
    const emit = (/** @type {number} */ file, /** @type {Uint8Array<ArrayBuffer>} */ bytes, /** @type {number} */ received, /** @type {number} */ files) => {
      // Before its bytes go.
      const module = isWasm(bytes) ? compile(bytes) : undefined;
      const now = performance.now();
      if (unpacked.push({ file, bytes, received, files, module }) === 1) {
        began = now;
        // When there is no more to unpack of what has come.
        queueMicrotask(send);
      }
      if (now - began > GATHER) send();
    };
    let outcome;
    const alive = setInterval(() => scope.postMessage(undefined), 1000);
    try {
      outcome = await unpackHere(url, length, id, lengths, source, emit);
    } catch (error) {
      outcome = String(error);
    }
    clearInterval(alive);
    scope.postMessage(/** @type {Ended} */ ({ number, outcome }));
  };
}

/** An instance of a library's module in which nothing should be called that uses what it imports. */
export function dummyInstance(/** @type {WebAssembly.Module} */ module) {
  /** @type {any} */ const { Memory, Table, Tag, Global, Instance } = WebAssembly;
  stubs ??= {
    function() {},
    memory: new Memory({ initial: 1024 }),
    table: new Table({ element: "anyfunc", initial: 1 << 16 }),
    tag: new Tag({ parameters: ["i32"] }),
  };
  /** @type {WebAssembly.Imports} */ const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const mutable = from !== "env" || name === "__stack_pointer";
    (imports[from] ??= {})[name] = kind === "global" ? new Global({ value: "i32", mutable }, 0) : stubs[kind];
  }
  return new Instance(module, imports);
}

function isWasm(/** @type {Uint8Array} */ bytes) {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}
