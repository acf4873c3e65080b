"""Serves one invocation at a time, on the main thread. One that is sent ahead
waits in the pipe, or here, until the answer before it is out.
"""

from collections import deque

from . import answers, invocation, logs, wire

_waiting = deque()  # frames that came while a stream waited for credit


def serve(handler, keep):
    """keep is called when the function has shown what it loads, or is None."""
    while True:
        kind, number, payload = _waiting.popleft() if _waiting else wire.receive()
        if kind == wire.INVOKE:
            _run(handler, invocation.Invocation(number, payload))
            if keep is not None:
                keep = keep()
        elif kind != wire.CREDIT:  # that may be left over from a stream
            raise wire.Gone(wire.NONSENSE)


def _run(handler, current):
    invocation.running = current
    invocation.set_trace(current.trace)
    last = answers.make(handler, current, _await_credit)
    with wire.lock:  # what threads write from now on is not this one's
        last = logs.finish(current) + last
        invocation.running = invocation.nobody
    wire.send(last)


def _await_credit(current):
    found = wire.receive()
    if found[0] == wire.CREDIT and found[1] == current.number:
        current.credit(found[2])
    else:
        _waiting.append(found)
