"""Call torch's function from where the user called it, so that its warnings name the user's line and not ours.

A warning of torch's C++ code belongs to the innermost Python frame: that frame's file and line are printed, its globals hold
which lines have warned already. While a function mode is active that frame is the mode's. So each call goes through a
stand-in: one line of code that carries the file, line and globals of the frame that called torch. Warnings that torch's
Python functions raise for their caller (`stacklevel=2`) land there too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any

from torch import overrides

from ...frames import STAND_IN

_Call = Callable[[Any, Any, Any], Any]
_HANDLER = overrides.handle_torch_function.__code__  # torch's Python functions hand themselves to a mode through it
MAX_STAND_INS = 4096  # of about 1 kB each; far more than a cell has calls, unless it generates code


# fmt: off
def _call(func: Any, args: Any, kwargs: Any) -> Any: return func(*args, **kwargs)  # one line: it moves as a whole
# fmt: on


_CODE = _call.__code__.replace(co_name=STAND_IN, co_qualname=STAND_IN)


class Calls:
    """The stand-ins of one recording, by instruction. They hold code and globals, no frame and no value."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], tuple[_Call, CodeType, dict[str, Any]]] = {}

    def at(self, frame: FrameType | None) -> _Call:
        """`call(func, args, kwargs)` as if it stood where `frame`, the caller of a function mode, is now.

        Cost: a dictionary look-up, but for the first call of an instruction. Raises nothing.
        """
        if frame is not None and frame.f_code is _HANDLER:
            asked = frame.f_back  # the function itself, which will run once more, below the stand-in
            frame = asked.f_back if asked is not None else None
        if frame is None:
            return _call
        code = frame.f_code
        key = (id(code), frame.f_lasti)
        made = self._made.get(key)
        # The entry keeps its code alive, so that the id is its own; one code may run over several globals (`exec`).
        if made is not None and made[2] is frame.f_globals:
            return made[0]
        return self._make(key, frame)

    def _make(self, key: tuple[int, int], frame: FrameType) -> _Call:
        line = frame.f_lineno
        if line is None:  # generated code without lines
            return _call
        if len(self._made) >= MAX_STAND_INS:
            self._made.clear()
        code, space = frame.f_code, frame.f_globals
        call = FunctionType(_CODE.replace(co_filename=code.co_filename, co_firstlineno=line), space, STAND_IN)
        self._made[key] = (call, code, space)
        return call

    def close(self) -> None:
        """Forget all."""
        self._made.clear()
