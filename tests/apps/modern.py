"""What PyPI has for Pyodide 314: a pure package, and two with compiled parts."""

import msgpack
import pydantic
from sympy import integrate, sin, symbols


class Point(pydantic.BaseModel):
    x: int
    y: int = 2


x = symbols("x")
print(integrate(sin(x), x))
print(Point(x="1").model_dump_json())
print(msgpack.unpackb(msgpack.packb({"wheels": [1, 2, 3]})))
