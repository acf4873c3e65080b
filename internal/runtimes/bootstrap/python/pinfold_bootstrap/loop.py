"""The Python side of the framed protocol (see the documentation of package
runtimes): says hello, takes in a function, and then runs its handler once for
every INVOKE frame. It behaves as Lambda's own runtime does.
"""

import importlib
import json
import os
import sys
import traceback

from . import context, logs, marshal_json

HELLO, INIT, READY, INIT_ERROR, INVOKE, RESPONSE, ERROR = range(1, 8)
LINK = 3


class Fault(Exception):
    """An error with a name of the runtime's, such as Runtime.HandlerNotFound."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


# --- frames -----------------------------------------------------------------


def send(kind, invocation, payload=b""):
    """Writes one frame, in one system call if the socket takes it."""
    header = len(payload).to_bytes(4, "big") + invocation.to_bytes(4, "big") + bytes((kind,))
    size = len(header) + len(payload)
    sent = os.writev(LINK, (header, payload))
    if sent < size:
        rest = memoryview(header + payload)[sent:]
        while rest:
            rest = rest[os.write(LINK, rest) :]


def receive(stream):
    """Returns type, invocation and payload of the next frame."""
    header = stream.read(9)
    if len(header) < 9:
        sys.exit(0)  # the platform is gone
    size = int.from_bytes(header[:4], "big")
    return header[8], int.from_bytes(header[4:8], "big"), stream.read(size)


# --- loading the function ---------------------------------------------------


def prepare(task, opt, env):
    """Makes this process the function's: its environment, folder and paths."""
    os.environ.update(env)
    os.chdir(task)
    layers = []
    if opt:
        version = "python%d.%d" % sys.version_info[:2]
        layers = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    sys.path[0:1] = [task, *(path for path in layers if os.path.isdir(path))]  # instead of our own folder


def load(handler):
    """Returns the function that a handler string names: "app.handler", "pkg/mod.handler"."""
    module, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}")
    except SyntaxError as error:
        line = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [line])
    try:
        return getattr(loaded, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")


# --- running it -------------------------------------------------------------


def invoke(handler, invocation, head, event):
    """Runs the handler once and sends its answer."""
    logs.request_id = head["requestId"]
    if head["trace"]:
        os.environ["_X_AMZN_TRACE_ID"] = head["trace"]
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        try:
            event = json.loads(event)
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")
        result = handler(event, context.LambdaContext(head))
        try:
            answer = marshal_json.encode(result)
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")
        kind = RESPONSE
    except Exception as error:
        kind, answer = ERROR, failure(error, head["requestId"])
    flush()
    send(kind, invocation, answer)


def failure(error, request_id=""):
    """Logs an error and returns it as the caller gets it."""
    if isinstance(error, Fault):
        kind, stack = error.kind, error.trace
    else:
        kind, stack = type(error).__name__, foreign_frames(error)
    logs.error(kind, str(error), stack, request_id)
    return marshal_json.encode(
        {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": stack}
    )


def foreign_frames(error):
    """The stack of an error from where the function's own code begins."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, importlib.__file__)
    while frames and (frames[0].filename in ours or frames[0].filename.startswith("<frozen importlib")):
        del frames[0]
    return traceback.format_list(frames)


def flush():
    """What was printed comes before the answer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # closed by the function


def main():
    os.set_inheritable(LINK, False)
    sys.stdout.reconfigure(line_buffering=True)
    sys.stderr.reconfigure(line_buffering=True)  # by itself only from Python 3.9 on
    stream = open(LINK, "rb", buffering=65536, closefd=False)
    send(HELLO, 0, b"%d.%d.%d" % sys.version_info[:3])

    kind, _, payload = receive(stream)
    if kind != INIT:
        sys.exit(70)
    function = json.loads(payload)
    prepare(function["task"], function["opt"], function["env"])
    logs.set_up()
    try:
        handler = load(function["handler"])
    except Exception as error:
        answer = failure(error)
        flush()
        send(INIT_ERROR, 0, answer)
        sys.exit(1)
    flush()
    send(READY, 0)

    while True:
        kind, invocation, payload = receive(stream)
        if kind != INVOKE:
            sys.exit(70)
        head = 4 + int.from_bytes(payload[:4], "big")
        invoke(handler, invocation, json.loads(payload[4:head]), payload[head:])
