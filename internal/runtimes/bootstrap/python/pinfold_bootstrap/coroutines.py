"""Coroutines of a handler that runs alone on its thread. Each thread has one loop,
which stands still between invocations, like everything else of the instance.
"""

import asyncio
from threading import local

from .faults import Fault

_of_thread = local()


def complete(coroutine):
    """Returns what a coroutine returns."""
    loop = getattr(_of_thread, "loop", None)
    if loop is None or loop.is_closed():
        loop = _of_thread.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(coroutine)
    except asyncio.CancelledError as error:  # which is no Exception
        raise Fault("CancelledError", str(error))


def parts(generator):
    """Makes a generator of an asynchronous one."""
    try:
        while True:
            try:
                part = complete(generator.__anext__())
            except StopAsyncIteration:
                return
            yield part
    finally:
        complete(generator.aclose())
