"""Values that leave TensorFlow: `.numpy()`, `float(t)`, `f"{t}"`, printing. No operation callback sees them.

All of them go through two methods of the eager tensor's Python base class, which are wrapped while a cell is traced. A
tensor that is known to be non-finite hands its event on: to the ndarray's memory, and as an escape for Python numbers.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ...oplog import OpLog
from . import arrays, private

_METHODS = ("_numpy", "numpy")


class Escapes:
    """The two wrapped methods; `put` and `take` them in place and away."""

    def __init__(self, log: OpLog, flush: Callable[[], None]) -> None:
        """Prepare.

        Args:
            log: Where escapes go.
            flush: Called before a value is looked up: makes flags known that were not read yet.
        """
        self._log = log
        self._flush = flush
        self._thread = threading.get_ident()
        self._ours: dict[str, tuple[Any, Any]] = {}

    def put(self) -> None:
        """Wrap both methods."""
        for name in _METHODS:
            original = private.EagerTensorBase.__dict__[name]
            self._ours[name] = (original, self._wrapped(original))
            setattr(private.EagerTensorBase, name, self._ours[name][1])

    def take(self) -> None:
        """Put the originals back, unless somebody else wrapped ours meanwhile."""
        for name, (original, ours) in self._ours.items():
            if private.EagerTensorBase.__dict__.get(name) is ours:
                setattr(private.EagerTensorBase, name, original)
        self._ours.clear()

    def _wrapped(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        log, thread = self._log, self._thread

        def method(self: Any) -> Any:
            value = original(self)
            if threading.get_ident() == thread:
                seen(self, value)
            return value

        def seen(tensor: Any, value: Any) -> None:
            try:
                self._flush()
                event = log.event_of(("tf", tensor._id)) if log.has_marks else None
                if event is None:
                    return
                log.escape(event)
                address = arrays.address_of(value)
                if address is not None and isinstance(value, np.ndarray):
                    owner = weakref.ref(value)
                    log.mark([("mem", "cpu", address)], event, lambda: owner() is not None)
            except Exception:  # the value is the user's: an escape less
                return

        hidden = private.hidden(method)
        hidden.__doc__ = original.__doc__
        hidden.__qualname__ = original.__qualname__
        hidden.__module__ = original.__module__
        return hidden
