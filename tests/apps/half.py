"""While a package is made, another task imports a module of it: neither may see the half that the other has made."""

import asyncio
import importlib
import sys


async def package():
    return importlib.import_module("half").NAME


async def module():
    while "half" not in sys.modules:
        await asyncio.sleep(0)
    return importlib.import_module("half.needs").NAME


print(await asyncio.gather(package(), module()))
