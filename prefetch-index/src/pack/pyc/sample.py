"""A module whose bytecode has one of each: what marshal writes and what line tables hold."""

import os
from collections import OrderedDict as Ordered

NUMBERS = (1, -2, 300_000, 2**70, 1.5, 2j, True, False, None, ..., b"bytes", "ünïcode", frozenset({1}))


class Shape:
    """Text that is longer than a name may be, so that it goes into the other stream of letters."""

    sides = 4

    def area(self, width, *, height=1):
        return width * height if height > 0 else self.sides

    async def later(self, values):
        async with self:
            return [await value async for value in values if value]


def outer(x):
    def inner(y):
        nonlocal x
        x += y
        return x

    try:
        with open(os.path.join("a", x)) as file:
            data = {line.strip(): [*line] for line in file}
    except (OSError, ValueError) as error:
        raise RuntimeError(f"cannot read {x!r}: {error}") from error
    finally:
        print("done", sep="", end="\n")
    return inner, data, Ordered[x:1, ...], x[1:2], lambda a, b=2: (
        a
        + b
    )
