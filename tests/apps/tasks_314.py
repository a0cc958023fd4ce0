"""Four tasks, three of which import the same package, on the Python whose collector walks suspended stacks."""

import asyncio
import gc


async def integral():
    from sympy import integrate, sin, symbols

    gc.collect()
    x = symbols("x")
    return str(integrate(sin(x), x))


async def other():
    import pydantic

    return pydantic.__name__


print(await asyncio.gather(integral(), integral(), integral(), other()))
