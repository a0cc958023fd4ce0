"""Makes the modules importable that the hot archive of the standard library leaves out.

They are shown, lazily, in `folder`. On `sys.path` it comes right after the archive; but a package whose `__init__` is in
the archive looks for its submodules only there, and so a finder looks in the folder for those.
"""


def install(folder):
    import sys
    from importlib.machinery import PathFinder

    archive = next((path for path in sys.path if path.endswith(".zip")), None)
    if archive is None:
        return
    if folder not in sys.path:
        sys.path.insert(sys.path.index(archive) + 1, folder)

    class ColdSubmodules:
        """After `PathFinder`, which has found nothing."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            below = [folder + entry[len(archive) :] for entry in path or () if entry.startswith(archive + "/")]
            return PathFinder.find_spec(name, below, target) if below else None

        @staticmethod
        def invalidate_caches():
            """There are none."""

    sys.meta_path.insert(sys.meta_path.index(PathFinder) + 1, ColdSubmodules)
