"""From an event to the frame that ends an invocation."""

from types import AsyncGeneratorType, CoroutineType, GeneratorType

from . import faults, logs, marshal_json, wire

_PLAIN = frozenset((dict, str, list, type(None), int, float, bool, tuple, bytes))


def make(handler, current, await_credit):
    """Runs the handler and returns the last frames of the invocation. Those of a
    stream that come before it are sent meanwhile."""
    try:
        context = current.make_context()
        result = handler(event_of(current), context)
        if type(result) not in _PLAIN:
            if isinstance(result, CoroutineType):
                from . import coroutines

                result = coroutines.complete(result)
            if isinstance(result, AsyncGeneratorType):
                from . import coroutines

                result = coroutines.parts(result)
            if isinstance(result, GeneratorType):
                from . import streaming

                return streaming.send(result, current, await_credit)
        return response(current, result)
    except Exception as error:
        return failure(current, error)


def event_of(current):
    event, current.event = current.event, None
    try:
        return marshal_json.decode(event)
    except Exception as error:
        raise faults.Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")


def response(current, result):
    try:
        answer = marshal_json.encode(result)
    except Exception as error:
        raise faults.Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")
    return wire.frame(wire.RESPONSE, current.number, answer)


def failure(current, error):
    text, envelope = faults.failure(error, current.request_id)
    return logs.event(current.number, text) + wire.frame(wire.ERROR, current.number, envelope)
