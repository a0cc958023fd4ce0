"""Keeps `gc.collect()` from running while a stack is suspended; `vfs/js/collector.mjs` says why."""


def install(paused):
    """paused(): whether a stack is suspended now."""
    import functools
    import gc

    collect = gc.collect

    @functools.wraps(collect)
    def collect_unless_paused(generation=2):
        return 0 if paused() else collect(generation)

    gc.collect = collect_unless_paused
