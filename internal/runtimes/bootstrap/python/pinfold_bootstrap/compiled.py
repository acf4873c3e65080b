"""Compiled code of a function, kept from one instance for the next ones. Code
packages come without it, or with that of another version of Python, and instances
cannot write it where Python looks for it.

What is kept is the file "code" in the folder that INIT names: the payload of a
CACHE frame, as it was.
"""

import _frozen_importlib_external as importlib  # what module importlib is made of
import _imp
import marshal
import sys

from . import wire

_LIMIT = 64 << 20  # of what is kept
_kind = (importlib.MAGIC_NUMBER, sys.flags.optimize)  # of compiled code

_kept = {}  # by path, each for marshal
_new = {}


class _Loader(importlib.SourceFileLoader):
    def get_code(self, fullname):
        if self.path in _kept:
            return marshal.loads(_kept[self.path])
        code = _new[self.path] = super().get_code(fullname)
        return code


def use(folder, roots):
    """Has modules below the roots loaded from what is kept."""
    if folder:
        try:
            with open(folder + "/code", "rb") as file:
                kind, kept = marshal.loads(file.read())
            if kind == _kind:
                _kept.update(kept)
        except (OSError, ValueError, EOFError, TypeError):
            pass  # then it is compiled
    loaders = (
        (importlib.ExtensionFileLoader, _imp.extension_suffixes()),
        (_Loader, importlib.SOURCE_SUFFIXES),
        (importlib.SourcelessFileLoader, importlib.BYTECODE_SUFFIXES),
    )
    inside = tuple(root + "/" for root in roots if root)

    def hook(path):
        if not (path + "/").startswith(inside):
            raise ImportError
        return importlib.FileFinder(path, *loaders)

    sys.path_hooks.insert(0, hook)
    for path in list(sys.path_importer_cache):
        if (path + "/").startswith(inside):
            del sys.path_importer_cache[path]


def keep():
    """Sends what was compiled in this process."""
    if not _new:
        return
    code = {path: marshal.dumps(code) for path, code in _new.copy().items()}
    _new.clear()
    payload = marshal.dumps((_kind, {**_kept, **code}))
    if len(payload) <= _LIMIT:
        wire.send(wire.frame(wire.CACHE, 0, payload))
