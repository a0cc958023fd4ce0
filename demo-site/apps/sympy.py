"""An integral: no compiled code, 493 modules."""

from sympy import integrate, sin, symbols

x = symbols("x")
print(integrate(sin(x) * x, x))
