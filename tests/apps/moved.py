"""A module of a package is another one now, moved there from elsewhere: its bytecode in the pack must not be used."""

import os
import sysconfig

with open("/tmp/six.py", "w") as file:
    file.write("__version__ = 'mine'\n")
os.replace("/tmp/six.py", f"{sysconfig.get_paths()['purelib']}/six.py")
import six

print(six.__version__)
