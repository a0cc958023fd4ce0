"""A traceback through a package, with its source lines."""

import traceback

import pandas as pd

try:
    pd.DataFrame({"a": [1]}).pivot(index="b", columns="a", values="c")
except KeyError:
    print(traceback.format_exc())
