"""Frames on two pipes: descriptor 3 is read, 4 is written. See the documentation
of package runtimes for what they say.

Nobody but this process may use the pipes: programs that it starts do not get
them, and a fork of it lets go of them (and of the right to answer).
"""

import _signal
import os
from _thread import RLock

HELLO, INIT, READY, INIT_ERROR, INVOKE, RESPONSE, ERROR, FATAL, STREAM, CHUNK, END, LOG, CREDIT, CACHE, LOAD = range(1, 16)

_HEADER = 9
_ATOMIC = 4096  # PIPE_BUF of Linux, pipe(7)
_READ = 65536  # what a pipe holds

_in, _out = 3, 4
_pieces, _have, _need = [], 0, _HEADER  # of the frame that is coming in
_queue, _writing = [], False

lock = RLock()  # of all that is written, and of lines that are not over


NONSENSE = 70  # the exit status of a bootstrap that does not understand the platform


class Gone(SystemExit):
    """The platform is not there any more, or does not speak the protocol."""


def open_pipes():
    os.set_inheritable(_in, False)
    os.set_inheritable(_out, False)
    os.register_at_fork(after_in_child=_let_go)


def _let_go():
    global _in, _out, lock
    os.close(_in)
    os.close(_out)
    _in = _out = -1
    lock = RLock()  # the other one may be held by a thread that is not here
    _queue.clear()


def ours():
    """Reports whether this is the process that speaks, and not a fork of it."""
    return _out >= 0


def descriptor():
    """The descriptor to wait on for read not to block."""
    return _in


# --- out ----------------------------------------------------------------------


def frame(kind, number, payload=b""):
    return (len(payload) << 40 | number << 8 | kind).to_bytes(_HEADER, "big") + payload


def send(data):
    """Writes frames: as a whole, also where a signal's handler sends some itself."""
    global _writing
    if not data:
        return
    with lock:
        _queue.append(data)
        if _writing:
            return  # by this very thread, further up
        _writing = True
        try:
            while _queue:
                _write(_queue.pop(0))
        except OSError as error:
            raise Gone(0) from error
        finally:
            _writing = False


def _write(data):
    """Writes all of it or nothing, also if a signal's handler raises an exception:
    the kernel writes no part of what is small, and no signal comes into the rest."""
    masked = None
    try:
        if len(data) > _ATOMIC:
            masked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        sent = os.write(_out, data)
        while sent < len(data):  # the process was frozen meanwhile, or this is not the main thread
            data = memoryview(data)[sent:]
            sent = os.write(_out, data)
    finally:
        if masked is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, masked)


# --- in -----------------------------------------------------------------------


def read():
    """Takes in what the pipe has. It waits if that is nothing."""
    global _have
    try:
        data = os.read(_in, _READ)
    except OSError as error:
        raise Gone(0) from error
    if not data:
        raise Gone(0)
    _pieces.append(data)
    _have += len(data)


def next_frame():
    """Returns kind, number and payload of a frame that has been read, or None."""
    global _pieces, _have, _need
    if _have < _need:
        return None
    data = _pieces[0] if len(_pieces) == 1 else b"".join(_pieces)
    header = int.from_bytes(data[:_HEADER], "big")
    _need = end = _HEADER + (header >> 40)
    if _have < end:
        _pieces = [data]
        return None
    _pieces = [data[end:]] if _have > end else []
    _have -= end
    _need = _HEADER
    return header & 0xFF, header >> 8 & 0xFFFFFFFF, data[_HEADER:end]


def receive():
    """Returns the next frame. It waits for it."""
    while True:
        found = next_frame()
        if found is not None:
            return found
        read()
