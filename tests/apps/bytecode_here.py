"""Imports some modules, then opens all bytecode that is shown, and prints what of it is here."""

import os
import sysconfig

import dateutil.rrule
import dateutil.tz

folder = sysconfig.get_path("purelib")
for path, folders, names in os.walk(folder):
    if not path.endswith("__pycache__"):
        continue
    print(*folders, end="")
    for name in sorted(names):
        file = os.path.join(path, name)
        try:
            open(file, "rb").close()
        except FileNotFoundError:
            continue
        print(os.path.relpath(file, folder))
