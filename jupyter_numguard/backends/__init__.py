"""The frameworks, each looked up only where the user imported it: a fourth one is one more file and one more line."""

from __future__ import annotations

import importlib
import sys
from typing import cast

from .base import Backend

# module that the user must have imported -> (our module, class). Order matters: the first that owns a value takes it.
_TABLE = {
    "builtins": ("jupyter_numguard.backends.python", "PythonBackend"),
    "torch": ("jupyter_numguard.backends.torch", "TorchBackend"),
    "tensorflow": ("jupyter_numguard.backends.tensorflow", "TensorFlowBackend"),
    "keras": ("jupyter_numguard.backends.keras", "KerasBackend"),
    "pandas": ("jupyter_numguard.backends.pandas", "PandasBackend"),
    "numpy": ("jupyter_numguard.backends.numpy", "NumpyBackend"),
}
_made: dict[str, Backend] = {}


def loaded_backends() -> list[Backend]:
    """One backend per framework that is imported now. Cost: a few dictionary look-ups.

    A framework that is still being imported by another thread (half a module) is left for the next call.
    """
    out = []
    for name, (module, cls) in _TABLE.items():
        loaded = sys.modules.get(name)
        if loaded is None:
            continue
        backend = _made.get(name)
        if backend is None:
            spec = getattr(loaded, "__spec__", None)
            if getattr(spec, "_initializing", False):
                continue
            backend = _made[name] = cast(Backend, getattr(importlib.import_module(module), cls)())
        out.append(backend)
    return out
