"""The cycle collector is switched while another task's stack is suspended."""

import asyncio
import gc

from pyodide.ffi import run_sync

suspended = asyncio.Event()
resume = asyncio.Event()


async def suspend():
    async def wait():
        suspended.set()
        await resume.wait()

    run_sync(wait())


async def meanwhile(switch):
    await suspended.wait()
    before = gc.isenabled()
    switch()
    during = gc.isenabled()
    resume.set()
    return before, during


for switch in (gc.disable, gc.enable):
    _, seen = await asyncio.gather(suspend(), meanwhile(switch))
    print(seen, gc.isenabled())
    suspended.clear()
    resume.clear()
