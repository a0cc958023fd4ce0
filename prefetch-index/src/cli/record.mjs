// Runs a Python file on the stock Pyodide of a folder and writes down every read of an installed file.
// Started by `prefetch-index record` with one argument, the options as JSON. Any Node from 18 on: packages are loaded
// eagerly, as every page does, so nothing has to suspend.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { Profile } from "./profile.mjs";

/**
 * @typedef {{ dir: string, app: string, packages: string[], out: string }} Options
 * @typedef {{ name: string, file_name: string, sha256: string, imports: string[], depends: string[] }} LockPackage
 */

/** Exit statuses `prefetch-index` knows: Python's traceback was printed; `out` holds a message. */
const APP_FAILED = 3;
const REFUSED = 4;

const options = /** @type {Options} */ (JSON.parse(process.argv[2]));
const dir = resolve(options.dir);

/** @param {string} message @returns {never} */
function refuse(message) {
  writeFileSync(options.out, message);
  process.exit(REFUSED);
}

/** @type {{ packages: Record<string, LockPackage> }} */
const lock = JSON.parse(readFileSync(join(dir, "pyodide-lock.json"), "utf8"));

/** One spelling for all of a package's names (PEP 503): the lock's `Pillow` is `pillow` to those who depend on it. @param {string} name */
const canonical = (name) => name.toLowerCase().replace(/[-_.]+/g, "-");
const byName = new Map(Object.values(lock.packages).map((entry) => [canonical(entry.name), entry]));

/**
 * The packages and everything they depend on, dependencies first.
 * @param {Iterable<string>} names
 * @returns {LockPackage[]}
 */
function closure(names) {
  /** @type {Map<string, LockPackage>} */
  const found = new Map();
  const visiting = new Set();
  /** @param {string} name */
  const visit = (name) => {
    if (visiting.has(canonical(name))) return;
    visiting.add(canonical(name));
    const entry = byName.get(canonical(name)) ?? refuse(`the lock file of ${options.dir} has no package ${name}; take a name it has`);
    entry.depends.forEach(visit);
    found.set(entry.name, entry);
  };
  for (const name of names) visit(name);
  return [...found.values()];
}

/** Names of installed files as a trace has them; null for everything else. @param {string} sitePackages */
function pathNamer(sitePackages) {
  const libraries = "/usr/lib/";
  /** @param {string} path */
  return (path) => {
    if (path.startsWith(`${sitePackages}/`)) return path.slice(sitePackages.length + 1);
    if (path.startsWith(libraries)) return `lib:${path.slice(libraries.length)}`;
    return null;
  };
}

const profile = new Profile();
const { loadPyodide } = await import(pathToFileURL(join(dir, "pyodide.mjs")).href);
const pyodide = await loadPyodide({ indexURL: `${dir}/` });
// A lock file may say where its archives are for a page; here all are in the folder.
for (const entry of Object.values(pyodide._api.lockfile_packages)) entry.file_name = basename(entry.file_name);
const { FS } = pyodide;
const source = readFileSync(options.app, "utf8");

let names = options.packages;
if (names.length === 0) {
  const owner = new Map(Object.values(lock.packages).flatMap((entry) => entry.imports.map((i) => [i, entry.name])));
  const findImports = pyodide.pyimport("pyodide.code").find_imports;
  const imports = [];
  try {
    imports.push(...findImports(source).toJs());
  } catch (error) {
    console.error(String(/** @type {Error} */ (error).message));
    process.exit(APP_FAILED);
  }
  names = imports.map((/** @type {string} */ name) => owner.get(name)).filter((name) => name !== undefined);
}
const sitePackages = pyodide.runPython("import site; site.getsitepackages()[0]");

// Stock Pyodide links all libraries of a package when it is installed. A page links them as they are needed, and which of
// several libraries' symbols all others get is decided by who is linked first. So here as well.
/** Paths of the packages' libraries, by file name. @type {Map<string, string>} */
const libraries = new Map();
pyodide.runPython(`
def postpone(site_packages, note):
    import pyodide._package_loader as loader

    get_dynlibs = loader.get_dynlibs

    def get_shared_libraries(*args):
        found = get_dynlibs(*args)
        for path in found:
            note(path)
        return [path for path in found if not path.startswith(site_packages)]

    loader.get_dynlibs = get_shared_libraries

postpone
`, { globals: pyodide.toPy({}) })(`${sitePackages}/`, (/** @type {string} */ path) => void libraries.set(basename(path), path));

/** Path of a library: those that others need are named without their folders. @param {string} name */
const find = (name) => libraries.get(name) ?? name;

/** Links a library and what it needs, at once. What fails is said by the \`dlopen\` that follows. @param {string} path */
function link(path) {
  const { loadDynamicLibrary, LDSO } = pyodide._module;
  if (LDSO.loadedLibsByName[path]) return;
  const fs = {
    findObject: (/** @type {string} */ name) => FS.findObject(find(name)),
    readFile: (/** @type {string} */ name, /** @type {any} */ options) => FS.readFile(find(name), options),
  };
  try {
    loadDynamicLibrary(path, { loadAsync: false, nodelete: true, allowUndefined: true, global: false, fs }, {});
  } catch {
    delete LDSO.loadedLibsByName[path];
  }
}

const packages = closure(names);
for (const { name, file_name } of packages) {
  // Pyodide would fetch it from its CDN and store it in the folder.
  if (existsSync(join(dir, basename(file_name)))) continue;
  refuse(`${options.dir} lacks ${basename(file_name)} (package ${name}); put it there, or choose with --packages`);
}
await pyodide.loadPackage(packages.map(({ name }) => name), { messageCallback: () => {} });
for (const { name } of packages) {
  if (name in pyodide.loadedPackages) continue;
  refuse(`Pyodide could not load package ${name} from ${options.dir}; is its archive the lock file's?`);
}

/** @type {object[]} */
const events = [];
let started = 0;
const now = () => Math.round((performance.now() - started) * 1000) / 1000;
const nameOf = pathNamer(sitePackages);

/** @param {string} path @param {number} offset @param {number} len */
function noteRead(path, offset, len) {
  const read = nameOf(path);
  if (read !== null && len > 0) events.push({ t: now(), read, offset, len });
}

// Emscripten's system calls go through this object, so its methods see every read, Python's and its own.
const { read, mmap } = FS;
/** @type {(stream: any, buffer: Uint8Array, offset: number, length: number, position?: number) => number} */
const watchedRead = (stream, buffer, offset, length, position) => {
  const from = position ?? stream.position;
  const count = read.call(FS, stream, buffer, offset, length, position);
  noteRead(FS.getPath(stream.node), from, count);
  return count;
};
/** @type {(stream: any, length: number, position: number, ...rest: any[]) => any} */
const watchedMmap = (stream, length, position, ...rest) => {
  noteRead(FS.getPath(stream.node), position, length);
  return mmap.call(FS, stream, length, position, ...rest);
};
Object.assign(FS, { read: watchedRead, mmap: watchedMmap });

/** A library is loaded now. @param {string} path */
function noteLibrary(path) {
  const found = FS.analyzePath(path);
  if (!found.exists) return;
  noteRead(FS.getPath(found.object), 0, found.object.usedBytes);
  link(path);
}

// Outermost imports of the program itself, and extension modules at the moment they are loaded.
const watch = pyodide.runPython(`
def watch(begin, end, library):
    import builtins, ctypes, sys
    from importlib.machinery import ExtensionFileLoader

    import_ = builtins.__import__
    create_module = ExtensionFileLoader.create_module
    dlopen = ctypes._dlopen
    dont_write_bytecode = sys.dont_write_bytecode
    depth = 0

    def watched_import(name, globals=None, locals=None, fromlist=(), level=0):
        nonlocal depth
        if depth or level or not globals or globals.get("__name__") != "__main__":
            return import_(name, globals, locals, fromlist, level)
        parts = [f"{name}.{part}" for part in fromlist or () if f"{name}.{part}" not in sys.modules]
        depth += 1
        started = begin(name)
        try:
            return import_(name, globals, locals, fromlist, level)
        finally:
            depth -= 1
            # "from scipy import stats" is an import of scipy.stats.
            parts = [part for part in parts if part in sys.modules]
            end(started, parts[0] if len(parts) == 1 else name)

    def watched_create_module(self, spec):
        library(spec.origin)
        return create_module(self, spec)

    def watched_dlopen(name, *args):
        if isinstance(name, str):
            library(name)
        return dlopen(name, *args)

    def restore():
        builtins.__import__ = import_
        ExtensionFileLoader.create_module = create_module
        ctypes._dlopen = dlopen
        sys.dont_write_bytecode = dont_write_bytecode

    builtins.__import__ = watched_import
    ExtensionFileLoader.create_module = watched_create_module
    ctypes._dlopen = watched_dlopen
    # A program that leaves .pyc files behind would read those the second time it imports a module.
    sys.dont_write_bytecode = True
    return restore

watch
`, { globals: pyodide.toPy({}) });

/** What the program exited with; null when it failed otherwise. A text is printed, as Python does. @param {unknown} error */
function exitCode(error) {
  if (/** @type {{ type?: string }} */ (error).type !== "SystemExit") return null;
  return Number(pyodide.runPython(`
import sys
code = sys.last_value.code
if code is not None and not isinstance(code, int):
    print(code, file=sys.stderr)
    code = 1
int(code or 0)
`, { globals: pyodide.toPy({}) }));
}

// asyncio lets SystemExit out of its loop as well, to nobody.
process.on("unhandledRejection", (error) => {
  if (/** @type {{ type?: string }} */ (error)?.type !== "SystemExit") throw error;
});

started = performance.now();
const restore = watch(
  (/** @type {string} */ name) => events.push({ t: now(), import: name }) - 1,
  (/** @type {number} */ begun, /** @type {string} */ name) => {
    /** @type {any} */ (events[begun]).import = name;
    events.push({ t: now(), imported: name });
  },
  noteLibrary,
);
try {
  await pyodide.runPythonAsync(source, { filename: basename(options.app) });
} catch (error) {
  const code = exitCode(error);
  if (code === null) {
    console.error(String(/** @type {Error} */ (error).message).trimEnd());
    process.exit(APP_FAILED);
  }
  if (code !== 0) refuse(`${options.app}: the program exited with code ${code}; nothing was written`);
}
restore();
Object.assign(FS, { read, mmap });

// Pyodide's own modules and the program's; which of them the archive holds is for the reader of the trace to see.
const loaded = pyodide.runPython(`
import sys
archive = next((path for path in sys.path if path.endswith(".zip")), "") + "/"
origins = [getattr(getattr(module, "__spec__", None), "origin", None) or "" for module in list(sys.modules.values())]
tuple([origin.removeprefix(root) for origin in origins if origin.startswith(root)] for root in (archive, f"{sitePackages}/"))
`, { globals: pyodide.toPy({ sitePackages }) });
const [stdlib, modules] = /** @type {string[][]} */ (loaded.toJs());

// Which functions were called is known by the library's content. A library that others need was loaded before the program
// began, and nothing reads it.
/** @type {Record<string, number[]>} */
const called = {};
for (const path of new Set(Object.keys(pyodide._module.LDSO.loadedLibsByName).map(find))) {
  const name = nameOf(path);
  if (name === null || !FS.analyzePath(path).exists) continue;
  const numbers = profile.called(FS.readFile(path));
  if (numbers) called[name] = numbers;
}

const header = {
  wheelfs_trace: 1,
  pyodide: pyodide.version,
  python: pyodide.runPython("import sys; sys.version.split()[0]"),
  app: basename(options.app),
  packages: packages.map(({ name, file_name, sha256 }) => ({ name, file_name: basename(file_name), sha256 })),
  stdlib,
  modules,
  called,
};
writeFileSync(options.out, [header, ...events].map((line) => `${JSON.stringify(line)}\n`).join(""));
process.exit(0);
