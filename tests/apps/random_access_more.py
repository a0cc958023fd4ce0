"""Reads a large data file in every other way: pread, numpy, on and on, to the end, from two tasks, and mapped."""

import asyncio
import hashlib
import mmap
import os
import sysconfig

import numpy

FOLDER = sysconfig.get_paths()["purelib"] + "/large/"
PATH = FOLDER + "data.bin"
LEN = os.stat(PATH).st_size


def show(name, offset, content):
    print(name, offset, len(content), hashlib.sha256(content).hexdigest())


fd = os.open(PATH, os.O_RDONLY)
show("pread", 50_000_001, os.pread(fd, 300_000, 50_000_001))
show("at the end", LEN - 7, os.pread(fd, 100, LEN - 7))
show("past the end", LEN, os.pread(fd, 100, LEN))
show("far past it", LEN + 1, os.pread(fd, 1, LEN + 1))
os.close(fd)

show("numpy", 64_000_000, numpy.fromfile(PATH, dtype="<u4", count=200_000, offset=64_000_000).tobytes())

with open(PATH, "rb") as file:
    file.seek(100_000_000)
    show("on and on", 100_000_000, b"".join(file.read(65_536) for _ in range(128)))


async def read(offset):
    with open(PATH, "rb") as file:
        file.seek(offset)
        await asyncio.sleep(0)
        return file.read(1_000)


both = await asyncio.gather(read(150_000_000), read(150_000_500))
show("tasks", 150_000_000, both[0] + both[1][500:])

# A file whose whole is read comes whole, is checked, and is mapped from what came.
with open(FOLDER + "small.bin", "rb") as file:
    show("whole", 0, file.read())
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        show("mapped", 5_000_000, mapped[5_000_000:5_000_100])

# Written to, it is a file like any other.
with open(FOLDER + "other.bin", "r+b") as file:
    file.seek(4_500_000)
    file.write(b"written")
    file.seek(4_400_000)
    show("written", 4_400_000, file.read(200_000))
