import sympy

x = sympy.symbols("x")
print(sympy.integrate(sympy.sin(x), x))
