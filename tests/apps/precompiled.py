"""Imports the last file of a wheel first: the others arrive meanwhile. Prints what became of them."""

import os
import warnings

import late.last

folder = os.path.dirname(late.__file__)
cache = f"{folder}/__pycache__"
print("compiled:", *sorted(name.partition(".")[0] for name in os.listdir(cache)))

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import late.warns
print(*(warning.category.__name__ for warning in caught))

try:
    import late.broken
except SyntaxError as error:
    print(f"line {error.lineno}")

with open(f"{folder}/replaced.py", "w") as file:
    file.write("VALUE = 'new'\n")
import late.replaced

os.unlink(f"{folder}/unlinked.py")
try:
    import late.unlinked
except ImportError as error:
    print(type(error).__name__)

import late.plain

print(late.plain.VALUE, late.replaced.VALUE, late.plain.__cached__ == f"{cache}/{os.path.basename(late.plain.__cached__)}")
try:
    late.plain.fail()
except ValueError as error:
    print(error.__traceback__.tb_next.tb_lineno)
print("left:", *sorted(name.partition(".")[0] for name in os.listdir(cache)))
