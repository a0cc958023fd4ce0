"""numpy, scipy over a shared BLAS, and scikit-learn: 97 libraries and more, one of them NEEDED by many."""

import numpy as np
import scipy.linalg
import scipy.stats
from sklearn.linear_model import LinearRegression

x = np.arange(20.0).reshape(10, 2) ** 1.1
y = x @ [1, 2] + 3
print(LinearRegression().fit(x, y).coef_.round(6))
print(scipy.linalg.det(np.array([[2.0, 1.0], [1.0, 3.0]])).round(6))
print(scipy.stats.norm.cdf([0.0, 1.0, 2.0]).round(6))
