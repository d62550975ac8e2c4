"""The one place where a failure of numguard's own code ends: a short notice, once per kind, and the cell goes on.

numguard: could not check the cell; the cell is unaffected. Please report: ValueError: ... (nonfinite.py:88)
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Guard:
    """Calls numguard's stages so that no exception of theirs reaches the user's code.

    Attributes:
        is_interrupted: The user pressed interrupt while a stage ran. The stage is given up; whoever runs the user's
            code next must raise KeyboardInterrupt there, so that the cell stops as the user asked (`take_interrupt`).
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Notices go to `say`."""
        self._say = say
        self._said: set[tuple[str, type[BaseException]]] = set()
        self.is_interrupted = False

    def call(self, purpose: str, function: Callable[..., T], *args: Any) -> T | None:
        """`function(*args)`, or None if it raised.

        Args:
            purpose: Completes "could not ...".
        """
        try:
            return function(*args)
        except KeyboardInterrupt:
            self.is_interrupted = True
        except BaseException as error:  # SystemExit and GeneratorExit too: a stage has no business ending the kernel
            self._report(purpose, error)
        return None

    def take_interrupt(self) -> bool:
        """Whether an interrupt was caught since the last call; asking clears it."""
        was, self.is_interrupted = self.is_interrupted, False
        return was

    def _report(self, purpose: str, error: BaseException) -> None:
        kind = (purpose, type(error))
        if kind in self._said:
            return
        self._said.add(kind)
        self._say(f"numguard: could not {purpose}; the cell is unaffected. Please report: {_describe(error)}")


def _describe(error: BaseException) -> str:
    """Type, message (one line, cut), place and version: what a bug report needs."""
    try:
        message = " ".join(str(error).split())[:200]
    except Exception:  # a failing __str__
        message = "?"
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}, " if frames else ""
    from . import __version__

    return f"{type(error).__name__}: {message} ({place}numguard {__version__})"
