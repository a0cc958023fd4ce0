"""Every module of the standard library, whether or not a hot archive has it: what imports, and how the rest fails."""

import importlib
import sys
import warnings

warnings.simplefilter("ignore")
# These do something when imported: open a browser, print a poem.
names = sorted(set(sys.stdlib_module_names) - {"antigravity", "this"})
names += [
    "asyncio.__main__", "concurrent.futures.thread", "ctypes.macholib.dyld", "email.mime.image", "encodings.cp1140",
    "html.entities", "http.cookiejar", "importlib.metadata._text", "importlib.resources.simple", "json.tool",
    "logging.handlers", "multiprocessing.reduction", "unittest.mock", "urllib.robotparser", "wsgiref.simple_server",
    "xml.dom.minidom", "xml.sax.saxutils", "xmlrpc.client", "zoneinfo._common",
]
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, type(error).__name__)
import json.scanner

print(len(names) > 200, json.scanner.make_scanner is not None)
