"""The addon: after a site is built, its kernel's Pyodide gets wheelfs in front."""

import collections
import hashlib
import json
import re
import shutil
from pathlib import Path

from jupyterlite_core.addons.base import BaseAddon
from jupyterlite_core.constants import JSON_FMT, JUPYTERLITE_JSON, UTF8
from traitlets import Bool, Int, List, Unicode

from . import programs, recording
from .distribution import LOCK, Distribution
from .errors import Unreachable, WheelfsError

KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
SITE_FILES = Path(__file__).parent / "site"
INDEX = "wheelfs.idx"
# Entry point of the index: what a kernel reads when it starts.
KERNEL_ENTRY = "kernel"
# What `prefetch-index build` writes beside the index.
PACKS = ("--pack", "--stdlib")
# For the page, which Pyodide it stands in for; for a rebuild, the setting that stood in the site before.
SETTINGS = "wheelfs.json"
# The setting's name, in the kernel's settings and in ours.
URL = "pyodideUrl"


class WheelfsAddon(BaseAddon):
    __all__ = ["status", "post_build", "check"]

    enabled = Bool(True, help="whether the site gets wheelfs").tag(config=True)
    index = Unicode(
        allow_none=True, default_value=None, help="folder made by `prefetch-index build`, taken instead of recording"
    ).tag(config=True)
    packages = List(
        Unicode(), help="packages of the lock file to index beside those that the notebooks import"
    ).tag(config=True)
    notebooks = List(
        Unicode(),
        default_value=["**/*.ipynb"],
        help="notebooks to record, as globs relative to the site's files; they are run at build time",
    ).tag(config=True)
    traces = List(Unicode(), help="traces recorded elsewhere, to be merged in").tag(config=True)
    timeout = Int(300, help="seconds a notebook may run; of one that runs longer only the imports are recorded").tag(
        config=True
    )
    background = Bool(
        True, help="whether a started kernel goes on to fetch what the notebooks and packages read"
    ).tag(config=True)
    packs = Bool(
        True,
        help="whether what was recorded is written as packs, and the standard library with it: half of the bytes, and no "
        "Python to compile on the page, for a minute or two of building whenever something changed",
    ).tag(config=True)
    build_options = List(Unicode(), help="more options for `prefetch-index build`").tag(config=True)

    aliases = {
        "wheelfs-index": "WheelfsAddon.index",
        "wheelfs-packages": "WheelfsAddon.packages",
        "wheelfs-notebooks": "WheelfsAddon.notebooks",
        "wheelfs-traces": "WheelfsAddon.traces",
    }
    flags = {
        "no-wheelfs": ({"WheelfsAddon": {"enabled": False}}, "Leave the site's Pyodide as it is"),
        "no-wheelfs-packs": ({"WheelfsAddon": {"packs": False}}, "Index the wheels only, without packs"),
    }

    @property
    def output(self):
        return self.manager.output_dir / "static" / "wheelfs"

    @property
    def cache(self):
        return self.manager.cache_dir / "wheelfs"

    @property
    def site_settings(self):
        return self.manager.output_dir / JUPYTERLITE_JSON

    def status(self, manager):
        yield self.task(name="wheelfs", actions=[lambda: print(f"    enabled: {self.enabled}")])

    def post_build(self, manager):
        # No file_dep: the kernel's own addon may have put its URL back. What is slow is cached by content.
        yield self.task(name="wheelfs", doc="put wheelfs before the kernel's Pyodide", actions=[self.put_in_place])

    def check(self, manager):
        if self.enabled:
            yield self.task(name="wheelfs", doc="the files of wheelfs are whole", actions=[self.check_files])

    def put_in_place(self):
        settings = self._kernel_settings(self.site_settings)
        own = self._own_url(settings)
        if not self.enabled:
            if self._is_ours(settings.get(URL)):
                self._write_kernel_settings(with_url(settings, own))
            if self.output.exists():
                shutil.rmtree(self.output)
            return
        try:
            self._put_in_place(settings, own)
        except WheelfsError as error:
            # doit would show a traceback.
            self.log.error("[wheelfs] %s", error)
            raise SystemExit(1) from None

    def _put_in_place(self, settings, own):
        pyodide = own or kernel_default()
        options = settings.get("loadPyodideOptions", {})
        distribution, wanted = None, None
        try:
            distribution = self._distribution(pyodide, options)
            wanted = distribution.version
        except Unreachable as error:
            if self.index is None:
                raise
            self.log.warning("[wheelfs] whether %s fits the site's Pyodide is not known: %s", self.index, error)
        if self.index is None:
            built = self._build_index(distribution)
        else:
            built = (self.manager.lite_dir / self.index).resolve()
            if not (built / INDEX).is_file():
                raise WheelfsError(f"{built} has no {INDEX}: make it with prefetch-index build")
        index = recording.inspect(built / INDEX)
        if wanted not in (None, index["pyodide"]):
            raise WheelfsError(f"{built / INDEX} is for Pyodide {index['pyodide']}, the site has {wanted}: build it again")
        entries = [entry["name"] for entry in index["entries"]]
        others = [name for name in entries if name != KERNEL_ENTRY]
        beside_lock = distribution is None or distribution.names_beside_lock
        named_from = options.get("lockFileURL", pyodide) if beside_lock else pyodide
        wheelfs = {
            "pyodide": self._from_output(pyodide, "pyodide.mjs"),
            "version": index["pyodide"],
            "index": INDEX,
            "baseUrl": self._from_output(named_from, ""),
            "background": others if self.background else [],
        }
        if KERNEL_ENTRY in entries:
            wheelfs["entry"] = KERNEL_ENTRY
        if own:
            wheelfs[URL] = own
        # `jupyter lite check` wants a lock file beside what it takes for Pyodide, whatever is in it.
        lock = distribution.lock_bytes if distribution else json.dumps({"packages": {}}).encode()
        self._write_output(built, lock, wheelfs)
        # A module by a name that every server knows to be JavaScript, for a kernel that wants a module.
        entry = "pyodide.module.js" if pyodide.endswith(".mjs") else "pyodide.js"
        self._write_kernel_settings(with_url(settings, f"./static/wheelfs/{entry}"))

    def _distribution(self, pyodide, options):
        folder = pyodide.rsplit("/", 1)[0]
        lock = options.get("lockFileURL", f"{folder}/{LOCK}")
        return Distribution(self._place(f"{folder}/"), self._place(lock), self.cache / "pyodide", self.log)

    def _build_index(self, distribution):
        """Records what has to be recorded; returns the folder of its index."""
        given = self._given_traces()
        wheels = self._site_wheels()
        kernel = distribution.closure(programs.KERNEL_PACKAGES)
        wanted = [(KERNEL_ENTRY, kernel, programs.kernel_program(wheels), None)]
        for name, path in self._notebooks():
            try:
                cells = programs.cells(path)
            except WheelfsError as error:
                self.log.warning("[wheelfs] not recorded: %s", error)
                continue
            imported = distribution.imported_by("\n".join(cells))
            if imported:
                fallback = programs.notebook_program(wheels, imports(distribution, imported))
                program = programs.notebook_program(wheels, cells)
                wanted.append((name, distribution.closure([*kernel, *imported]), program, fallback))
        for package in self.packages:
            if not distribution.has(package):
                raise WheelfsError(f"WheelfsAddon.packages: the lock file has no {package}; take a name it has")
            program = programs.notebook_program(wheels, imports(distribution, [package]))
            wanted.append((f"package-{package}", distribution.closure([*kernel, package]), program, None))
        distribution.gather_runtime()
        traces = []
        for name, packages, program, fallback in wanted:
            self.log.info("[wheelfs] recording %s", name)
            distribution.gather(packages)
            arguments = (self.cache, self.timeout)
            try:
                # What has to come to its end is tried again: the machine may have been busy.
                trace = recording.record(distribution, packages, name, program, *arguments, again=fallback is None)
            except recording.OutOfTime as error:
                if fallback is None:
                    raise
                self.log.warning("[wheelfs] only the imports are recorded: %s", error)
                trace = recording.record(distribution, packages, name, fallback, *arguments)
            traces.append(trace)
        for path, packages in given:
            distribution.gather(distribution.closure(packages))
            traces.append(path)
        self.log.info("[wheelfs] building the index%s", " and packs" if self.packs else "")
        options = [*(PACKS if self.packs else ()), *self.build_options]
        return recording.build(distribution, traces, options, self.cache / "built")

    def _given_traces(self):
        """Paths of the traces that were recorded elsewhere, and the packages of each."""
        given = []
        for trace in self.traces:
            path = (self.manager.lite_dir / trace).resolve()
            if not path.is_file():
                raise WheelfsError(
                    f"WheelfsAddon.traces: {path} is missing: paths are relative to the site's source, "
                    f"{self.manager.lite_dir}"
                )
            try:
                header = json.loads(path.read_text(**UTF8).split("\n", 1)[0])
                given.append((path, [package["name"] for package in header["packages"]]))
            except (KeyError, TypeError, ValueError) as error:
                raise WheelfsError(
                    f"WheelfsAddon.traces: {path} is not a trace ({error!r}): record it again, with "
                    "`prefetch-index record` or on a page with ?wheelfs=record"
                ) from None
        return given

    def _site_wheels(self):
        """The wheels that the kernel installs from the site: its extension's, and those of its `pypi` folder."""
        extension = self.manager.output_dir / "extensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
        names = ("piplite", "pyodide_kernel", "ipykernel", "comm")
        found = {}
        for folder in (extension, self.manager.output_dir / "pypi"):
            for wheel in sorted(folder.glob("*.whl")):
                name = wheel.name.split("-")[0]
                if name in names:
                    found[name] = wheel
        for name in ("piplite", "pyodide_kernel", "ipykernel"):
            if name not in found:
                raise WheelfsError(f"{extension} has no {name}: is jupyterlite-pyodide-kernel installed here?")
        return list(found.values())

    def _notebooks(self):
        """Those to record, each with its name in the index."""
        files = self.manager.output_dir / "files"
        found = {path for pattern in self.notebooks for path in files.glob(pattern)}
        paths = sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)
        return list(zip(entry_names([path.relative_to(files).as_posix() for path in paths]), paths))

    def _write_output(self, built, lock, wheelfs):
        if self.output.exists():
            shutil.rmtree(self.output)
        shutil.copytree(SITE_FILES, self.output)
        for file in built.iterdir():
            if file.is_file() and file.suffix != ".trace":
                shutil.copy2(file, self.output / file.name)
        (self.output / LOCK).write_bytes(lock)
        (self.output / SETTINGS).write_text(json.dumps(wheelfs, **JSON_FMT), **UTF8)
        self.maybe_timestamp(self.output)

    def check_files(self):
        settings = self._kernel_settings(self.site_settings)
        assert self._is_ours(settings.get(URL)), "the kernel's pyodideUrl is not wheelfs's: build again"
        for name in ("pyodide.module.js", "pyodide.js", "index.js", "wheelfs_bg.wasm", SETTINGS, INDEX):
            assert (self.output / name).is_file(), f"{self.output / name} is missing: build again"
        recording.inspect(self.output / INDEX)
        pyodide = json.loads((self.output / SETTINGS).read_text(**UTF8))["pyodide"]
        # What starts with a slash is the server's, and may not be the site's.
        if "://" not in pyodide and not pyodide.startswith("/"):
            real = (self.output / pyodide).resolve()
            assert real.is_file(), f"{real}, the site's Pyodide, is missing: build again"

    def _own_url(self, settings):
        """The kernel's `pyodideUrl` as it would be without wheelfs; None when it would not be set."""
        url = settings.get(URL)
        if url and not self._is_ours(url):
            return url
        # JupyterLite writes a setting again only when its source has changed, so a rebuild mostly finds wheelfs's.
        remembered = url and self._remembered()
        if remembered:
            return remembered
        kernel = self.manager._addons.get("jupyterlite-pyodide-kernel-pyodide")
        for name in ("pyodide.mjs", "pyodide.js"):
            here = self.manager.output_dir / "static/pyodide" / name
            local = kernel and (kernel.pyodide_url or kernel.well_known_pyodide.exists())
            if local and here.exists() and name.endswith(kernel_entry()):
                return f"./static/pyodide/{name}"
        # JupyterLite does not write it again either when the output was emptied.
        source = self._source_url()
        return None if self._is_ours(source) else source

    def _remembered(self):
        """The setting that the last build found, if it found one and is still there."""
        try:
            return json.loads((self.output / SETTINGS).read_text(**UTF8)).get(URL)
        except (OSError, ValueError):
            return None

    def _source_url(self):
        """What the site's source sets; JupyterLite passes over a file that it cannot read."""
        try:
            return self._kernel_settings(self.manager.lite_dir / JUPYTERLITE_JSON).get(URL)
        except (OSError, ValueError):
            return None

    def _is_ours(self, url):
        return bool(url) and "static/wheelfs/pyodide." in url

    def _place(self, url):
        """A path for what is in the site, else the URL."""
        if "://" in url:
            return url
        if url.startswith("//"):
            return f"https:{url}"
        place = (self.manager.output_dir / url.removeprefix("/")).resolve()
        # From the root of the server: there, if the site lies at the root too.
        if url.startswith("/") and not place.exists():
            raise Unreachable(
                f"{self.site_settings} names {url}, which starts at the root of the server, and {place} is missing: put it "
                "there if the site is at the root, or say where it is from the site (./pyodide/pyodide.mjs), or "
                "give WheelfsAddon.index a folder made by prefetch-index build"
            )
        return place

    def _from_output(self, url, name):
        """The file `name` beside `url`, as seen from the folder of wheelfs."""
        folder = url.rsplit("/", 1)[0]
        if "://" in folder or url.startswith("/"):
            return f"{folder}/{name}"
        return f"../../{folder.removeprefix('./')}/{name}"

    def _kernel_settings(self, file):
        """Of this `jupyter-lite.json`."""
        config = json.loads(file.read_text(**UTF8))
        return config.get("jupyter-config-data", {}).get("litePluginSettings", {}).get(KERNEL, {})

    def _write_kernel_settings(self, settings):
        config = json.loads(self.site_settings.read_text(**UTF8))
        plugins = config.setdefault("jupyter-config-data", {}).setdefault("litePluginSettings", {})
        if plugins.get(KERNEL) != settings:
            plugins[KERNEL] = settings
            self.site_settings.write_text(json.dumps(config, **JSON_FMT), **UTF8)
            self.maybe_timestamp(self.site_settings)


def entry_names(notebooks):
    """Names of notebooks in the index: their paths, with a digest of the path where several would have the same."""
    plain = [re.sub(r"\W+", "-", notebook.removesuffix(".ipynb")) for notebook in notebooks]
    # Packs are files of these names, and not every file system tells a from A.
    count = collections.Counter(name.casefold() for name in plain)
    digests = [hashlib.sha256(notebook.encode()).hexdigest()[:8] for notebook in notebooks]
    return [
        f"notebook-{name}" if count[name.casefold()] == 1 else f"notebook-{name}-{digest}"
        for name, digest in zip(plain, digests)
    ]


def with_url(settings, url):
    """A kernel's settings with this `pyodideUrl`, or without one."""
    others = {name: value for name, value in settings.items() if name != URL}
    return {**others, URL: url} if url else others


def imports(distribution, packages):
    """Cells that import these packages, each in one of its own so that none keeps another from being tried."""
    return [f"import {module}" for name in packages for module in distribution.modules(name)]


def kernel_entry():
    """How the entry that this kernel loads ends."""
    return kernel_default().rsplit("/", 1)[-1]


def kernel_default():
    """URL of the Pyodide that the kernel takes when the settings name none."""
    from jupyterlite_pyodide_kernel import constants

    name = getattr(constants, "PYODIDE_MJS", None) or constants.PYODIDE_JS
    return f"https://cdn.jsdelivr.net/pyodide/v{constants.PYODIDE_VERSION}/full/{name}"
