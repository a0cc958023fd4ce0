"""Reads parts of a large data file: three places by seek, one by pread, the way numpy does, and on and on."""

import hashlib
import os
import sysconfig

PATH = sysconfig.get_paths()["purelib"] + "/large/data.bin"
LEN = os.stat(PATH).st_size


def show(name, offset, content):
    print(name, offset, len(content), hashlib.sha256(content).hexdigest())


with open(PATH, "rb") as file:
    for offset in (LEN // 3, LEN // 2 + 5, LEN - 100_000):
        file.seek(offset)
        show("seek", offset, file.read(100_000))
