"""Keeps `gc` from collecting while a stack is suspended; `vfs/js/collector.mjs` says why."""


def install(collector):
    """collector.paused: whether a stack is suspended now. collector.wanted: whether it runs again after."""
    import functools
    import gc

    collect, enable, disable, isenabled = gc.collect, gc.enable, gc.disable, gc.isenabled

    @functools.wraps(collect)
    def collect_unless_paused(generation=2):
        return 0 if collector.paused else collect(generation)

    @functools.wraps(enable)
    def enable_unless_paused():
        if collector.paused:
            collector.wanted = True
        else:
            enable()

    @functools.wraps(disable)
    def disable_for_good():
        collector.wanted = False
        disable()

    @functools.wraps(isenabled)
    def is_wanted():
        return collector.wanted if collector.paused else isenabled()

    gc.collect, gc.enable = collect_unless_paused, enable_unless_paused
    gc.disable, gc.isenabled = disable_for_good, is_wanted
