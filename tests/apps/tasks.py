"""Tasks that import the same packages at once, and a read where no stack can suspend."""

import asyncio
import ctypes
import sys


async def frame_sum():
    import pandas

    return int(pandas.DataFrame({"a": [1, 2, 3]}).sum().iloc[0])


async def version():
    import pandas

    return pandas.__version__


async def array_sum():
    import numpy

    return int(numpy.arange(5).sum())


print(await asyncio.gather(frame_sum(), version(), array_sum(), frame_sum()))

# libffi calls back through JavaScript: the stack below cannot suspend, although it belongs to a task that can.
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
seen = []


def compare(a, b):
    import pandas.plotting._core as late

    with open(sys.modules["pandas"].__path__[0] + "/pyproject.toml") as file:
        seen.append((late.__name__, file.readline().strip()))
    return 0


numbers = (ctypes.c_int * 2)(2, 1)
ctypes.CDLL(None).qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), Compare(compare))
print(seen)
