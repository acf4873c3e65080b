"""How a process becomes a function's: environment, paths, handler."""

import gc
import os
import sys
import time

from .faults import Fault


def surround(env):
    """Gives this process the function's environment."""
    zone = os.environ.get("TZ")
    os.environ.update(env)
    if os.environ.get("TZ") != zone:
        time.tzset()  # the process may be older than its environment


def prepare(init):
    """Makes this process the function's: its folder and paths."""
    task, opt = init["task"], init["opt"]
    os.chdir(task)
    layers = []
    if opt:
        version = "python%d.%d" % sys.version_info[:2]
        layers = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    more = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path not in sys.path]
    paths = [task, *more, *(path for path in layers if os.path.isdir(path))]
    _settle_names(paths)
    sys.path[0:1] = paths  # instead of our own folder


def _settle_names(paths):
    """Makes sure which modules win that are named like some of the standard
    library: as on Lambda those of the runtime do that it needs itself, but no
    others, whatever this process has loaded so far."""
    names = {entry.partition(".")[0] for path in paths if os.path.isdir(path) for entry in os.listdir(path)}
    names &= getattr(sys, "stdlib_module_names", None) or {
        entry.partition(".")[0] for entry in os.listdir(os.path.dirname(os.__file__))
    }
    if not names:
        return
    from . import usual

    for name in set(sys.modules) - usual.loaded:
        if name.partition(".")[0] in names:
            del sys.modules[name]


# Next to nothing that is made while modules load is garbage, and to look for it
# takes a sixth of the time.
_PATIENCE = (100000, 20, 20)


def load(handler):
    """Returns the function that a handler string names."""
    usual = gc.get_threshold()
    gc.set_threshold(*_PATIENCE)
    try:
        return _load(handler)
    finally:
        if gc.get_threshold() == _PATIENCE:  # the function has none of its own
            gc.set_threshold(*usual)


def _load(handler):
    """Handlers are "app.handler", "pkg/mod.handler"."""
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
