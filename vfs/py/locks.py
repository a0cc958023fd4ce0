"""Makes waiting for a lock suspend, and importlib's module locks belong to a task.

With JSPI a read, and so an import, can be suspended half-way while another task of the same thread runs.

- CPython's module lock is re-entrant per thread: a task that imports the same module would be let in and see it half
  made. Here the owner is the stack that imports, told apart by its outermost frame: Pyodide gives every stack that can
  be suspended a chain of frames of its own.
- A `threading.Lock` that is held across a read would freeze the thread when another task wants it: CPython spins, and its
  holder never comes to run. Here whoever wants it suspends.
"""


def install(turnstile, notify):
    """Replaces importlib's class of locks, and `_thread`'s.

    turnstile(): what the next opening of the path "" waits for, until `resolve()`; `done` tells whether that was called.
    notify(name, ended): told when an outermost import begins and ends.
    """
    import _thread
    import functools
    import posix
    import sys
    from time import monotonic

    import _frozen_importlib
    from js import clearTimeout, setTimeout
    from pyodide.ffi import run_sync

    def wait(turn):
        """Suspends this stack until the turn has come. Returns whether that could be.

        A read can be tried anywhere, `run_sync` cannot: above a frame of JavaScript it kills the interpreter.
        """
        try:
            posix.open("", posix.O_RDONLY)
        except OSError:
            pass
        return turn.done

    # stack -> module locks that it holds, outermost first
    held = {}
    # stack -> the module lock it waits for
    waits_for = {}
    # stacks that wait in `run_sync`
    elsewhere = set()

    def stack():
        frame = sys._getframe(1)
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
                # What a module waits for while it is made may be the task that asks for it (`asyncio.run`). So it is
                # let in, as without wheelfs.
                if self.owner in elsewhere:
                    self.count += 1
                    return True
                if self.has_deadlock(me):
                    raise _frozen_importlib._DeadlockError(f"deadlock detected by {self!r}")
                turn = turnstile()
                self.waiting.append(turn)
                waits_for[me] = self
                try:
                    waited = wait(turn)
                finally:
                    del waits_for[me]
                if not waited:
                    # The owner cannot go on before this stack has returned, so the choice is to be let in or to hang.
                    # The guest leaves before the owner is resumed: counting it is enough.
                    self.waiting.remove(turn)
                    self.count += 1
                    return True
            self.owner = me
            self.count += 1
            if self.count == 1:
                locks = held.setdefault(me, [])
                if not locks:
                    notify(self.name, False)
                locks.append(self)
            return True

        def release(self):
            if self.count == 0:
                raise RuntimeError("cannot release un-acquired lock")
            self.count -= 1
            if self.count:
                return
            locks = held.get(self.owner)
            if locks is not None:
                locks.remove(self)
                if not locks:
                    del held[self.owner]
                    notify(self.name, True)
            self.owner = None
            self.wake()

        def wake(self):
            waiting, self.waiting = self.waiting, []
            for turn in waiting:
                turn.resolve()

        def __repr__(self):
            return f"_ModuleLock({self.name!r}) of wheelfs"

    _frozen_importlib._ModuleLock = ModuleLock

    @functools.wraps(run_sync)
    def run_sync_elsewhere(awaitable):
        me = stack()
        locks = held.get(me)
        if not locks:
            return run_sync(awaitable)
        elsewhere.add(me)
        for lock in locks:
            lock.wake()
        try:
            return run_sync(awaitable)
        finally:
            elsewhere.discard(me)

    for module in list(sys.modules.values()):
        # JavaScript's modules are among them.
        if isinstance(module, type(sys)) and vars(module).get("run_sync") is run_sync:
            module.run_sync = run_sync_elsewhere

    allocate_lock = _thread.allocate_lock
    # Whoever waits for longer runs now and then, so that an interrupt (`setInterruptBuffer`) ends it. Seconds.
    INTERVAL = 0.2

    class lock:
        __slots__ = ("__weakref__", "_lock", "_waiting")
        __module__ = "_thread"

        def __init__(self):
            self._lock = allocate_lock()
            self._waiting = []

        def acquire(self, blocking=True, timeout=-1):
            acquire = self._lock.acquire
            if timeout == -1:
                if acquire(False):
                    return True
                if not blocking:
                    return False
                end = None
            else:
                # What is wrong with these arguments a free lock says as well.
                allocate_lock().acquire(blocking, timeout)
                end = monotonic() + timeout
            while not acquire(False):
                left = INTERVAL if end is None else end - monotonic()
                if left <= 0:
                    return False
                turn = turnstile()
                self._waiting.append(turn)
                timer = setTimeout(turn.resolve, min(left, INTERVAL) * 1000)
                try:
                    waited = wait(turn)
                finally:
                    clearTimeout(timer)
                    if turn in self._waiting:
                        self._waiting.remove(turn)
                if not waited:
                    # Nobody can run before this stack has returned: as without wheelfs.
                    return acquire(True, -1 if end is None else left)
            return True

        def release(self):
            self._lock.release()
            if self._waiting:
                waiting, self._waiting = self._waiting, []
                for turn in waiting:
                    turn.resolve()

        def locked(self):
            return self._lock.locked()

        def _at_fork_reinit(self):
            self._lock._at_fork_reinit()

        __enter__ = acquire_lock = acquire
        release_lock = release
        locked_lock = locked

        def __exit__(self, *exception):
            self.release()

        def __reduce__(self):
            raise TypeError("cannot pickle '_thread.lock' object")

        def __repr__(self):
            return f"<{'locked' if self.locked() else 'unlocked'} _thread.lock object at {id(self):#x}>"

    lock.__qualname__ = "lock"
    for module in (_thread, sys.modules.get("threading")):
        for name, value in list(vars(module).items()) if module else ():
            if value is allocate_lock or value is type(allocate_lock()):
                setattr(module, name, lock)
