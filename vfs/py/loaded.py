"""Names what is loaded, for the header of a trace."""


def install():
    """Python's version, and the sources of the modules that are loaded: paths below their roots, in the order they were loaded.

    Modules of the standard library come from its archive, or are shown beside it.
    """
    import sys

    archive = next((path for path in sys.path if path.endswith(".zip")), "?") + "/"
    folder = f"/lib/python{sys.version_info[0]}.{sys.version_info[1]}/"
    site = folder + "site-packages/"
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    origins = [getattr(spec, "origin", None) or "" for spec in specs]
    stdlib = [
        origin.removeprefix(root)
        for origin in origins
        for root in (archive, folder)
        if origin.startswith(root) and not origin.startswith((site, folder + "lib-dynload/"))
    ]
    modules = [origin.removeprefix(site) for origin in origins if origin.startswith(site)]
    return {"python": sys.version.split()[0], "stdlib": stdlib, "modules": modules}
