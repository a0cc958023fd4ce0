"""The smallest wheel of all: one module. What goes wrong with it is printed."""

try:
    import six
except OSError as error:
    print(type(error).__name__, error.errno, error.filename)
else:
    print(six.__version__)
