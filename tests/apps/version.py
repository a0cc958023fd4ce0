"""Imports whatever is in site-packages."""

import importlib
import os
import sysconfig

for name in sorted(os.listdir(sysconfig.get_paths()["purelib"])):
    if name == "mpmath" or name == "six.py":
        print(importlib.import_module(name.removesuffix(".py")).__version__)
