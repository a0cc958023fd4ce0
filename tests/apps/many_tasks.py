"""200 tasks that read 2,000 files between them, each file by one task, while answers are late and one in a hundred fails."""

import asyncio
import hashlib
import os
import sysconfig

folder = sysconfig.get_paths()["purelib"] + "/many"
names = sorted(os.listdir(folder))
TASKS = 200


def read(name):
    with open(f"{folder}/{name}", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


async def reader(number):
    read_by_me = []
    for name in names[number::TASKS]:
        read_by_me.append((name, read(name)))
        await asyncio.sleep(0)
    return read_by_me


results = await asyncio.gather(*(reader(number) for number in range(TASKS)))
everything = sorted(pair for result in results for pair in result)
digest = hashlib.sha256("".join(f"{name} {content}\n" for name, content in everything).encode()).hexdigest()
print(len(results), len(everything), digest)
