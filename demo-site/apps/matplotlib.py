"""A figure drawn by matplotlib's Agg, as the hash of its PNG. Importing matplotlib writes into its own folder."""

import hashlib
import io

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([0, 1, 2, 3], [0, 1, 4, 9], label="squares")
axes.set_title("wheelfs")
axes.legend()
png = io.BytesIO()
figure.savefig(png, format="png", metadata={"Software": None})
print(len(png.getvalue()), hashlib.sha256(png.getvalue()).hexdigest())
