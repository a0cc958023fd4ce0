import dateutil.parser
import importlib.metadata

print(dateutil.parser.parse("2 Jan 2026").year, importlib.metadata.version("six"))
