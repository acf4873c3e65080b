"""Answers that come in parts, which AWS's runtime for Python does not have: a
handler that is, or returns, a generator. A part is bytes, text, or something that
JSON can hold. If the first one is a dict with a statusCode, it is what an HTTP
response begins with.
"""

from . import faults, invocation, marshal_json, wire

_LIMIT = 200 << 20  # of the whole. Source: "Response streaming", Lambda developer guide
_CHUNK = 64 << 10
_HTTP = b"application/vnd.awslambda.http-integration-response"


class Sender:
    """Turns the parts of one answer into frames."""

    def __init__(self, current):
        self._invocation = current
        self._begun = False
        self._total = 0

    def chunks(self, part):
        """Returns a part cut into pieces that fit into a frame each."""
        if isinstance(part, (bytes, bytearray, memoryview)):
            data = bytes(part)
        elif isinstance(part, str):
            data = part.encode("utf-8", "surrogatepass")
        else:
            data = self._as_json(part)
        if not self._begun:
            is_http = isinstance(part, dict) and "statusCode" in part
            self.begin(_HTTP if is_http else b"")
            if is_http:
                data += bytes(8)
        self._total += len(data)
        if self._total > _LIMIT:
            raise faults.Fault(
                "Function.ResponseSizeTooLarge", f"Response payload size exceeded maximum allowed payload size ({_LIMIT} bytes)."
            )
        if len(data) <= _CHUNK:
            return (data,) if data else ()
        return [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]

    @staticmethod
    def _as_json(part):
        try:
            return marshal_json.encode(part)
        except Exception as error:
            raise faults.Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")

    def begin(self, content_type=b""):
        self._begun = True
        self._head = wire.frame(wire.STREAM, self._invocation.number, content_type)

    def full(self, chunk):
        """Reports whether a chunk must wait until the caller has taken more."""
        return self._invocation.sent + len(chunk) - self._invocation.taken > invocation.WINDOW

    def put(self, chunk):
        self._invocation.sent += len(chunk)
        wire.send(self._take_head() + wire.frame(wire.CHUNK, self._invocation.number, chunk))

    def end(self):
        """Returns the frames that end the answer."""
        if not self._begun:
            self.begin()
        return self._take_head() + wire.frame(wire.END, self._invocation.number)

    def _take_head(self):
        head, self._head = self._head, b""
        return head


def send(parts, current, await_credit):
    """Sends what a generator makes, no faster than the caller takes it, and
    returns the frames that end the answer."""
    sender = Sender(current)
    try:
        for part in parts:
            for chunk in sender.chunks(part):
                while sender.full(chunk):
                    await_credit(current)
                sender.put(chunk)
        return sender.end()
    finally:
        parts.close()


async def send_async(parts, current, await_credit):
    """Does the same with an asynchronous generator."""
    sender = Sender(current)
    try:
        async for part in parts:
            for chunk in sender.chunks(part):
                while sender.full(chunk):
                    await await_credit(current)
                sender.put(chunk)
        return sender.end()
    finally:
        await parts.aclose()
