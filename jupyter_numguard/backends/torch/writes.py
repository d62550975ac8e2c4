"""Forward operations that write into memory: in place, `out=`, `x[i] = v`, `copy_`, `fill_`, `empty`, `nn.init`.

The target is an operand that is gone after the operation, so what it held is looked at before it. Memory that was overwritten
with finite values is forgotten.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

import torch

from ...errors import NonFiniteError
from ...model import FINITE, NonFiniteState, Phase
from ...opevents import OpEvent
from . import flight
from .backward import Backward
from .calling import Calls
from .deferred import Deferred
from .growing import note_result
from .judging import Recording, looks_nonfinite, nonfinite_in, unseen
from .operands import is_float, nonfinite_numbers, tensors_in
from .plans import Plan
from .values import key, state

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_sequence = torch._C._autograd._get_sequence_nr
_tracing = torch._C._get_tracing_state
MAX_COPY = 1 << 20  # bytes of an in-place target that are copied before the operation, for its statistics


class Writes:
    """Runs and looks at the calls that write; each method takes the plan, the function, its arguments and the caller's frame."""

    def __init__(self, recording: Recording, backward: Backward, deferred: Deferred, calls: Calls) -> None:
        self._recording = recording
        self._log = recording.log
        self._backward = backward
        self._deferred = deferred
        self._calls = calls

    def inplace(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """`x.op_()`, `x += y`, `op(..., out=x)`."""
        out = kwargs.get("out")
        targets: list[Any] = []
        old: list[tuple[Any, Any, NonFiniteState, OpEvent | None]] = []
        try:
            with unseen():
                targets = [t for t in _targets(args, kwargs) if is_float(t)]
                if out is None:
                    old = [self._state_before(t) for t in targets if not flight.is_on_device(t)]
        except Exception as error:
            self._recording.fail(plan.native, error)
        before = _sequence()
        result = self._calls.at(frame)(func, args, kwargs)
        self._after_write(plan, targets, old, args, kwargs, before, frame)
        return result

    def _state_before(self, t: Any) -> tuple[Any, Any, NonFiniteState, OpEvent | None]:
        """(target, private copy of what it holds or None, its state, why)."""
        small = t.numel() * t.element_size() <= MAX_COPY
        with torch.no_grad():
            copy = t.detach().clone() if small and type(t) in _PLAIN else None
        of = state(t) if looks_nonfinite(t) else FINITE
        return t, copy, of, self._recording.explain(t, of, None, 0) if any(of) else None

    def _after_write(
        self, plan: Plan, targets: list[Any], old: list[Any], args: Any, kwargs: Any, before: int, frame: FrameType
    ) -> None:
        try:
            with unseen():
                if not targets or _tracing() is not None:
                    return
                site = self._recording.site(plan.name, frame)
                if flight.is_on_device(targets[0]):
                    phase = self._phase_of_write(targets, frame)
                    self._deferred.forward(plan, site, frame, args, kwargs, targets, phase)
                event = None
                if not flight.is_on_device(targets[0]) and any(looks_nonfinite(t) for t in targets):
                    operands = self._recording.operands_of(plan, args, kwargs, site, leave_out=targets)
                    for _, copy, of, why in old:
                        if copy is not None:
                            operands.tensors.insert(0, copy)
                        operands.add(why, of) if any(of) else operands.states.append(of)
                    event = self._recording.result(
                        nonfinite_in(targets),
                        operands,
                        site,
                        self._phase_of_write(targets, frame),
                        plan.op,
                        plan.native,
                        frame=frame,
                    )
                if event is None and self._recording.has_notes:
                    for t in targets:
                        self._recording.overwritten(t)
                if site is not None and site.count >= site.due:
                    note_result(site, targets[0])
                events = (event,) if event is not None else ()
                for t in targets:
                    if t.requires_grad and t.grad_fn is not None:
                        self._backward.watch(t.grad_fn, site, plan, events, before, args, kwargs)
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail(plan.native, error)

    def _phase_of_write(self, targets: list[Any], frame: FrameType) -> Phase:
        """A leaf that takes part in autograd, or memory of one (`p.data`), is a parameter: writing to it is an update."""
        for t in targets:
            if (t.requires_grad and t.is_leaf) or self._recording.is_leaf_memory(key(t)):
                return "update"
        return self._recording.phase_at(frame)

    def setitem(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """`x[i] = v`: what v holds decides; looking at all of x would make filling a buffer row by row quadratic."""
        before = _sequence()
        result = self._calls.at(frame)(func, args, kwargs)
        if len(args) == 3:
            self._after_copy(plan, args[0], args[2], args, before, frame, covers=False)
        return result

    def copy(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """`x.copy_(y)`, `x.fill_(v)`."""
        before = _sequence()
        result = self._calls.at(frame)(func, args, kwargs)
        if len(args) >= 2:
            self._after_copy(plan, args[0], args[1], args, before, frame, covers=True)
        return result

    def _after_copy(
        self, plan: Plan, target: Any, value: Any, args: Any, before: int, frame: FrameType, covers: bool
    ) -> None:
        try:
            with unseen():
                if not isinstance(target, torch.Tensor) or not is_float(target) or _tracing() is not None:
                    return
                site = self._recording.site(plan.name, frame)
                if flight.is_on_device(target):
                    phase = self._phase_of_write([target], frame)
                    self._deferred.forward(plan, site, frame, (value,), {}, [target], phase)
                event = None
                if not flight.is_on_device(target) and self._writes_nonfinite(value, target):
                    operands = self._recording.operands_of(plan, (value,), {}, site)
                    event = self._recording.result(
                        nonfinite_in([target]),
                        operands,
                        site,
                        self._phase_of_write([target], frame),
                        plan.op,
                        plan.native,
                        frame=frame,
                    )
                elif covers and self._recording.has_notes:
                    self._recording.overwritten(target)
                if target.requires_grad and target.grad_fn is not None:
                    events = (event,) if event is not None else ()
                    self._backward.watch(target.grad_fn, site, plan, events, before, args, {})
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail(plan.native, error)

    def _writes_nonfinite(self, value: Any, target: Any) -> bool:
        if isinstance(value, torch.Tensor):
            if not is_float(value) or key(value) == key(target):
                return False  # `x[i] += v` writes the view that it has just changed: seen there
            if value.dtype != target.dtype:
                value = value.detach().to(target.dtype)
            return looks_nonfinite(value)
        if isinstance(value, (int, float)) and target.dtype is torch.float16 and abs(value) > 65504:
            return True
        return next(nonfinite_numbers(value), None) is not None

    def reset(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """`x.zero_()`, `x.uniform_()`: finite whatever it was."""
        result = self._calls.at(frame)(func, args, kwargs)
        if self._recording.has_notes:
            with unseen():
                for t in _targets(args, kwargs):
                    self._recording.overwritten(t)
        return result

    def empty(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """Memory before its first write."""
        result = self._calls.at(frame)(func, args, kwargs)
        try:
            with unseen():
                site = self._recording.site(plan.name, frame)
                if (
                    isinstance(result, torch.Tensor)
                    and is_float(result)
                    and site is not None
                    and not flight.is_on_device(result)
                ):
                    self._recording.note_uninitialised(result, site)
        except Exception as error:
            self._recording.fail(plan.native, error)
        return result


def _targets(args: Any, kwargs: Any) -> list[Any]:
    """What an in-place operation writes to; the functions of `nn.init` hand theirs over as `tensor=`."""
    out = kwargs.get("out")
    return tensors_in(out if out is not None else args[:1] or kwargs.get("tensor"))
