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
    import itertools
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

    # stack -> locks that it holds
    held = {}
    # stack -> the lock it waits for
    waits_for = {}
    # stacks that wait in `run_sync`
    elsewhere = set()

    def stack():
        frame = sys._getframe(1)
        while frame.f_back is not None:
            frame = frame.f_back
        return frame

    class TaskLock:
        """Re-entrant for a stack. Who must not wait is let in, as a guest that is counted."""

        def __init__(self):
            self.owner = None
            self.count = 0
            self.waiting = []

        def must_not_wait(self, me):
            # What a module waits for while it is made may be the task that asks for it (`asyncio.run`).
            if self.owner in elsewhere:
                return True
            # A circle of waiting stacks.
            lock, seen = self, set()
            while lock is not None and lock not in seen:
                if lock.owner is me:
                    return True
                seen.add(lock)
                lock = waits_for.get(lock.owner)
            return False

        def acquire(self, me):
            while self.owner is not None and self.owner is not me:
                if self.must_not_wait(me):
                    self.count += 1
                    return
                turn = turnstile()
                self.waiting.append(turn)
                waits_for[me] = self
                try:
                    waited = wait(turn)
                finally:
                    del waits_for[me]
                if not waited:
                    # The owner cannot go on before this stack has returned.
                    self.waiting.remove(turn)
                    self.count += 1
                    return
            self.owner = me
            self.count += 1
            if self.count == 1:
                held.setdefault(me, []).append(self)

        def release(self):
            if self.count == 0:
                raise RuntimeError("cannot release un-acquired lock")
            self.count -= 1
            if self.count:
                return
            locks = held[self.owner]
            locks.remove(self)
            if not locks:
                del held[self.owner]
            self.owner = None
            self.wake()

        def wake(self):
            waiting, self.waiting = self.waiting, []
            for turn in waiting:
                turn.resolve()

    # top-level package -> its lock
    packages = {}

    class ModuleLock:
        """importlib's, with that of the package around it.

        Half of a package is made while another of its modules is imported, and importlib does not wait for a parent that is
        there already: `import pandas` and `import pandas.core.frame` would each see what the other has not made yet.
        """

        def __init__(self, name):
            self.name = name
            self.package = packages.setdefault(name.partition(".")[0], TaskLock())
            self.module = TaskLock()
            self.is_outermost = False

        def acquire(self):
            me = stack()
            is_outermost = me not in held
            self.package.acquire(me)
            try:
                self.module.acquire(me)
            except BaseException:
                self.package.release()
                raise
            if is_outermost and self.module.owner is me:
                self.is_outermost = True
                notify(self.name, False)
            return True

        def release(self):
            self.module.release()
            self.package.release()
            if self.is_outermost and not self.module.count:
                self.is_outermost = False
                notify(self.name, True)

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
    INTERVAL = 1

    keys = itertools.count()

    class lock:
        __slots__ = ("__weakref__", "_lock", "_tries", "_waiting")
        __module__ = "_thread"
        __qualname__ = "lock"

        def __init__(self):
            self._lock = allocate_lock()
            # Each step tries to take it. After a call, an interrupt may come before `acquire` knows that it has the lock, and
            # nobody would release it then; after a step of a loop none can.
            self._tries = iter(functools.partial(self._lock.acquire, False), None)
            self._waiting = {}

        def acquire(self, blocking=True, timeout=-1):
            end = None
            if timeout != -1:
                # What is wrong with these arguments a free lock says as well.
                allocate_lock().acquire(blocking, timeout)
                end = monotonic() + timeout
            for taken in self._tries:
                if taken or not blocking:
                    break
                left = INTERVAL if end is None else end - monotonic()
                if left <= 0:
                    break
                turn = turnstile()
                key = next(keys)
                self._waiting[key] = turn
                timer = setTimeout(turn.resolve, min(left, INTERVAL) * 1000)
                try:
                    waited = wait(turn)
                finally:
                    clearTimeout(timer)
                    self._waiting.pop(key, None)
                if not waited:
                    # Nobody can run before this stack has returned: as without wheelfs.
                    return self._lock.acquire(True, -1 if end is None else left)
            return taken

        def release(self):
            self._lock.release()
            # Who comes first. If it has given up meanwhile, the next one looks after a while.
            for key in self._waiting:
                self._waiting.pop(key).resolve()
                break

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

    class RLock(_thread.RLock):
        __slots__ = ()
        __module__ = "_thread"
        __qualname__ = "RLock"

        # All tasks are one thread, so nobody ever waits for it: a condition that waits need not let go of it, and must not
        # let go of what other tasks hold.
        def _release_save(self):
            pass

        def _acquire_restore(self, state):
            pass

    threading = sys.modules.get("threading")
    if threading is not None:
        threading._CRLock = RLock
    _thread.RLock = RLock
    kinds = allocate_lock, type(allocate_lock())
    for module in (_thread, threading):
        for name, value in list(vars(module).items()) if module else ():
            if value in kinds:
                setattr(module, name, lock)
    # 3.12 has no such name, and pickles the class by it.
    _thread.lock = lock
