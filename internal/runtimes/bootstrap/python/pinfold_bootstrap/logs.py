"""What a function writes, as log events of the invocation that writes it.

sys.stdout and sys.stderr make one event of each line. \\r stands for a line end
inside an event, as on Lambda. What is written to sys.stdout.buffer, or to the
descriptors themselves, comes to the platform through another pipe.
"""

import io
import os
import sys
import time

from . import invocation, wire

_LIMIT = 256 << 10  # of an event. Source: CloudWatch Logs quotas
_MANY = 512  # pieces of a line, before they are put together

as_json = False


def event(number, text):
    """Returns text as one log event, or as several if it is too long for one."""
    if "\r" in text:
        text = text.replace("\r", "\n")
    if text.endswith("\n"):
        text = text[:-1]
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    if len(data) <= _LIMIT:
        return wire.frame(wire.LOG, number, data)
    frames = []
    while data:
        end = _LIMIT
        while end < len(data) and data[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        frames.append(wire.frame(wire.LOG, number, data[:end]))
        data = data[end:]
    return b"".join(frames)


class Stream(io.TextIOWrapper):
    """Standard output or error. It cannot be closed: others use it as well."""

    def write(self, text):
        if not wire.ours():
            return super().write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not text:
            return 0
        with wire.lock:
            current = invocation.current()
            if "\n" not in text:
                self._keep(current, text)
                return len(text)
            lines = text.split("\n")
            if current.lines and self in current.lines:
                lines[0] = "".join(current.lines.pop(self)) + lines[0]
            rest = lines.pop()
            wire.send(b"".join([event(current.number, line) for line in lines]))
            if rest:
                self._keep(current, rest)
        return len(text)

    def _keep(self, current, text):
        """Keeps a line that is not over yet."""
        if current.lines is None:
            current.lines = {}
        pieces = current.lines.setdefault(self, [])
        pieces.append(text)
        if len(pieces) >= _MANY or len(text) > _LIMIT:
            text = "".join(pieces)
            while len(text) > _LIMIT:
                wire.send(event(current.number, text[:_LIMIT]))
                text = text[_LIMIT:]
            pieces[:] = [text]

    def close(self):
        self.flush()

    def flush(self):
        try:
            super().flush()
        except (OSError, ValueError):
            pass  # the function has closed what is below


def finish(of):
    """Ends the log of an invocation. Returns the frames that are left of it."""
    for stream in _streams:
        stream.flush()
    left, of.lines = of.lines, None
    if not left:
        return b""
    return b"".join([event(of.number, "".join(pieces)) for pieces in left.values()])


_streams = ()


def redirect():
    """Puts streams of ours in the place of standard output and error."""
    global _streams
    _streams = tuple(
        Stream(stream.detach(), encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
        for stream in (sys.stdout, sys.stderr)
    )
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = _streams


def set_up():
    """Sets up module logging as the environment asks, once a function loads it."""
    global as_json
    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    if "logging" in sys.modules:
        from . import records

        records.set_up(as_json)
    else:
        sys.meta_path.insert(0, _Awaited())


class _Awaited:
    """Finds module logging, and then sets it up before anyone sees it."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from _frozen_importlib_external import PathFinder

        spec = PathFinder.find_spec(name)
        run = spec.loader.exec_module

        def run_and_set_up(module):
            run(module)
            from . import records

            records.set_up(as_json)

        spec.loader.exec_module = run_and_set_up
        return spec


def of_error(envelope):
    """Returns an error that ended an invocation as the text of a log event."""
    kind, message = envelope["errorType"], envelope["errorMessage"]
    if as_json:
        import json

        return json.dumps({"timestamp": stamp(time.time()), "level": "ERROR", **envelope}, ensure_ascii=False)
    lines = [f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}", "Traceback (most recent call last):"]
    for entry in envelope["stackTrace"]:
        for line in entry.splitlines():
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)  # Lambda indents with no-break spaces
    return "\n".join(lines)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (seconds % 1 * 1000)
