"""JavaScript calls back into Python, which reads what was not read before: no such stack can suspend, the program's can."""

import asyncio
import base64
import hashlib
import importlib.metadata

import js
from pyodide.ffi import create_once_callable, create_proxy

files = {str(file): file for file in importlib.metadata.files("pygments")}
intact = {}


def read(name):
    content = files[name].locate().read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    intact[name] = digest == files[name].hash.value


fired = asyncio.Event()


def on_time():
    read("pygments/util.py")
    fired.set()


js.setTimeout(create_once_callable(on_time), 0)
await fired.wait()

handler = create_proxy(lambda event: read("pygments/style.py"))
target = js.EventTarget.new()
target.addEventListener("read", handler)
target.dispatchEvent(js.Event.new("read"))
handler.destroy()

print(intact)
