"""Asks the server for a path when the first line of a package runs."""

import sys

import js


def notice(event, arguments):
    if event == "exec" and arguments[0].co_filename.endswith("/pandas/__init__.py"):
        js.fetch("/first-line")


sys.addaudithook(notice)
import pandas

print(pandas.__version__)
