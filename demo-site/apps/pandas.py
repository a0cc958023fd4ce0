"""Sales per region: read a CSV, group, merge, print. Real work on pandas, and little of it."""

import io

import pandas as pd

SALES = """\
date,region,product,units,price
2026-01-05,north,tea,12,3.20
2026-01-06,south,coffee,30,4.10
2026-01-09,north,coffee,7,4.10
2026-02-02,east,tea,21,3.20
2026-02-14,south,cocoa,5,5.60
2026-02-20,north,cocoa,9,5.60
2026-03-01,east,coffee,16,4.10
2026-03-12,south,tea,25,3.20
2026-03-30,west,tea,4,3.20
"""

REGIONS = pd.DataFrame({"region": ["north", "south", "east"], "manager": ["Ada", "Grace", "Edsger"]})

sales = pd.read_csv(io.StringIO(SALES), parse_dates=["date"])
sales["revenue"] = sales["units"] * sales["price"]
sales["month"] = sales["date"].dt.strftime("%b")

totals = sales.groupby("region", as_index=False).agg(units=("units", "sum"), revenue=("revenue", "sum"))
report = totals.merge(REGIONS, on="region", how="left").sort_values("revenue", ascending=False)
print(report.to_string(index=False))
print()
months = ["Jan", "Feb", "Mar"]
print(sales.pivot_table(index="product", columns="month", values="units", aggfunc="sum", fill_value=0)[months].to_string())
