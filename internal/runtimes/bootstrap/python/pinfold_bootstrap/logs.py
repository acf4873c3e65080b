"""Logging as Lambda's runtime sets it up: a handler on the root logger that
writes one event a record, as text or as JSON. \\r stands for a line end inside
an event.
"""

import json
import logging
import os
import sys
import time
import traceback

request_id = ""
as_json = False

_FIELDS_OF_EVERY_RECORD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}


class _Handler(logging.Handler):
    def emit(self, record):
        record.aws_request_id = request_id
        try:
            _write(self.format(record))
        except Exception:
            self.handleError(record)


class _JSONFormatter(logging.Formatter):
    def format(self, record):
        exc_type, exc, tb = record.exc_info or (None, None, None)
        event = {
            "timestamp": _stamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(tb) if tb else None,
            "errorType": exc_type.__name__ if exc_type else None,
            "errorMessage": str(exc) if exc_type else None,
            "requestId": record.aws_request_id,
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if exc_type else None,
        }
        for name, value in vars(record).items():
            if name not in _FIELDS_OF_EVERY_RECORD:
                event.setdefault(name, value)
        return json.dumps({k: v for k, v in event.items() if v is not None}, ensure_ascii=False, default=str)


def set_up():
    """Sets up the root logger as the environment asks."""
    global as_json
    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler = _Handler()
    if as_json:
        handler.setFormatter(_JSONFormatter())
    else:
        logging.Formatter.converter = time.gmtime
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
            )
        )
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level)
    if isinstance(logging.getLevelName(level), int):
        root.setLevel(level)


def error(kind, message, stack, of_request):
    """Logs an error that ended an invocation, or kept the function from loading."""
    if as_json:
        _write(
            json.dumps(
                {
                    "timestamp": _stamp(time.time()),
                    "level": "ERROR",
                    "errorMessage": message,
                    "errorType": kind,
                    "requestId": of_request,
                    "stackTrace": stack,
                },
                ensure_ascii=False,
            )
        )
        return
    lines = [f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}", "Traceback (most recent call last):"]
    for entry in stack:
        for line in entry.splitlines():
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)  # Lambda indents with no-break spaces
    _write("\n".join(lines))


def _write(event):
    sys.stdout.write(event.replace("\n", "\r") + "\n")


def _stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (seconds % 1 * 1000)
