"""Two tasks import two modules that import each other, and are suspended amid both."""

import asyncio
import importlib


async def name(module):
    return importlib.import_module(module).NAME


print(await asyncio.gather(name("ping"), name("pong")))
