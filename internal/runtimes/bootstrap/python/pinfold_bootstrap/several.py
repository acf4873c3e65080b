"""Serves several invocations at once: coroutines on one loop, other handlers on
threads.

AWS runs several processes instead ("Python runtime for Lambda Managed
Instances"), each with the function loaded anew. A function that asks for it here
waits for others most of the time, and wants to do so with the memory, the caches
and the connections of one process. What must not be shared is the reason why one
at a time is what a function gets that does not ask.
"""

import contextvars
import os
import threading
from inspect import isasyncgenfunction, iscoroutinefunction
from queue import SimpleQueue

from . import answers, ending, invocation, logs, streaming, wire

_under_way = {}  # by number


def serve(handler, keep, most):
    _trace_by_context()
    if keep is not None:
        keep()
    if any(test(f) for test in (iscoroutinefunction, isasyncgenfunction) for f in (handler, getattr(handler, "__call__", None))):
        service = _Loop(handler)
    else:
        service = _Threads(handler, most)
    try:
        service.run()
    finally:
        ending.say_the_rest(_under_way)


def _handle(found, begin):
    kind, number, payload = found
    if kind == wire.INVOKE:
        current = _under_way[number] = invocation.Invocation(number, payload)
        begin(current)
    elif kind != wire.CREDIT:
        raise wire.Gone(wire.NONSENSE)
    elif number in _under_way:
        _under_way[number].credit(payload)


def _finish(current, last):
    with wire.lock:  # what its threads write from now on is nobody's
        last = logs.finish(current) + last
        current.over = True
    _under_way.pop(current.number, None)
    wire.send(last)


class _Threads:
    def __init__(self, handler, most):
        self._handler, self._most = handler, most
        self._queue = SimpleQueue()
        self._threads = 0
        self._context = contextvars.copy_context()  # as the function has left it when it was loaded

    def run(self):
        while True:
            _handle(wire.receive(), self._begin)

    def _begin(self, current):
        self._queue.put(current)
        if self._threads < min(len(_under_way), self._most):
            self._threads += 1
            threading.Thread(target=self._work, name=f"invocations-{self._threads}", daemon=True).start()

    def _work(self):
        while True:
            self._context.copy().run(self._answer, self._queue.get())

    def _answer(self, current):
        invocation.here.set(current)
        try:
            _finish(current, answers.make(self._handler, current, self._await_credit))
        except BaseException as error:  # which a thread would keep to itself
            ending.end(error, _under_way)

    @staticmethod
    def _await_credit(current):
        if current.changed is None:
            current.changed = threading.Semaphore(0)
        else:
            current.changed.acquire()


class _Loop:
    def __init__(self, handler):
        self._handler = handler
        self._tasks = set()

    def run(self):
        import asyncio

        self._asyncio = asyncio
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(wire.descriptor(), self._read)
        self._read_all()  # what came together with INIT
        self._loop.run_forever()

    def _read(self):
        wire.read()  # raises what ends the loop, if there is nothing
        self._read_all()

    def _read_all(self):
        while True:
            found = wire.next_frame()
            if found is None:
                return
            _handle(found, self._begin)

    def _begin(self, current):
        invocation.here.set(current)  # which the task takes a copy of
        task = self._loop.create_task(self._answer(current))
        self._tasks.add(task)  # a loop alone does not keep it alive
        task.add_done_callback(self._tasks.discard)
        invocation.here.set(None)

    async def _answer(self, current):
        try:
            result = self._handler(answers.event_of(current), current.make_context())
            if hasattr(result, "__aiter__"):
                last = await streaming.send_async(result, current, self._await_credit)
            else:
                last = answers.response(current, await result)
        except (Exception, self._asyncio.CancelledError) as error:
            last = answers.failure(current, error)
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # which a task would keep to itself
            ending.end(error, _under_way)
        _finish(current, last)

    async def _await_credit(self, current):
        if current.changed is None:
            current.changed = self._asyncio.Semaphore(0)
        else:
            await current.changed.acquire()


class _Variables(dict):
    """The environment, with the trace header of the invocation that asks."""

    def __getitem__(self, key):
        if key == invocation.KEY and invocation.current().trace:
            return invocation.current().trace.encode()
        return super().__getitem__(key)


def _trace_by_context():
    if hasattr(os.environ, "_data"):  # or else the function has put something else there
        os.environ._data = _Variables(os.environ._data)
