"""What Lambda's own runtime has loaded before a function comes."""

# ruff: noqa: F401
import sys

import datetime
import decimal
import enum
import importlib
import json
import linecache
import logging
import math
import tokenize
import traceback

from . import compiled, records, single, streaming

loaded = frozenset(sys.modules)
