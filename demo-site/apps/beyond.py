"""What pandas.py does not do: its pack has these functions at its end."""

import io

import numpy as np
import pandas as pd

frame = pd.DataFrame(
    {"a": np.arange(12) % 5, "b": np.linspace(0, 1, 12)},
    index=pd.date_range("2026-01-01", periods=12, freq="6h"),
)
print(frame.rolling("1D").mean().round(6).to_string())
print(frame.resample("1D").agg(["min", "max", "std"]).round(6).to_string())
print(frame["b"].ewm(alpha=0.5).mean().round(6).tolist())
print(frame.groupby("a")["b"].quantile(0.3).round(6).to_dict())
print(frame.to_json(orient="split"))
print(pd.read_json(io.StringIO(frame.reset_index().to_json())).dtypes.astype(str).to_dict())
print(pd.cut(frame["b"], 3).value_counts().sort_index().tolist())
print(pd.Series(["x", None, "y"]).str.upper().fillna("-").tolist(), pd.Index([3, 1, 2]).argsort().tolist())
print(np.linalg.svd(np.vander([1.0, 2.0, 3.0]))[1].round(6).tolist(), np.fft.rfft(np.arange(8.0)).round(6).tolist())
print(np.random.default_rng(7).normal(size=4).round(6).tolist(), np.sort(np.array(["b", "a", "c"])).tolist())
try:
    pd.to_datetime("nonsense")
except ValueError as error:
    print(type(error).__name__)
