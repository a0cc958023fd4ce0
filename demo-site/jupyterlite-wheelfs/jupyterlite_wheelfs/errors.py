"""What can go wrong, each said in a line: what was wanted, what was found, what to do."""


class WheelfsError(Exception):
    """The site cannot be given wheelfs."""


class Unreachable(WheelfsError):
    """The site's Pyodide is not where the build can get at it; an index that was made elsewhere needs none of it."""
