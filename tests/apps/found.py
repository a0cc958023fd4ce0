"""Compares where modules are found with where importlib's own finder finds them, in folders as they are and as they change."""

import os
import pkgutil
import sys
from importlib.machinery import ExtensionFileLoader, FileFinder, SourceFileLoader, SourcelessFileLoader

from _frozen_importlib_external import _get_supported_file_loaders

KINDS = ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
site = next(path for path in sys.path if path.endswith("site-packages"))


def described(spec):
    if spec is None:
        return None
    kind = next((kind for kind in KINDS if isinstance(spec.loader, kind)), None)
    return spec.name, spec.origin, spec.cached, spec.has_location, spec.submodule_search_locations, kind


def compare(folder):
    """How many modules were found."""
    ours, theirs = pkgutil.get_importer(folder), FileFinder(folder, *_get_supported_file_loaders())
    assert isinstance(ours, FileFinder) and type(ours) is not FileFinder, (folder, ours)
    names = {name.split(".")[0] for name in os.listdir(folder)} | {"absent", "__init__"}
    found = 0
    for name in sorted(names):
        spec = described(ours.find_spec(f"within.{name}"))
        assert spec == described(theirs.find_spec(f"within.{name}")), (spec, theirs.find_spec(f"within.{name}"))
        found += spec is not None
    return found


def write(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


folders = [folder for folder, _, _ in os.walk(site) if not folder.endswith(("__pycache__", ".dist-info"))]
found = sum(map(compare, folders))
assert found > 300, found

within = next(folder for folder in (f"{site}/pandas/core", f"{site}/sympy/core") if os.path.isdir(folder))
names = sorted(os.listdir(within))
removed, moved = [name for name in names if name.endswith(".py") and not name.startswith("_")][:2]
package = next(name for name in names if os.path.isfile(f"{within}/{name}/__init__.py"))
before = compare(within)
write(f"{within}/both.py")
write(f"{within}/both/__init__.py")
write(f"{within}/space/part.py")
write(f"{within}/compiled/__init__.pyc")
write(f"{within}/bare.pyc")
write(f"{within}/native.so")
write(f"{within}/native.py")
write(f"{within}/initial/__init__.so")
write(f"{within}/initial/__init__.py")
write(f"{within}/folder.py/module.py")
os.symlink(os.path.dirname(within), f"{within}/linked")
os.symlink(f"{within}/{removed}", f"{within}/linked_module.py")
os.symlink(f"{within}/nowhere", f"{within}/broken")
assert compare(within) == before + 8, compare(within) - before
os.remove(f"{within}/{removed}")
os.rename(f"{within}/{moved}", f"{within}/renamed.py")
os.rename(f"{within}/{package}", f"{within}/moved")
# The link that led to what was removed leads nowhere.
assert compare(within) == before + 6, compare(within) - before
assert compare(f"{within}/moved")
print("found")
