"""What can go wrong, each said in a line: what was wanted, what was found, what to do."""


class WheelfsError(Exception):
    """The site cannot be given wheelfs."""
