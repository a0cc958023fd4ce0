"""Two wheels: dateutil needs six."""

from dateutil.easter import easter
from dateutil.parser import parse

print(max(easter(2026), parse("2026-01-01").date()))
