"""A sum by pandas."""

import pandas

print(pandas.DataFrame({"a": [1, 30, 200]}).sum().iloc[0])
