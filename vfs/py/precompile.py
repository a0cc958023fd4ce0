"""Compiles sources before they are imported, while Python waits for others."""


def install():
    """Returns the function that does it."""
    import warnings

    from _frozen_importlib_external import SourceFileLoader, _code_to_timestamp_pyc, cache_from_source

    def precompile(path, source):
        """Puts the bytecode of `source`, the content of `path`, where importlib looks for it. Returns that place.

        None where that cannot be; the import then compiles the source as ever, and says what is wrong with it.
        """
        loader = SourceFileLoader("", path)
        # A warning is to be shown by the import, if it is made.
        filters = warnings.filters
        warnings.filters = [("error", None, Warning, None, 0)]
        try:
            code = loader.source_to_code(source.to_bytes(), path)
            stats = loader.path_stats(path)
            compiled = cache_from_source(path)
            loader._cache_bytecode(path, compiled, _code_to_timestamp_pyc(code, int(stats["mtime"]), stats["size"]))
        except Exception:
            return None
        finally:
            warnings.filters = filters
        return compiled

    return precompile
