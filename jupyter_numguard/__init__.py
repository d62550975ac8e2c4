"""Name the variable, the operation and the line that turned NaN or Inf, in the notebook.

In a notebook: `%load_ext jupyter_numguard`, once; then `%%numguard` on top of a cell traces it. From Python: `trace()`,
`check(obj)` and `last_report()`. Importing this package imports neither a framework nor IPython: every name below is
looked up on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import check, last_report, trace
    from .errors import NumguardError
    from .model import Report

    __version__: str

__all__ = ["NumguardError", "Report", "check", "last_report", "trace"]

# public name -> the module that holds it
_HOME = {
    "NumguardError": "errors",
    "Report": "model",
    "check": "api",
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
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


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
