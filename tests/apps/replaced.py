"""A module of a package is another one now, as after an upgrade: its bytecode in the pack must not be used."""

import sysconfig

site = sysconfig.get_paths()["purelib"]
with open(f"{site}/six.py", "w") as file:
    file.write("__version__ = 'mine'\n")
import six

print(six.__version__)
