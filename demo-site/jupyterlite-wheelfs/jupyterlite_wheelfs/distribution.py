"""The site's Pyodide: in the site itself, or wherever its kernel loads it from."""

import ast
import hashlib
import http.client
import json
import re
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

from .errors import Unreachable, WheelfsError

LOCK = "pyodide-lock.json"
# Up to 0.29 the module is a script, from 314 on it is a module.
EITHER = ("pyodide.asm.js", "pyodide.asm.mjs")
RUNTIME = ("pyodide.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
# For how many seconds a server may send nothing.
SILENCE = 60


def canonical(name):
    """One spelling for all of a package's names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Distribution:
    """Files of one Pyodide, gathered as `prefetch-index` wants them: all in one folder, below `gathered`.

    `runtime`: the folder of `pyodide.mjs`, a path or an absolute URL. `lock`: the same for the lock file.
    """

    def __init__(self, runtime, lock, gathered, log):
        self.runtime = runtime
        self.lock_file = lock
        # One for each place: what was downloaded stays, and another Pyodide's is not taken for it.
        self.folder = gathered / hashlib.sha256(f"{runtime} {lock}".encode()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / LOCK
        before = kept.read_bytes() if kept.exists() else None
        try:
            self._take(lock, LOCK, changes=True)
        except Unreachable as error:
            if before is None:
                raise
            log.warning("[wheelfs] %s; until then the one of an earlier build is taken, %s", error, kept)
        self.lock_bytes = kept.read_bytes()
        lock_file = json.loads(self.lock_bytes)
        # Another release may be at these URLs now.
        if before not in (None, self.lock_bytes):
            for name in (*RUNTIME, *EITHER):
                (self.folder / name).unlink(missing_ok=True)
        self.packages = lock_file["packages"]
        # Those of 0.28.0 to 0.29.3 all say 0.28.0.dev0, later ones nothing.
        version = lock_file["info"].get("version", "")
        self.version = version if version and ".dev" not in version else None
        # Where Pyodide looks for what the lock file names: beside it from 0.28 on.
        self.names_beside_lock = not (self.version or "").startswith("0.27.")
        self._named = {canonical(entry["name"]): entry for entry in self.packages.values()}

    def gather_runtime(self):
        """Brings what it takes to run Python."""
        for name in RUNTIME:
            self._take(join(self.runtime, name), name)
        # First the one that an earlier build found: no request is made for it.
        for name in sorted(EITHER, key=lambda name: not (self.folder / name).exists()):
            try:
                self._take(join(self.runtime, name), name)
                self._runtime = (*RUNTIME, name)
                return
            except WheelfsError as error:
                missing = error
        raise missing

    def identity(self):
        """What makes it this one: its interpreter, and the lock file, which names each archive's SHA-256."""
        return [self.lock_bytes, *((self.folder / name).read_bytes() for name in self._runtime)]

    def gather(self, names):
        """Brings these packages' archives."""
        for name in names:
            entry = self._named[name]
            beside = self.lock_file if self.names_beside_lock else join(self.runtime, LOCK)
            source = urllib.parse.urljoin(str(beside), entry["file_name"])
            if isinstance(beside, Path) and "://" not in entry["file_name"]:
                source = (beside.parent / entry["file_name"]).resolve()
            file = self._take(source, entry["file_name"].rsplit("/", 1)[-1])
            found = hashlib.sha256(file.read_bytes()).hexdigest()
            if found != entry["sha256"]:
                file.unlink()
                raise WheelfsError(
                    f"{source}: SHA-256 {found} instead of the lock file's {entry['sha256']}; "
                    "take the archives and the lock file from one release"
                )

    def has(self, name):
        return canonical(name) in self._named

    def closure(self, names):
        """Canonical names of these packages and all they depend on; what the lock does not have is left out."""
        found, waiting = [], [canonical(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name in found or name not in self._named:
                continue
            found.append(name)
            waiting += [canonical(other) for other in self._named[name]["depends"]]
        return sorted(found)

    def imported_by(self, source):
        """Names of the packages that a piece of Python imports, IPython's magics aside."""
        owners = {module: name for name, entry in self._named.items() for module in entry["imports"]}
        names = set()
        for module in modules_imported(source):
            parts = module.split(".")
            for end in range(len(parts), 0, -1):
                owner = owners.get(".".join(parts[:end]))
                if owner:
                    names.add(owner)
                    break
        return sorted(names)

    def lock_name(self, name):
        """The name that the lock file uses."""
        return self._named[name]["name"]

    def modules(self, name):
        return self._named[canonical(name)]["imports"]

    def _take(self, source, name, changes=False):
        target = self.folder / name
        if isinstance(source, Path):
            if not source.is_file():
                raise WheelfsError(f"{source} is missing: the site's Pyodide must be whole to be indexed")
            shutil.copy2(source, target)
        elif changes or not target.exists():
            download(source, target)
        return target


def join(base, name):
    return base / name if isinstance(base, Path) else urllib.parse.urljoin(base, name)


def download(url, target):
    request = urllib.request.Request(url, headers={"User-Agent": "jupyterlite-wheelfs"})
    partial = target.with_name(target.name + ".partial")
    try:
        with urllib.request.urlopen(request, timeout=SILENCE) as response, partial.open("wb") as file:
            shutil.copyfileobj(response, file)
            # A body that ends early is no error to http.client.
            announced, found = response.headers.get("Content-Length"), file.tell()
        if announced not in (None, str(found)):
            raise OSError(f"{found} of {announced} bytes came")
    except (http.client.HTTPException, OSError) as error:
        raise Unreachable(f"{url} cannot be fetched ({error}): build where it can, or with --pyodide") from error
    partial.replace(target)


def modules_imported(source):
    """Dotted names of the modules that a piece of Python imports."""
    kept = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!", "?"))]
    try:
        tree = ast.parse("\n".join(kept))
    except SyntaxError:
        return re.findall(r"^\s*(?:import|from)\s+([\w.]+)", source, re.MULTILINE)
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names
