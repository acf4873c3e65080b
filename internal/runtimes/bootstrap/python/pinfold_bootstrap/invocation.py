"""What is known about one invocation while it runs, and which one that is."""

import os
from _contextvars import ContextVar

from . import context

WINDOW = 1 << 20  # bytes of a stream that may be on their way to the caller

_TRACE = "_X_AMZN_TRACE_ID"


class Invocation:
    __slots__ = ("number", "request_id", "trace", "over", "lines", "sent", "taken", "changed", "context", "event")

    def __init__(self, number, payload):
        size = 4 + int.from_bytes(payload[:4], "big")
        self.number = number
        self.request_id, limit, arn, self.trace, client = payload[4:size].decode().split("\n", 4)
        self.event = payload[size:]
        self.changed = None  # a semaphore, where somebody waits for taken to become more
        self.context = (self.request_id, arn, int(limit), client)
        self.over = False
        self.lines = None  # that have been begun, by stream
        self.sent = self.taken = 0  # bytes of its stream: written here; passed on to the caller

    def make_context(self):
        return context.LambdaContext(*self.context)

    def credit(self, payload):
        self.taken += int.from_bytes(payload, "big")
        if self.changed is not None:
            self.changed.release()


class Nobody(Invocation):
    """Stands for what happens between invocations."""

    __slots__ = ()

    def __init__(self):
        self.number = 0
        self.request_id = self.trace = ""
        self.over = False
        self.lines = None


nobody = Nobody()
running = nobody  # where one runs at a time
here = ContextVar("pinfold.invocation")  # where several do


def current():
    """The invocation in whose context the caller runs."""
    found = here.get(None)
    if found is None:
        return running
    return nobody if found.over else found


# --- the trace header of X-Ray in the environment -------------------------------
#
# Lambda's runtime puts it into the environment for each invocation. The C library
# keeps every value that a variable ever had, so an instance would grow by 150
# bytes with each. Here it goes into what os.environ reads, and into the real
# environment only before that is inherited.

KEY = os.environ.encodekey(_TRACE)

_wanted = _inherited = ""


def set_trace(value):
    global _wanted
    _wanted = value
    try:
        if value:
            os.environ._data[KEY] = value.encode()
        else:
            os.environ._data.pop(KEY, None)
    except AttributeError:  # the function has put something else there, and may look after it
        pass


def inherit_trace():
    global _inherited
    if _wanted != _inherited:
        _inherited = _wanted
        if _wanted:
            os.putenv(_TRACE, _wanted)
        else:
            os.unsetenv(_TRACE)


def watch_children():
    """Sees to it that forks and programs inherit the trace header."""
    import _posixsubprocess  # what subprocess starts programs with

    os.register_at_fork(before=inherit_trace)
    for module, name in ((_posixsubprocess, "fork_exec"), (os, "posix_spawn"), (os, "posix_spawnp"), (os, "system")):
        setattr(module, name, _inheriting(getattr(module, name)))


def _inheriting(start):
    def start_with_trace(*arguments, **named):
        inherit_trace()
        return start(*arguments, **named)

    return start_with_trace
