"""Operations on files that wheelfs holds in memory, and the same on a copy of them in MEMFS.

Prints JSON, a row for each operation: its name, µs for a file or folder through wheelfs, µs on MEMFS, how many files or
folders; medians of some turns.
"""

import importlib
import json
import os
import shutil
import statistics
import sys
import sysconfig
import time

import pandas

SITE = sysconfig.get_path("purelib")
# As deep as the other: a path costs by its parts.
COPY = os.path.join(os.path.dirname(SITE), "warm-packages")
PACKAGES = ["pandas", "dateutil", "pytz"]
PURE = {"dateutil", "pytz", "six"}
SMALL, BIG = 8_192, 1_000_000
TURNS = 15
# A browser's clock has steps of 0.1 ms.
LEAST = 0.03


tree = [(folder, files) for package in PACKAGES for folder, _, files in os.walk(os.path.join(SITE, package))]
# Hundreds of files that say the same: pytz's.
tree = [(folder, files) for folder, files in tree if "/tests" not in folder and "/zoneinfo" not in folder]
names = [os.path.relpath(os.path.join(folder, name), SITE) for folder, files in tree for name in files]
folders = [os.path.relpath(folder, SITE) for folder, _ in tree]
sizes = {name: os.stat(os.path.join(SITE, name)).st_size for name in names}
small = [name for name in names if name.endswith(".py") and 0 < sizes[name] < SMALL]
big = [name for name in names if sizes[name] > BIG]
for name in {*names, "six.py"}:
    target = os.path.join(COPY, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.join(SITE, name), target)
for folder in folders:
    os.makedirs(os.path.join(COPY, folder), exist_ok=True)
bytecode = "__pycache__"
if os.path.isdir(os.path.join(SITE, bytecode)):
    shutil.copytree(os.path.join(SITE, bytecode), os.path.join(COPY, bytecode))


def read(files, root):
    for name in files:
        with open(os.path.join(root, name), "rb") as file:
            file.read()


def read_blocks(files, root):
    for name in files:
        with open(os.path.join(root, name), "rb", buffering=0) as file:
            while file.read(65_536):
                pass


def stat(root):
    for name in names:
        os.stat(os.path.join(root, name))


def listdir(root):
    for folder in folders:
        os.listdir(os.path.join(root, folder))


def imports(root):
    for name in [name for name in sys.modules if name.partition(".")[0] in PURE]:
        del sys.modules[name]
    importlib.invalidate_caches()
    path = sys.path[:]
    sys.path[:] = [root] + [folder for folder in path if folder != SITE]
    try:
        import dateutil.parser, dateutil.relativedelta, dateutil.rrule, dateutil.tz, pytz, six
    finally:
        sys.path[:] = path
    assert six.__file__.startswith(root) and pytz.__file__.startswith(root), six.__file__


OPERATIONS = {
    "small files, each opened and read": (lambda root: read(small, root), len(small)),
    "large files, each opened and read": (lambda root: read(big, root), len(big)),
    "large files, by 64 KiB": (lambda root: read_blocks(big, root), len(big)),
    "stat": (stat, len(names)),
    "listdir": (listdir, len(folders)),
    "import dateutil, pytz, six": (imports, 1),
}


def took(operation, root, times):
    start = time.perf_counter()
    for _ in range(times):
        operation(root)
    return (time.perf_counter() - start) / times


result = []
for label, (operation, count) in OPERATIONS.items():
    operation(SITE)
    once = took(operation, COPY, 1)
    times = max(1, round(LEAST / max(once, 1e-4)))
    taken = {SITE: [], COPY: []}
    for turn in range(TURNS):
        for root in (SITE, COPY) if turn % 2 else (COPY, SITE):
            taken[root].append(took(operation, root, times))
    wheelfs, memfs = (statistics.median(taken[root]) * 1e6 / count for root in (SITE, COPY))
    result.append([label, wheelfs, memfs, count])
print(json.dumps(result))
