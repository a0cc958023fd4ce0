"""Lets a copy of the interpreter be made that compiles sources (`vfs/worker/compiler.js`)."""


def install(copy):
    """Calls `copy` with what a `.pyc` begins with, as a number, and the version of marshal. Returns the tag in its name.

    A warning is to be shown by the import, if it is made. So in the copy it is an error.
    """
    import marshal
    import sys
    import warnings

    from _frozen_importlib_external import MAGIC_NUMBER

    filters = warnings.filters
    warnings.filters = [("error", None, Warning, None, 0)]
    try:
        copy(int.from_bytes(MAGIC_NUMBER, "little"), marshal.version)
    finally:
        warnings.filters = filters
    return sys.implementation.cache_tag
