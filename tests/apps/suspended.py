"""What may happen to a task while its read waits: cancelled, interrupted, failing; others go on."""

import asyncio
import sysconfig

site = sysconfig.get_paths()["purelib"]
log = []


async def slow():
    with open(f"{site}/slow/data.bin", "rb") as file:
        return len(file.read())


async def other():
    with open(f"{site}/quick/data.bin", "rb") as file:
        return len(file.read())


async def failing():
    try:
        open(f"{site}/gone/data.bin", "rb")
    except OSError as error:
        return f"{error.errno} {error.filename.removeprefix(site)}"


# Cancelled while suspended: the read is synchronous to Python, so the task is cancelled at its next await.
async def cancelled():
    size = await slow()
    log.append(f"read {size}")
    await asyncio.sleep(10)
    log.append("not reached")


task = asyncio.ensure_future(cancelled())
await asyncio.sleep(0)
task.cancel()
log.append(f"other {await other()}")
try:
    await task
except asyncio.CancelledError:
    log.append("cancelled")
log.append(f"failing {await failing()}")


async def raising():
    await slow()
    raise ValueError("after the read")


done = await asyncio.gather(raising(), other(), failing(), return_exceptions=True)
print(log, [repr(result) for result in done])
