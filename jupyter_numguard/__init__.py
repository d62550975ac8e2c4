"""Name the variable, the operation and the line that turned NaN or Inf, in the notebook.

In a notebook: `%load_ext jupyter_numguard`, once; then `%%numguard` on top of a cell traces it. From Python: `trace()`,
`check(obj)` and `last_report()`. Importing this package imports neither a framework nor IPython: every name below is
looked up on first use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import last_report, trace
    from .errors import NumguardError
    from .model import Report

    __version__: str

__all__ = ["NumguardError", "Report", "check", "last_report", "trace"]

# public name -> the module that holds it
_HOME = {
    "NumguardError": "errors",
    "Report": "model",
    "check": "check",
    "last_report": "api",
    "trace": "api",
}


def __getattr__(name: str) -> Any:
    """The public names, and `__version__`, on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("jupyter_numguard")
        except PackageNotFoundError:  # run from a source tree that was never installed
            return "unknown"
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_HOME[name]}", __name__)
    return module if isinstance(module, _Check) else getattr(module, name)


class _Check(ModuleType):
    """`check` is both a stage (`check.py`) and a public function: the import system binds the name to the module."""

    def __call__(self, obj: Any, name: str | None = None) -> Any:
        """The findings of `obj` now; see `api.check`."""
        return import_module(".api", __package__).check(obj, name)


class _Package(ModuleType):
    """Makes the stage callable as soon as the import system binds it, whoever imports it first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "check" and isinstance(value, ModuleType):
            value.__class__ = _Check
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_numguard`: register the magics and start to watch. Loading twice changes nothing."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext jupyter_numguard`: give the shell back as it was before `%load_ext`."""
    from .magics import unload

    unload(shell)
