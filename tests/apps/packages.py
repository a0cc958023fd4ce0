"""What the standard library does with installed packages: the same on lazy ones."""

import hashlib
import importlib.metadata
import importlib.resources
import mmap
import os
import pkgutil
import sys
import zipfile

import dateutil
import pandas

zones = importlib.resources.files("dateutil.zoneinfo").joinpath("dateutil-zoneinfo.tar.gz")
print(zones.is_file(), hashlib.sha256(zones.read_bytes()).hexdigest())
with importlib.resources.as_file(zones) as path:
    print(path.stat().st_size)

distribution = importlib.metadata.distribution("pandas")
print(distribution.version, distribution.metadata["Name"], len(distribution.files or ()), sorted(distribution.requires)[:2])
print(sorted(name for name in importlib.metadata.packages_distributions() if name in ("pandas", "numpy", "six")))

print(sorted(module.name for module in pkgutil.walk_packages(dateutil.__path__, "dateutil.")))

walked = []
for folder, folders, files in os.walk(os.path.dirname(pandas.__file__)):
    folders[:] = sorted(name for name in folders if name != "__pycache__")
    for name in sorted(files):
        path = os.path.join(folder, name)
        walked.append(f"{os.path.relpath(path, os.path.dirname(pandas.__file__))} {os.stat(path).st_size}")
print(len(walked), hashlib.sha256("\n".join(walked).encode()).hexdigest())

with zipfile.ZipFile("/tmp/zipped.zip", "w") as archive:
    archive.writestr("zipped_module.py", "import six\nNAME = __loader__.__class__.__name__ + six.__name__\n")
sys.path.insert(0, "/tmp/zipped.zip")
import zipped_module

print(zipped_module.NAME)

source = os.path.join(os.path.dirname(pandas.__file__), "core", "frame.py")
with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    print(len(mapped), mapped.find(b"class DataFrame"), hashlib.sha256(mapped).hexdigest())
