"""The end of a process that one of its threads asks for."""

import atexit
import os
import sys

from . import logs, wire


def say_the_rest(under_way):
    """Sends the lines that invocations have begun and will not end."""
    wire.send(b"".join([logs.finish(current) for current in under_way.copy().values()]))


def end(error, under_way):
    """Ends the process as Python would if error had come out of the main thread."""
    code = 1
    try:
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = (error.code or 0) & 0xFF
        say_the_rest(under_way)
        if not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
        elif isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
