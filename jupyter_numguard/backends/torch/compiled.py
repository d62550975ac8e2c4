"""Code that asks whether a function mode is active, and does something else if so, must not notice ours.

- `torch.compile`: dynamo would trace our mode into the user's graph. It is taken off the stack while a compiled function
  runs, which is listed as not traced.
- The fast paths of `nn.TransformerEncoderLayer` and `nn.MultiheadAttention` have other numerics and are skipped under any
  mode: they ask `torch.overrides.has_torch_function`, which answers as if we were not there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
import torch.overrides

from ...errors import NonFiniteError
from . import flight
from .forward import ForwardMode
from .judging import Recording, looks_nonfinite, nonfinite_in, unseen
from .operands import is_float, tensors_in
from .plans import Plan
from .stack import insert, remove, without

_COMPILED = Plan("op", "compiled", "torch.compile", "compiled", False, False)
_DYNAMO = "torch._dynamo.eval_frame"
_ENTER = "_maybe_set_eval_frame"  # every compiled call goes through it: with a callback on entry, without one on exit


class Compiled:
    """The functions of torch that are replaced while one recording is open."""

    def __init__(self, recording: Recording, mode: ForwardMode) -> None:
        self._recording = recording
        self._mode = mode
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._inside: FrameType | None = None
        asked = torch.overrides.has_torch_function
        self._replace(torch.overrides, "has_torch_function", lambda args: self._asked_without_us(asked, args))
        if _DYNAMO in sys.modules:
            self._watch_dynamo()
        else:
            compile_ = torch.compile
            self._replace(torch, "compile", lambda *args, **kwargs: self._compile(compile_, args, kwargs))

    def _replace(self, owner: Any, name: str, ours: Callable[..., Any]) -> None:
        self._replaced.append((owner, name, getattr(owner, name), ours))
        setattr(owner, name, ours)

    def _asked_without_us(self, asked: Callable[[Any], bool], args: Any) -> bool:
        with without(self._mode):
            return asked(args)

    def _compile(self, compile_: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The first `torch.compile` imports dynamo: from then on it can be watched."""
        with without(self._mode):
            made = compile_(*args, **kwargs)
        self._watch_dynamo()
        return made

    def _watch_dynamo(self) -> None:
        module = sys.modules.get(_DYNAMO)
        enter = getattr(module, _ENTER, None)
        if any(name == _ENTER for _, name, _, _ in self._replaced):
            return
        if enter is None:
            self._recording.log.add_not_traced(
                "torch.compile",
                "this version of torch does not let a trace step aside: compiled code may be compiled anew",
            )
            return

        def step_aside(callback: Any) -> Any:
            # A compiled call switches on and, in its `finally`, off in one frame. What dynamo does in between while it
            # compiles, off and on again, must not meet the mode either.
            frame = sys._getframe(1)
            if frame is self._inside:
                self._inside = None
                insert(self._mode)
                self._look_at_result(frame)
            elif (
                self._inside is None
                and callable(callback)
                and frame.f_code.co_name != "__enter__"
                and remove(self._mode)
            ):
                self._inside = frame
                self._recording.log.add_not_traced(
                    "torch.compile", "compiled code runs as it is, its operations unseen"
                )
            return enter(callback)

        self._replace(module, _ENTER, step_aside)

    def _look_at_result(self, frame: FrameType) -> None:
        """What a compiled call returned, judged as one operation: inside it nothing is seen."""
        recording = self._recording
        try:
            with unseen():
                results = [
                    t for t in tensors_in(frame.f_locals.get("result")) if is_float(t) and not flight.is_on_device(t)
                ]
                if not any(looks_nonfinite(t) for t in results):
                    return
                site = recording.site(_COMPILED.name, frame)
                inputs = (frame.f_locals.get("args"), frame.f_locals.get("kwargs"))
                recording.result(
                    nonfinite_in(results), recording.operands_of(_COMPILED, inputs, {}, site), site, "forward", _COMPILED.op,
                    _COMPILED.native, frame=frame, confidence="likely",
                )  # fmt: skip
        except NonFiniteError:
            raise
        except Exception as error:
            recording.fail("torch.compile", error)

    def close(self) -> None:
        """Put torch's own functions back, where nobody has put another since."""
        for owner, name, theirs, ours in reversed(self._replaced):
            if getattr(owner, name) is ours:
                setattr(owner, name, theirs)
        self._replaced.clear()
        self._inside = None
