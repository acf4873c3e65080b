"""Logging as Lambda's runtime sets it up: a handler on the root logger that
writes one event a record, as text or as JSON.
"""

import logging
import os
import sys
import time

from . import invocation, logs, wire

_FIELDS_OF_EVERY_RECORD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}


class _Handler(logging.Handler):
    def emit(self, record):
        current = invocation.current()
        record.aws_request_id = current.request_id
        try:
            text = self.format(record)
            if wire.ours():
                wire.send(logs.event(current.number, text))
            else:  # a fork
                sys.stdout.write(text.replace("\n", "\r") + "\n")
        except Exception:
            self.handleError(record)


class _JSONFormatter(logging.Formatter):
    def format(self, record):
        import json
        import traceback

        exc_type, exc, tb = record.exc_info or (None, None, None)
        event = {
            "timestamp": logs.stamp(record.created),
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


def set_up(as_json):
    """Sets up the root logger as the environment asks."""
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
