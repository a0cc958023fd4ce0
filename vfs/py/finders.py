"""Finds modules in the folders that wheelfs shows, without asking the file system for each name that they may have.

A path hook (PEP 302), whose finder is importlib's `FileFinder` in all that it does not know better.
"""


def install(site_packages, modules):
    """Returns the function that makes importlib look again into folders that got children.

    `importlib.invalidate_caches()` would do, but it also reads the directory of the standard library's zip anew, which
    takes 0.1 to 0.2 s in Pyodide.

    modules: `vfs/js/modules.mjs`.
    """
    import _imp
    import sys

    from _frozen_importlib_external import (
        FileFinder,
        SourceFileLoader,
        _classify_pyc,
        _compile_bytecode,
        _get_supported_file_loaders,
        _path_join,
    )

    shows, find, bytecode = modules.shows, modules.find, modules.bytecode

    def is_unchecked(data, name):
        """Whether it is to be taken without comparing it with its source, as a pack's is. A wheel's own is not."""
        try:
            return _classify_pyc(data, name, {}) == 0b01
        except (EOFError, ImportError):
            return False

    class Loader(SourceFileLoader):
        def get_code(self, fullname):
            # Who wants bytecode elsewhere, or compared with its source, gets what importlib does then.
            if sys.pycache_prefix is None and _imp.check_hash_based_pycs != "always":
                compiled = bytecode(self.path)
                if compiled is not None:
                    data = compiled.to_bytes()
                    if not data:
                        return self.source_to_code(data, self.path)
                    if is_unchecked(data, fullname):
                        return _compile_bytecode(memoryview(data)[16:], fullname, None, self.path)
            return super().get_code(fullname)

    class Finder(FileFinder):
        def find_spec(self, fullname, target=None):
            name = fullname.rpartition(".")[2]
            number = find(self.path, name)
            if number == -1:
                return None
            if number == -2:
                return super().find_spec(fullname, target)
            suffix, loader = self._loaders[number >> 1]
            base = _path_join(self.path, name)
            if number & 1:
                return self._get_spec(loader, fullname, f"{base}/__init__{suffix}", [base], target)
            return self._get_spec(loader, fullname, base + suffix, None, target)

    loaders = [
        (Loader if loader is SourceFileLoader else loader, suffixes)
        for loader, suffixes in _get_supported_file_loaders()
    ]
    modules.begin("/".join(suffix for _, suffixes in loaders for suffix in suffixes), sys.implementation.cache_tag)

    def hook(path):
        if not shows(path):
            raise ImportError("not one of wheelfs' folders", path=path)
        return Finder(path, *loaders)

    def refresh():
        for path, finder in list(sys.path_importer_cache.items()):
            if not path.startswith(site_packages):
                continue
            if finder is None:
                del sys.path_importer_cache[path]
            else:
                finder.invalidate_caches()
        metadata = sys.modules.get("importlib.metadata")
        if metadata is not None:
            metadata.MetadataPathFinder.invalidate_caches()

    sys.path_hooks.insert(0, hook)
    for path in list(sys.path_importer_cache):
        if shows(path):
            del sys.path_importer_cache[path]
    return refresh
