"""What tests/apps/modern.py does not do with its compiled packages."""

from datetime import date

import msgpack
from pydantic import BaseModel, Field, ValidationError


class Order(BaseModel):
    day: date
    units: int = Field(gt=0, multiple_of=3)
    tags: set[str] = set()


print(Order.model_validate_json('{"day": "2026-02-03", "units": 9, "tags": ["b", "b"]}').model_dump(mode="json"))
try:
    Order(day="never", units=4)
except ValidationError as error:
    print([problem["type"] for problem in error.errors()])
print(sorted(Order.model_json_schema()["properties"]))
packed = msgpack.packb({"when": msgpack.Timestamp(5, 7), "many": list(range(300)), "deep": [[[b"x" * 70_000]]]})
print(len(packed), msgpack.unpackb(packed)["when"])
try:
    msgpack.unpackb(packed[:-1])
except ValueError as error:
    print(error)
