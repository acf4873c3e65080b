"""Answers as JSON. Lambda's runtime also takes decimal.Decimal, as numbers of
full precision, and bytes, as text.
"""

import json
import os
import sys

# From Python 3.12 on, Lambda leaves characters beyond ASCII as they are.
_ASCII = sys.version_info < (3, 12)


def encode(value):
    """Returns value as JSON in UTF-8; bytes are taken to be that already."""
    if isinstance(value, bytes):
        return value
    decimals = []

    def default(other):
        if isinstance(other, bytes):
            return other.decode()
        if _is_decimal(other):
            if other.is_nan():
                return float("nan")
            decimals.append(str(other))
            return _MARK % (len(decimals) - 1)
        raise TypeError(f"Object of type {type(other).__name__} is not JSON serializable")

    text = json.dumps(value, ensure_ascii=_ASCII, default=default)
    for i, number in enumerate(decimals):
        text = text.replace(json.dumps(_MARK % i, ensure_ascii=_ASCII), number, 1)
    return text.encode("utf-8", "surrogatepass")


# json cannot write a number that is not its own, so one stands in that no string is equal to.
_MARK = "decimal:" + os.urandom(8).hex() + ":%d:"


def _is_decimal(value):
    module = sys.modules.get("decimal")  # not loaded: there are none
    return module is not None and isinstance(value, module.Decimal)
