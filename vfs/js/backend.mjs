/**
 * The Emscripten side: MEMFS nodes whose bytes come later.
 *
 * A lazy node is an ordinary MEMFS node with other operations and a `wheelfs` property. Folders get their children on
 * first use; a file that is written to becomes a plain MEMFS file. So everything that works on MEMFS works here, and
 * renames between lazy and plain folders stay within one filesystem.
 */

/** @typedef {import("./wheelfs.js").Filesystem} Filesystem */
/** @typedef {{ino: number, generation: number}} Lazy */

const EIO = 29, ENOENT = 44;
/** Emscripten's open flags (musl's, for wasm32). */
const O_TRUNC = 0o1000, O_DIRECTORY = 0o200000, O_CLOEXEC = 0o2000000, O_PATH = 0o10000000;
const O_ACCMODE = 0o3;
const AT_FDCWD = -100;
/** Generation of a folder before its first use. */
const NEVER_FILLED = -1;
const FOLDER = 0o40777, FILE = 0o100666, EXECUTABLE = 0o100777;

export class Backend {
  /** @type {any} */ #FS;
  /** @type {any} */ #MEMFS;
  #filesystem;
  #process;
  /**
   * Counts mounts: a folder that was listed before is completed when it changes. At 0, while Pyodide boots, folders of
   * generation 0 show nothing: it reads the METADATA of every package it finds, and nothing can wait then.
   */
  #generation = 0;
  /** The file that is being opened, when its bytes are here. @type {{node: any, bytes: Uint8Array} | undefined} */ #found;
  /** Absolute paths of the roots, by inode. @type {string[]} */
  roots = [];
  /** Told of each promise that Python, or who is going to run it, waits for. @type {((promise: Promise<any>) => void) | undefined} */ onWait;
  /** A promise for the file at a path that does not exist, if it is being made. @type {((path: string) => Promise<any> | undefined) | undefined} */ making;

  /**
   * @param {any} FS Emscripten's.
   * @param {Filesystem} filesystem
   * @param {{ interpreter: any, module: any, live: boolean }} process The exports of Pyodide's module, Emscripten's object,
   *   and whether Python runs.
   */
  constructor(FS, filesystem, process) {
    this.#FS = FS;
    this.#MEMFS = FS.filesystems.MEMFS;
    this.#filesystem = filesystem;
    this.#process = process;
    const memfs = this.#MEMFS;
    const folder = memfs.createNode(null, "/", FOLDER, 0);
    const file = memfs.createNode(null, "/", FILE, 0);
    this.folderOps = this.#folderOps(folder.node_ops);
    this.plainFile = { node_ops: file.node_ops, stream_ops: file.stream_ops };
    this.fileOps = this.#fileOps(file.node_ops);
    this.streamOps = this.#streamOps(file.stream_ops);
  }

  /** Makes the folder at `path` show the children of `ino` beside what it holds: at once, or when Python runs. */
  graft(/** @type {string} */ path, /** @type {number} */ ino, atOnce = false) {
    this.#FS.mkdirTree(path);
    this.roots[ino] = path;
    this.#makeLazyFolder(this.find(path), ino, atOnce ? NEVER_FILLED : 0);
  }

  /** Something was mounted, or Python has booted: folders look again. */
  refresh() {
    this.#generation++;
    // importlib.metadata goes by the time of the folder on `sys.path`.
    for (const path of this.roots) {
      const root = this.find(path);
      root.timestamp = root.mtime = root.ctime = Date.now();
    }
  }

  /** Nothing, or a promise for the bytes that an `openat` would have to wait for. */
  missingForOpen(/** @type {number} */ dirfd, /** @type {string} */ path, /** @type {number} */ flags) {
    if (flags & (O_TRUNC | O_DIRECTORY | O_PATH)) return null;
    if (dirfd !== AT_FDCWD && path[0] !== "/") return null;
    const node = this.find(path);
    if (!node) return this.#awaited(this.making?.(path));
    const ino = node.stream_ops === this.streamOps && node.wheelfs?.ino;
    // Python opens a library before it loads it, to see that it can.
    if (ino && !(flags & O_ACCMODE) && this.#filesystem.isSplit(ino)) return null;
    // `open` follows at once, and would ask again.
    const bytes = ino && this.#filesystem.bytes(ino);
    this.#found = bytes && { node, bytes };
    // A part of a large file is brought when it is read. Its beginning now: a failed open names the file, a failed read does not.
    return bytes ? null : this.missing(node, 0, flags & O_ACCMODE ? Infinity : 1);
  }

  /**
   * Nothing, or a promise for the bytes that a read of `fd` would have to wait for.
   *
   * @param {number} fd
   * @param {Uint32Array} memory The interpreter's.
   * @param {number} vectors Where in it the read's vectors are: pairs of address and length.
   * @param {number} count Number of vectors.
   * @param {number} offset Where in the file; negative: where the stream is.
   */
  missingForRead(fd, memory, vectors, count, offset) {
    const stream = this.#FS.streams[fd];
    if (!stream?.node?.wheelfs || stream.bytes) return null;
    const start = offset < 0 ? stream.position : offset;
    let end = start;
    for (let i = 0; i < count; i++) end += memory[(vectors >>> 2) + 2 * i + 1];
    return this.#isLinkers(stream, start, end - start) ? null : this.missing(stream.node, start, end);
  }

  /**
   * Whether a read into the interpreter's memory is `dlopen`'s own. Emscripten's puts the file there before it asks for the
   * library to be loaded, never frees it, and does without if it cannot be read (system/lib/libc/dynlink.c). Our libraries
   * are linked from elsewhere. It is told from Python's reads, whose files are all opened with O_CLOEXEC, and from stdio's,
   * which ask for more or less than the file.
   */
  #isLinkers(/** @type {any} */ { flags, node }, /** @type {number} */ position, /** @type {number} */ length) {
    return !(flags & O_CLOEXEC) && position === 0 && length === node.usedBytes && node.name.includes(".so");
  }

  /** The same for a map, which takes the whole file. */
  missingForMap(/** @type {number} */ fd) {
    return this.missing(this.#FS.streams[fd]?.node);
  }

  /** Nothing, or a promise that never rejects, for the bytes from `start` to `end`. */
  missing(/** @type {any} */ node, start = 0, end = Infinity) {
    const lazy = node?.wheelfs;
    if (!lazy || this.#FS.isDir(node.mode)) return null;
    return this.#awaited(this.#filesystem.missing(lazy.ino, start, end));
  }

  #awaited(/** @type {Promise<any> | undefined} */ promise) {
    if (promise) this.onWait?.(promise);
    return promise ?? null;
  }

  /**
   * Puts bytecode of a lazy source where importlib looks for it. It goes when it has been read.
   *
   * @param {string} path
   * @param {Uint8Array} bytes
   * @param {import("./compiler.mjs").Source} of
   */
  addBytecode(path, bytes, { source, ino, length }) {
    const FS = this.#FS;
    // Not where it has been replaced.
    if (this.find(source)?.wheelfs?.ino !== ino) return;
    const folder = path.replace(/[/][^/]*$/, "");
    if (!this.find(folder)) FS.mkdir(folder);
    FS.writeFile(path, bytes);
    this.readOnce(path, ino, length);
  }

  /** The file at `path`, MEMFS's, goes when it has been read. It stands for the lazy file `ino`, of `length` bytes. */
  readOnce(/** @type {string} */ path, /** @type {number} */ ino, /** @type {number} */ length) {
    const node = this.find(path);
    if (!node) return;
    node.stream_ops = {
      ...node.stream_ops,
      close: () => {
        // Who opens it, importlib, reads all of it.
        this.#filesystem.noteRead(ino, 0, length);
        // Not where it has been replaced.
        if (this.find(path) === node) this.#FS.unlink(path);
      },
    };
  }

  /** What a folder holds, by name. */
  contents(/** @type {any} */ folder) {
    this.#fill(folder);
    return folder.contents;
  }

  /**
   * The bytecode that archives have of a lazy source, if it is here. It counts as read. An empty source is its own.
   *
   * @param {string} path
   * @param {string} suffix of its file, in place of `.py`.
   */
  bytecode(path, suffix) {
    const source = this.find(path);
    if (!source?.wheelfs) return;
    // What was mounted since may have given it another length.
    const cache = this.contents(source.parent).__pycache__;
    if (source.usedBytes === 0) return new Uint8Array(0);
    if (!cache?.wheelfs || !this.#FS.isDir(cache.mode)) return;
    const ino = this.contents(cache)[source.name.replace(/[.]py$/, suffix)]?.wheelfs?.ino;
    const bytes = ino && this.#filesystem.bytes(ino);
    if (bytes) this.#filesystem.noteRead(ino, 0, bytes.length);
    return bytes;
  }

  /** Nothing, or a promise that never rejects, for what is to be linked for the library at `path`. */
  missingLibrary(/** @type {string} */ path) {
    const lazy = this.find(path)?.wheelfs;
    return this.#awaited(lazy && this.#filesystem.missingLibrary(lazy.ino));
  }

  /** Whether nothing is missing of what is to be linked for a library. */
  hasLibrary(/** @type {string} */ path) {
    const lazy = this.find(path)?.wheelfs;
    return !lazy || this.#filesystem.library(lazy.ino);
  }

  /** What is to be linked for a library, without returning to the event loop if need be. Throws Emscripten's ErrnoError. */
  library(/** @type {string} */ path) {
    const node = this.find(path);
    if (!node?.wheelfs) return this.#FS.readFile(path);
    this.#filesystem.noteRead(node.wheelfs.ino, 0, node.usedBytes);
    return this.#filesystem.library(node.wheelfs.ino) ?? this.#bytes(node);
  }

  /** The functions that the primary module of the library `ino` lacks; the same. */
  secondary(/** @type {number} */ ino) {
    return this.#block(() => this.#filesystem.secondaryBlocking(ino));
  }

  /** Paths of the libraries that the library at `path` needs. */
  needed(/** @type {string} */ path) {
    const node = this.find(path);
    return node?.wheelfs ? this.paths(this.#filesystem.needed(node.wheelfs.ino)) : [];
  }

  /** Absolute paths of rows of two: inode of the root, path below it. */
  paths(/** @type {any[]} */ rows) {
    /** @type {string[]} */ const paths = [];
    for (let i = 0; i < rows.length; i += 2) paths.push(`${this.roots[rows[i]]}/${rows[i + 1]}`);
    return paths;
  }

  /** The node at `path`, or undefined. */
  find(/** @type {string} */ path) {
    try {
      return this.#FS.lookupPath(path, { follow: true }).node;
    } catch {
      return undefined;
    }
  }

  #makeLazyFolder(/** @type {any} */ node, /** @type {number} */ ino, generation = NEVER_FILLED) {
    node.wheelfs = { ino, generation };
    node.node_ops = this.folderOps;
  }

  /** Gives a folder the children it does not have yet. */
  #fill(/** @type {any} */ folder) {
    /** @type {Lazy | undefined} */ const lazy = folder.wheelfs;
    if (!lazy || lazy.generation === this.#generation) return;
    const first = lazy.generation <= 0;
    lazy.generation = this.#generation;
    const { timestamp, atime, mtime, ctime } = folder;
    const before = Object.keys(folder.contents).length;
    const rows = this.#filesystem.children(lazy.ino);
    /** @type {string[]} */ const own = [];
    for (let i = 0; i < rows.length; i += 5) {
      const [name, ino, length, modified, executable] = rows.slice(i, i + 5);
      const present = Object.hasOwn(folder.contents, name) && folder.contents[name];
      if (present) {
        const isFolder = this.#FS.isDir(present.mode);
        if (present.wheelfs?.ino === ino) {
          // Another archive's file of this name may have taken its place.
          if (!isFolder && (length !== present.usedBytes || modified !== present.wheelfs.modified)) describe(present, length, modified);
        } else if (isFolder) {
          // One that was moved here keeps what it has; a root below another one stays what it is.
          this.#fill(present);
          if (length < 0 && !this.roots[present.wheelfs?.ino]) this.#makeLazyFolder(present, ino, first ? NEVER_FILLED : this.#generation - 1);
        } else if (first) {
          own.push(name);
        } else if (length >= 0) {
          // Mounted since: it replaces what is there, as unpacking would.
          delete folder.contents[name];
          this.#FS.destroyNode(present);
        }
        if (Object.hasOwn(folder.contents, name)) continue;
      }
      const node = this.#MEMFS.createNode(folder, name, length < 0 ? FOLDER : executable ? EXECUTABLE : FILE, 0);
      if (length < 0) {
        this.#makeLazyFolder(node, ino);
      } else {
        node.wheelfs = { ino };
        node.node_ops = this.fileOps;
        node.stream_ops = this.streamOps;
        describe(node, length, modified);
      }
    }
    // Such as `fsInit` has written, before anything was shown.
    for (const name of own) this.#replaced(folder, name);
    // Showing what was always there is no change; importlib would read the folder again if its time moved.
    if (first || Object.keys(folder.contents).length === before) {
      Object.assign(folder, { timestamp, atime, mtime, ctime });
    }
  }

  /** A file of its own from now on: the bytes are copied, the node is MEMFS's. */
  #materialise(/** @type {any} */ node, /** @type {Uint8Array} */ bytes) {
    this.#replaced(node.parent, node.name);
    delete node.wheelfs;
    node.contents = bytes.slice();
    node.usedBytes = bytes.length;
    Object.assign(node, this.plainFile);
  }

  /**
   * What archives have of this name is not what is there now. Of a source the bytecode which a pack brought goes as well:
   * Python would not notice that it is not its own.
   */
  #replaced(/** @type {any} */ folder, /** @type {string} */ name) {
    const { wheelfs, contents } = folder;
    if (wheelfs) this.#filesystem.detach(wheelfs.ino, name);
    const cache = name.endsWith(".py") && contents?.__pycache__;
    if (!cache?.wheelfs) return;
    this.#fill(cache);
    const prefix = `${name.slice(0, -2)}cpython-`;
    for (const [child, node] of Object.entries(cache.contents)) {
      if (!child.startsWith(prefix) || !(/** @type {any} */ (node).wheelfs)) continue;
      delete cache.contents[child];
      this.#FS.destroyNode(node);
      this.#filesystem.detach(cache.wheelfs.ino, child);
    }
  }

  /** The bytes of a lazy file; without returning to the event loop if they are not here. */
  #bytes(/** @type {any} */ node) {
    const { ino } = node.wheelfs;
    const bytes = this.#filesystem.bytes(ino);
    if (bytes) return bytes;
    this.#throwFailure(ino);
    return this.#block(() => this.#filesystem.bytesBlocking(ino));
  }

  /** Whether the bytes could be had without the whole file; then they are in `target`. */
  #readPart(/** @type {any} */ node, /** @type {number} */ position, /** @type {any} */ target) {
    return this.#block(() => this.#filesystem.readPart(node.wheelfs.ino, position, target));
  }

  /**
   * Does what may send a synchronous request. With the GIL once there is one, which Python lets go of around a read: WebKit's workers run
   * other tasks meanwhile, and the finalisers of Pyodide's proxies among them fail without it.
   *
   * @template T
   * @param {() => T} read
   */
  #block(read) {
    const python = this.#process.live && this.#process.interpreter;
    const state = python && python.PyGILState_Ensure();
    try {
      return read();
    } catch (error) {
      throw this.#ioError(error);
    } finally {
      if (python) python.PyGILState_Release(state);
    }
  }

  /** If a wait for the file has just failed, nobody asks for it again at once. */
  #throwFailure(/** @type {number} */ ino) {
    const failure = this.#filesystem.failure(ino);
    if (failure) throw this.#ioError(failure);
  }

  /** `OSError(EIO)` for Python; what exactly failed goes to the console, and into messages made of the error. */
  #ioError(/** @type {any} */ cause) {
    // Bytecode that is still under way where nothing can wait: Python compiles the source instead.
    if (cause.code !== "pending") console.error(`wheelfs: ${cause.message}`);
    const error = new this.#FS.ErrnoError(EIO);
    error.message = cause.message;
    return error;
  }

  #folderOps(/** @type {any} */ memfs) {
    const fill = this.#fill.bind(this);
    const replaced = this.#replaced.bind(this);
    const { rename: move } = memfs;
    const rename = (/** @type {any} */ node, /** @type {any} */ folder, /** @type {string} */ name) => {
      const { parent: oldParent, name: oldName } = node;
      fill(folder);
      const present = folder.contents[name];
      if (present && this.#FS.isDir(present.mode)) fill(present);
      move(node, folder, name);
      replaced(oldParent, oldName);
      replaced(folder, name);
    };
    // Emscripten asks the folder that a file leaves.
    memfs.rename = rename;
    return {
      ...memfs,
      lookup(/** @type {any} */ parent, /** @type {string} */ name) {
        fill(parent);
        if (Object.hasOwn(parent.contents, name)) return parent.contents[name];
        return memfs.lookup(parent, name);
      },
      readdir(/** @type {any} */ node) {
        fill(node);
        return memfs.readdir(node);
      },
      mknod(/** @type {any} */ parent, /** @type {string} */ name, /** @type {number} */ mode, /** @type {number} */ dev) {
        fill(parent);
        replaced(parent, name);
        return memfs.mknod(parent, name, mode, dev);
      },
      symlink(/** @type {any} */ parent, /** @type {string} */ name, /** @type {string} */ target) {
        fill(parent);
        return memfs.symlink(parent, name, target);
      },
      unlink(/** @type {any} */ parent, /** @type {string} */ name) {
        fill(parent);
        replaced(parent, name);
        memfs.unlink(parent, name);
      },
      rmdir: (/** @type {any} */ parent, /** @type {string} */ name) => {
        fill(parent);
        fill(this.#FS.lookupNode(parent, name));
        memfs.rmdir(parent, name);
        replaced(parent, name);
      },
    };
  }

  #fileOps(/** @type {any} */ memfs) {
    return {
      ...memfs,
      getattr: (/** @type {any} */ node) => {
        if (node.wheelfs) this.#fill(node.parent);
        return memfs.getattr(node);
      },
      setattr: (/** @type {any} */ node, /** @type {any} */ attributes) => {
        if (attributes.size !== undefined && node.wheelfs) {
          this.#materialise(node, attributes.size === 0 ? new Uint8Array(0) : this.#bytes(node));
        }
        memfs.setattr(node, attributes);
      },
    };
  }

  #streamOps(/** @type {any} */ memfs) {
    const own = (/** @type {any} */ stream) => {
      if (stream.node.wheelfs) this.#materialise(stream.node, this.#bytes(stream.node));
      stream.stream_ops = stream.node.stream_ops;
    };
    const ofOwn = (/** @type {string} */ name) => [
      name,
      (/** @type {any} */ stream, /** @type {any[]} */ ...rest) => {
        own(stream);
        return memfs[name](stream, ...rest);
      },
    ];
    return {
      ...memfs,
      // Emscripten had `allocate` until 4.0.
      ...Object.fromEntries(["write", "allocate", "msync"].filter((name) => memfs[name]).map(ofOwn)),
      open: (/** @type {any} */ stream) => {
        const lazy = stream.node.wheelfs;
        // What is here is asked for once, not with every read.
        const found = this.#found;
        this.#found = undefined;
        if (lazy) this.#fill(stream.node.parent);
        if (!lazy || (stream.bytes = found && found.node === stream.node ? found.bytes : this.#filesystem.bytes(lazy.ino))) return;
        try {
          if (this.#filesystem.isLost(lazy.ino)) throw new this.#FS.ErrnoError(ENOENT);
          this.#throwFailure(lazy.ino);
        } catch (error) {
          // Emscripten, which has given the stream its number, would keep it.
          this.#FS.closeStream(stream.fd);
          throw error;
        }
      },
      read: (
        /** @type {any} */ stream, /** @type {Int8Array} */ buffer, /** @type {number} */ offset,
        /** @type {number} */ length, /** @type {number} */ position,
      ) => {
        const node = stream.node;
        if (!node.wheelfs) return memfs.read(stream, buffer, offset, length, position);
        const count = Math.max(0, Math.min(length, (stream.bytes?.length ?? node.usedBytes) - position));
        if (count === 0) return 0;
        if (buffer === this.#process.module.HEAP8 && this.#isLinkers(stream, position, length)) throw new this.#FS.ErrnoError(EIO);
        if (stream.bytes || !this.#readPart(node, position, buffer.subarray(offset, offset + count))) {
          // Held by the stream, so that a file that is being read stays although the cache drops it.
          stream.bytes ??= this.#bytes(node);
          buffer.set(stream.bytes.subarray(position, position + count), offset);
        }
        this.#filesystem.noteRead(node.wheelfs.ino, position, count);
        return count;
      },
      mmap: (/** @type {any} */ stream, /** @type {any[]} */ ...rest) => {
        const node = stream.node;
        if (!node.wheelfs) return memfs.mmap(stream, ...rest);
        const { contents } = node;
        node.contents = stream.bytes ??= this.#bytes(node);
        try {
          this.#filesystem.noteRead(node.wheelfs.ino, rest[1], rest[0]);
          return memfs.mmap(stream, ...rest);
        } finally {
          node.contents = contents;
        }
      },
    };
  }
}

/** Gives a lazy file its length, and its time in seconds. */
function describe(/** @type {any} */ node, /** @type {number} */ length, /** @type {number} */ modified) {
  node.usedBytes = length;
  node.wheelfs.modified = modified;
  // Emscripten had one time per node until 4.0, three since.
  node.timestamp = node.atime = node.mtime = node.ctime = modified * 1000;
}
