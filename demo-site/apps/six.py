"""One small file of pure Python: nothing to gain."""

import six

print(six.text_type("wheelfs").upper(), six.PY3)
