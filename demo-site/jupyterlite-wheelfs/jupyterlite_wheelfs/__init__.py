"""A JupyterLite addon: the Python kernel reads packages as it needs them, instead of loading them whole."""

__version__ = "0.1.0"
