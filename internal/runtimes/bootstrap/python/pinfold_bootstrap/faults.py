"""Errors as a caller gets them, and as the log does."""

import os

from . import logs, marshal_json

_ASYNCIO = os.sep + "asyncio" + os.sep
_OURS = os.path.dirname(__file__) + os.sep


class Fault(Exception):
    """An error with a name of the runtime's, such as Runtime.HandlerNotFound."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


def failure(error, request_id=""):
    """Returns an error as the log shows it and as the caller gets it."""
    if isinstance(error, Fault):
        kind, stack = error.kind, error.trace
    else:
        kind, stack = type(error).__name__, _stack(error)
    try:
        message = str(error)
    except Exception:
        message = "<unprintable %s object>" % kind  # as Python's own traceback has it
    envelope = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}
    return logs.of_error(envelope), marshal_json.encode(envelope)


def _stack(error):
    """The stack of an error from where the function's own code begins."""
    try:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
    except Exception:  # no memory, or a source file that cannot be read
        return []
    while frames and (frames[0].filename.startswith((_OURS, "<frozen importlib")) or _ASYNCIO in frames[0].filename):
        del frames[0]
    return traceback.format_list(frames)
