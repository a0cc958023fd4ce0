"""Reads and loads a library where nothing can wait."""

import numpy
from dateutil import parser

print(numpy.arange(4).sum(), parser.parse("2026-11-22").year)
