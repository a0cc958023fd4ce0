"""A model fitted: numpy, scipy over a shared BLAS, scikit-learn."""

import numpy as np
from sklearn.linear_model import LinearRegression

x = np.arange(20.0).reshape(10, 2) ** 1.1
y = x @ [1, 2] + 3
model = LinearRegression().fit(x, y)
print(model.coef_.round(6), round(model.intercept_, 6))
