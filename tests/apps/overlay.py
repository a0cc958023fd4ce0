"""Everything that may be written in site-packages: as on MEMFS, while the rest stays lazy."""

import errno
import importlib
import mmap
import os
import sys
import sysconfig

site = sysconfig.get_paths()["purelib"]
dateutil = f"{site}/dateutil"

before = sorted(os.listdir(dateutil))
assert "parser" in before and "tz" in before, before
assert os.stat(f"{dateutil}/utils.py").st_size == len(open(f"{dateutil}/utils.py", "rb").read())

# A new file, in a folder that is lazy.
with open(f"{dateutil}/new.py", "w") as file:
    file.write("ANSWER = 42\n")
importlib.invalidate_caches()
import dateutil.new

assert dateutil.new.ANSWER == 42

package = dateutil.__path__[0]
# Append to, truncate, and replace what is lazy.
original = open(f"{package}/easter.py", "rb").read()
with open(f"{package}/easter.py", "ab") as file:
    file.write(b"\nADDED = True\n")
assert open(f"{package}/easter.py", "rb").read() == original + b"\nADDED = True\n"
import dateutil.easter

assert dateutil.easter.ADDED and dateutil.easter.easter(2026).month == 4
os.truncate(f"{package}/_version.py", 5)
assert os.stat(f"{package}/_version.py").st_size == 5
with open(f"{package}/_common.py", "w") as file:
    file.write("REPLACED = True\n")
assert open(f"{package}/_common.py").read() == "REPLACED = True\n"

# Rename a lazy file and a lazy folder; what is below follows.
os.rename(f"{package}/rrule.py", f"{package}/rules.py")
assert not os.path.exists(f"{package}/rrule.py") and len(open(f"{package}/rules.py").read()) > 60_000
os.rename(f"{package}/zoneinfo", "/tmp/zones")
assert "__init__.py" in os.listdir("/tmp/zones") and "zoneinfo" not in os.listdir(package)
assert b"def" in open("/tmp/zones/__init__.py", "rb").read()

# Unlink, and it stays away.
os.unlink(f"{package}/utils.py")
assert not os.path.exists(f"{package}/utils.py") and "utils.py" not in os.listdir(package)
try:
    os.rmdir(f"{package}/tz")
except OSError as error:
    assert error.errno == errno.ENOTEMPTY, error
else:
    raise AssertionError("a folder that is not empty was removed")

# Nobody has looked into this folder yet.
os.mkdir("/tmp/empty")
try:
    os.rename("/tmp/empty", f"{package}/parser")
except OSError as error:
    assert error.errno == errno.ENOTEMPTY, error
else:
    raise AssertionError("a folder that is not empty was replaced")

os.mkdir(f"{package}/fresh")
os.symlink(f"{package}/rules.py", f"{package}/fresh/link.py")
assert len(open(f"{package}/fresh/link.py").read()) > 60_000
os.chmod(f"{package}/rules.py", 0o600)
assert os.stat(f"{package}/rules.py").st_mode & 0o777 == 0o600

# A private mapping of a lazy file.
with open(f"{package}/relativedelta.py", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    content = mapped[:]
assert content == open(f"{package}/relativedelta.py", "rb").read()

# Bytecode beside a lazy source.
sys.dont_write_bytecode = False
import py_compile

compiled = py_compile.compile(f"{package}/relativedelta.py")
assert os.path.dirname(compiled) == f"{package}/__pycache__" and os.path.getsize(compiled) > 1000

try:
    open(f"{package}/nothing.py")
except FileNotFoundError as error:
    assert error.filename == f"{package}/nothing.py"

import importlib.metadata

assert importlib.metadata.version("python-dateutil").startswith("2.")
assert importlib.metadata.distribution("python-dateutil").read_text("INSTALLER") == "wheelfs"
print(sum(len(files) for _, _, files in os.walk(package)) > 10)
