"""Locks that are held while a read waits, and modules that are asked for while they are made."""

import asyncio
import ctypes
import importlib
import pickle
import queue
import sys
import sysconfig
import threading

site = sysconfig.get_paths()["purelib"]
log = []


def read(name):
    with open(f"{site}/slow/{name}", "rb") as file:
        return len(file.read())


# One at a time, although both are of one thread.
lock = threading.Lock()


async def guarded(name):
    with lock:
        log.append(f"{name} enters")
        read(name)
        log.append(f"{name} leaves")


await asyncio.gather(guarded("a.bin"), guarded("b.bin"))
print(log)


# Who does not want to wait for so long, does not; who can, does.
async def holder():
    with lock:
        read("c.bin")


async def impatient():
    assert lock.locked() and not lock.acquire(False) and not lock.acquire(blocking=False)
    return lock.acquire(timeout=0.01), lock.acquire(timeout=60), lock.release()


print((await asyncio.gather(holder(), impatient()))[1])

# What threading builds of locks waits for other tasks as well.
items, event = queue.Queue(), threading.Event()


async def consumer():
    return items.get(), event.wait(), items.get(timeout=60)


async def producer():
    items.put("first")
    await asyncio.sleep(0)
    event.set()
    await asyncio.sleep(0)
    items.put("second")


print((await asyncio.gather(consumer(), producer()))[0])

# A condition's own lock is re-entrant, and so belongs to all tasks of the thread at once.
condition = threading.Condition()


async def waiter():
    with condition:
        return condition.wait(0.05)


async def reader():
    with condition:
        return read("d.bin")


print(await asyncio.gather(waiter(), reader()), await asyncio.gather(reader(), waiter()))

# Else it is the lock that it was.
wrong = []
for attempt in (
    lambda: lock.acquire(False, 1),
    lambda: lock.acquire(True, -2),
    lambda: lock.release(),
    lambda: pickle.dumps(lock),
):
    try:
        attempt()
    except Exception as error:
        wrong.append(type(error).__name__)
print(wrong, repr(lock).startswith("<unlocked _thread.lock object at 0x"), isinstance(lock, type(threading.Lock())))
print(pickle.loads(pickle.dumps(threading.Lock)) is threading.Lock)

# A module whose making waits for a task that imports from it: it is let in, as into any module that is half made.
with open(f"{site}/looping.py", "w") as file:
    file.write(
        "import asyncio\n\nNAME = 'looping'\n\n\nasync def main():\n    from looping import NAME\n\n    return NAME\n\n\n"
        "RESULT = asyncio.run(main())\n"
    )
importlib.invalidate_caches()
import looping

print(looping.RESULT)

# Where no stack can suspend, a module that another task is making is shown as it is; that task then goes on.
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
found = []


@Compare
def compare(*_):
    found.append(hasattr(importlib.import_module("slow.outer"), "NAME"))
    return 0


async def outer():
    return importlib.import_module("slow.outer").NAME


async def sort():
    while "slow.outer" not in sys.modules:
        await asyncio.sleep(0)
    numbers = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), compare)
    return found


print(await asyncio.gather(outer(), sort()))
