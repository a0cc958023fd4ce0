"""Makes importlib look again into folders that got children.

`importlib.invalidate_caches()` would do, but it also reads the directory of the standard library's zip anew, which
takes 0.1 to 0.2 s in Pyodide.
"""


def install(site_packages):
    """Returns the function that does it for everything below `site_packages`."""
    import sys

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

    return refresh
