"""A process's life: it says hello, takes in a function, and serves it until the
platform is gone. It behaves as Lambda's own runtime does.
"""

import os
import sys

from . import context, faults, function, invocation, logs, marshal_json, wire


def main(arguments):
    wire.open_pipes()
    logs.redirect()
    invocation.watch_children()
    if "ahead" in arguments[1:]:
        from . import ahead  # noqa: F401
    del arguments[1:]
    try:
        wire.send(wire.frame(wire.HELLO, 0, b"%d.%d.%d" % sys.version_info[:3]))
        init = marshal_json.decode(_receive(wire.INIT))
        function.surround(init["env"])
        _receive(wire.LOAD)  # now the code is there
        _serve(init, _take_in(init))
    except wire.Gone as gone:
        os._exit(gone.code)  # threads of the function, if any, are not waited for
    finally:  # a function that ends the process may not have ended its line
        wire.send(logs.finish(invocation.running))


def _receive(what):
    kind, _, payload = wire.receive()
    if kind != what:
        raise wire.Gone(wire.NONSENSE)
    return payload


def _take_in(init):
    """Makes this process the function's and returns the handler."""
    if init.get("concurrency", 1) > 1:
        from . import several  # noqa: F401  before there are modules of the function's
    function.prepare(init)
    if init.get("cache") or init.get("wantCache"):
        from . import compiled

        compiled.use(init.get("cache"), (init["task"], init["opt"]))
    context.set_up()
    logs.set_up()
    try:
        handler = function.load(init["handler"])
    except Exception as error:
        text, envelope = faults.failure(error)
        wire.send(logs.finish(invocation.nobody) + logs.event(0, text) + wire.frame(wire.INIT_ERROR, 0, envelope))
        sys.exit(1)
    wire.send(logs.finish(invocation.nobody) + wire.frame(wire.READY, 0))
    return handler


def _serve(init, handler):
    keep = None
    if init.get("wantCache"):
        from . import compiled

        keep = compiled.keep
    if init.get("concurrency", 1) > 1:
        from . import several

        several.serve(handler, keep, init["concurrency"])
    else:
        from . import single

        single.serve(handler, keep)
