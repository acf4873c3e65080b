"""Events and answers as JSON. Lambda's runtime also takes decimal.Decimal in an
answer, as a number of full precision, and bytes, as text.

The C functions behind module json are called directly. That takes less time, and
json, which takes as long to load as the rest of the bootstrap together, is loaded
only where a function needs it.
"""

import sys

# From Python 3.12 on, Lambda leaves characters beyond ASCII as they are.
_ASCII = sys.version_info < (3, 12)


class _Usual:
    """What a decoder is asked for by the scanner."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int
    memo = {}

    @staticmethod
    def parse_constant(name):
        return float(name.replace("Infinity", "inf"))


try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    _scan = make_scanner(_Usual)

    def _encoder(default):
        quote = encode_basestring_ascii if _ASCII else encode_basestring
        return make_encoder({}, default, quote, None, ": ", ", ", False, False, True)

    _encoder(None)
except (ImportError, AttributeError, TypeError):  # an interpreter without them, or with others
    _scan = None


def decode(data):
    """Returns the value of JSON in UTF-8. Errors are those of json.loads."""
    if _scan:
        try:
            text = data.decode()
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except Exception:
            pass  # white space, byte order marks, other encodings, errors
    import json

    return json.loads(data)


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
            return _mark() % (len(decimals) - 1)
        raise TypeError(f"Object of type {type(other).__name__} is not JSON serializable")

    text = _dump(value, default, _ASCII)
    for i, number in enumerate(decimals):
        text = text.replace(_dump(_mark() % i, default, _ASCII), number, 1)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can say
        return _dump(value, default, True).encode()


def _dump(value, default, ascii_only):
    if _scan and ascii_only == _ASCII:
        return "".join(_encoder(default)(value, 0))
    import json

    return json.dumps(value, ensure_ascii=ascii_only, default=default)


_mark_text = None


def _mark():
    """JSON cannot hold a number that is not its own, so one stands in that no string is equal to."""
    global _mark_text
    if _mark_text is None:
        import os

        _mark_text = "decimal:" + os.urandom(8).hex() + ":%d:"
    return _mark_text


def _is_decimal(value):
    module = sys.modules.get("decimal")  # not loaded: there are none
    return module is not None and isinstance(value, module.Decimal)
