"""Makes importlib's module locks belong to a task, and makes waiting for one suspend.

CPython's lock is re-entrant per thread. With JSPI an import can be suspended half-way while another task of the same
thread imports the same module: it would be let in and see the module half made. Here the owner is the stack that
imports, told apart by its outermost frame: Pyodide gives every stack that can be suspended a chain of frames of its own.
"""


def install(turnstile, notify):
    """Replaces importlib's lock class.

    turnstile(): a new object with `promise`, which `resolve()` resolves.
    notify(name, ended): told when an outermost import begins and ends.
    """
    import sys

    import _frozen_importlib
    from pyodide.ffi import can_run_sync, run_sync

    # stack -> names of the modules it is importing, outermost first
    held = {}
    # stack -> the lock it waits for
    waits_for = {}

    def stack():
        frame = sys._getframe(2)
        while frame.f_back is not None:
            frame = frame.f_back
        return frame

    class ModuleLock:
        def __init__(self, name):
            self.name = name
            self.owner = None
            self.count = 0
            self.waiting = []

        def has_deadlock(self, me):
            lock, seen = self, set()
            while lock is not None and lock not in seen:
                if lock.owner is me:
                    return True
                seen.add(lock)
                lock = waits_for.get(lock.owner)
            return False

        def acquire(self):
            me = stack()
            while self.owner is not None and self.owner is not me:
                if not can_run_sync():
                    # The owner cannot go on before this stack has returned, so the choice is to be let in or to hang.
                    # The guest leaves before the owner is resumed: counting it is enough.
                    self.count += 1
                    return True
                if self.has_deadlock(me):
                    raise _frozen_importlib._DeadlockError(f"deadlock detected by {self!r}")
                turn = turnstile()
                self.waiting.append(turn)
                waits_for[me] = self
                try:
                    run_sync(turn.promise)
                finally:
                    del waits_for[me]
            self.owner = me
            self.count += 1
            if self.count == 1:
                names = held.setdefault(me, [])
                if not names:
                    notify(self.name, False)
                names.append(self.name)
            return True

        def release(self):
            if self.count == 0:
                raise RuntimeError("cannot release un-acquired lock")
            self.count -= 1
            if self.count:
                return
            names = held.get(self.owner)
            if names is not None:
                names.remove(self.name)
                if not names:
                    del held[self.owner]
                    notify(self.name, True)
            self.owner = None
            waiting, self.waiting = self.waiting, []
            for turn in waiting:
                turn.resolve()

        def __repr__(self):
            return f"_ModuleLock({self.name!r}) of wheelfs"

    _frozen_importlib._ModuleLock = ModuleLock
