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
_failed: dict[str, str] = {}


def loaded_backends() -> list[Backend]:
    """One backend per framework that is imported now. Cost: a few dictionary look-ups.

    A framework that is still being imported by another thread (half a module) is left for the next call; one whose
    version we cannot work with is left out for good, and named by `unusable_frameworks`.
    """
    out = []
    for name, (module, cls) in _TABLE.items():
        loaded = sys.modules.get(name)
        if loaded is None or name in _failed:
            continue
        backend = _made.get(name)
        if backend is None:
            if getattr(getattr(loaded, "__spec__", None), "_initializing", False):
                continue
            try:
                backend = _made[name] = cast(Backend, getattr(importlib.import_module(module), cls)())
            except Exception as error:
                _failed[name] = f"{type(error).__name__}: {error}"
                continue
        out.append(backend)
    return out


def unusable_frameworks() -> dict[str, str]:
    """Frameworks that are imported but cannot be checked: name -> why."""
    return dict(_failed)
