"""Modules of the standard library that are loaded, as paths in its archive: from the archive, or shown beside it."""

import sys

archive = next((path for path in sys.path if path.endswith(".zip")), "?") + "/"
folder = f"/lib/python{sys.version_info[0]}.{sys.version_info[1]}/"
origins = [getattr(getattr(module, "__spec__", None), "origin", None) or "" for module in list(sys.modules.values())]
[
    origin.removeprefix(root)
    for origin in origins
    for root in (archive, folder)
    if origin.startswith(root) and "/site-packages/" not in origin and "/lib-dynload/" not in origin
]
