"""How a process becomes a function's: environment, paths, handler."""

import os
import sys
import time

from .faults import Fault


def prepare(init):
    """Makes this process the function's: its environment, folder and paths."""
    task, opt, env = init["task"], init["opt"], init["env"]
    zone = os.environ.get("TZ")
    os.environ.update(env)
    if os.environ.get("TZ") != zone:
        time.tzset()  # the process may be older than its environment
    os.chdir(task)
    layers = []
    if opt:
        version = "python%d.%d" % sys.version_info[:2]
        layers = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    more = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path not in sys.path]
    sys.path[0:1] = [task, *more, *(path for path in layers if os.path.isdir(path))]  # instead of our own folder


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
        path = module.replace("/", ".")
        __import__(path)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}")
    except SyntaxError as error:
        line = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [line])
    try:
        return getattr(sys.modules[path], name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
