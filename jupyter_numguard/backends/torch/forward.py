"""Forward: a function mode sees each call of torch as the user wrote it.

A finite float result costs one `sum` and a count. Everything else happens after a hit: the states of the operands decide
whether the operation created what it returned (`judging.py`), and the memory is remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ...errors import NonFiniteError
from ...opevents import OpEvent, Site
from . import flight
from .backward import Backward
from .calling import Calls
from .deferred import Deferred
from .growing import note_result
from .judging import Recording, looks_nonfinite, nonfinite_in, unseen
from .operands import is_float, tensors_in
from .plans import Plan, plan_of
from .stack import insert, remove
from .unguard import unguarded
from .values import key, state
from .writes import Writes

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_sequence = torch._C._autograd._get_sequence_nr
_tracing = torch._C._get_tracing_state
_Run = Callable[[Plan, Callable[..., Any], Any, Any, FrameType], Any]


class ForwardMode(TorchFunctionMode):  # type: ignore[misc]  # torch's types are not followed
    """The function mode of one recording.

    Attributes:
        step: While a library's optimizer step runs: the code of the frame around it; its inner calls are not looked at.
    """

    def __init__(self, recording: Recording, backward: Backward, deferred: Deferred) -> None:
        super().__init__()
        self.step: CodeType | None = None
        self._recording = recording
        self._log = recording.log
        self._backward = backward
        self._deferred = deferred
        self._calls = Calls()
        self._writes = Writes(recording, backward, deferred, self._calls)
        self._plans: dict[Any, tuple[_Run | None, Plan]] = {}
        self._opened: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call; look at what it returned."""
        if kwargs is None:
            kwargs = {}
        frame = sys._getframe(1)
        if self.step is not None and self._is_inside_step():
            return self._calls.at(frame)(func, args, kwargs)
        run, plan = self._plans.get(func) or self._decide(func)
        if run is None or not self._recording.is_open:
            return self._calls.at(frame)(func, args, kwargs)
        return run(plan, func, args, kwargs, frame)

    def close(self) -> None:
        """After the mode was taken off the stack: forget where calls came from."""
        self._calls.close()

    def _decide(self, func: Any) -> tuple[_Run | None, Plan]:
        plan = plan_of(func)
        runs: dict[str, _Run | None] = {
            "skip": None, "op": self._op, "move": self._op, "inplace": self._writes.inplace, "setitem": self._writes.setitem,
            "copy": self._writes.copy, "reset": self._writes.reset, "empty": self._writes.empty, "escape": self._escape,
            "composite": self._composite, "backward": self._run_backward, "retain": self._retain,
        }  # fmt: skip
        found = self._plans[func] = (runs[plan.kind], plan)
        return found

    def _is_inside_step(self) -> bool:
        """Whether the step still runs: one that raised leaves no other sign."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if frame.f_code is self.step:
                return True
            frame = frame.f_back
        self.step = None
        return False

    # --- operations -------------------------------------------------------------------------------------------------
    def _op(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        if kwargs and kwargs.get("out") is not None:
            return self._writes.inplace(plan, func, args, kwargs, frame)
        before = _sequence()
        result = self._calls.at(frame)(func, args, kwargs)
        kind = type(result)
        if kind is bool or kind is int or result is None:
            return result
        try:
            with unseen():
                self._look(plan, args, kwargs, result, before, frame)
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail(plan.native, error)
        return result

    def _look(self, plan: Plan, args: Any, kwargs: Any, result: Any, before: int, frame: FrameType) -> None:
        if type(result) in _PLAIN:
            if not is_float(result):
                return
            results = [result]
        else:
            results = [t for t in tensors_in(result) if is_float(t)]
            if not results:
                return
        if _tracing() is not None:
            self._log.add_not_traced("torch.jit.trace", "a look at a value would become part of the traced graph")
            return
        site = self._recording.site(plan.name, frame)
        self._deferred.latest = None
        on_host = not flight.is_on_device(results[0])
        if not on_host:
            self._deferred.forward(plan, site, frame, args, kwargs, results, self._recording.phase_at(frame))
        marked = self._log.has_marks
        event = None
        if on_host and (marked or plan.kind != "move"):
            for t in results:
                is_passed_on = plan.kind == "move" and t._is_view() and t._base is not None
                if not is_passed_on and looks_nonfinite(t):  # what computes may answer a view of memory of its own
                    event = self._hit(plan, site, frame, args, kwargs, results)
                    break
        if site is not None and site.count >= site.due and plan.kind != "move":
            note_result(site, results[0])
        for t in results:
            if t.requires_grad:
                events = (event,) if event is not None else self._operand_events(args, kwargs) if marked else ()
                self._backward.watch(t.grad_fn, site, plan, events, before, args, kwargs)

    def _hit(
        self, plan: Plan, site: Site | None, frame: FrameType, args: Any, kwargs: Any, results: list[Any]
    ) -> OpEvent | None:
        if len(results) == 1 and any(results[0] is a for a in args):
            return self._recording.known(results[0])  # returned as it is: `x.float()` of a float32
        if any(flight.is_on_device(t) for t in tensors_in((args, kwargs))):
            self._deferred.flush()  # it came from a device: the user has just waited for it
        found = nonfinite_in(results)
        if not found:
            return None  # the screen overflowed
        operands = self._recording.operands_of(plan, args, kwargs, site)
        return self._recording.result(
            found, operands, site, self._recording.phase_at(frame), plan.op, plan.native, frame=frame
        )

    def _operand_events(self, args: Any, kwargs: Any) -> tuple[OpEvent, ...]:
        """Events of operands that are non-finite although the result is not: backward may meet them again."""
        event_of, out = self._log.event_of, []
        for t in tensors_in((args, kwargs)):
            if is_float(t) and (event := event_of(key(t))) is not None and looks_nonfinite(t) and any(state(t)):
                out.append(event)
        return tuple(out)

    # --- leaving torch ------------------------------------------------------------------------------------------------
    def _escape(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = self._calls.at(frame)(func, args, kwargs)
        try:
            with unseen():
                t = args[0] if args else None
                if isinstance(t, torch.Tensor) and is_float(t):
                    if flight.is_on_device(t) and isinstance(result, (float, complex)) and result - result != 0:
                        self._deferred.flush()  # the user has just waited for the device
                    if self._log.has_marks and (event := self._log.event_of(key(t))) is not None:
                        gone = result - result != 0 if isinstance(result, (float, complex)) else any(state(t))
                        if gone:
                            self._recording.escape(result, event)
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail(plan.native, error)
        return result

    # --- calls with the mode on inside ----------------------------------------------------------------------------------
    def _composite(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        clone = unguarded(func)
        if clone is None or func in self._opened:
            return self._op(plan, func, args, kwargs, frame)
        self._opened.append(func)
        try:
            return self._with_mode(clone, args, kwargs, frame)
        finally:
            self._opened.remove(func)

    def _run_backward(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        clone = unguarded(func)
        if clone is None or func in self._opened:
            return self._calls.at(frame)(func, args, kwargs)
        self._opened.append(func)
        try:
            with self._backward.running(args, kwargs, frame):
                result = self._with_mode(clone, args, kwargs, frame)
        finally:
            self._opened.remove(func)
        if func is torch.autograd.grad:
            self._backward.ends.explain_results(result, args, kwargs)
        return result

    def _with_mode(self, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """Call with this mode on: torch switches it off while it handles a call."""
        call = self._calls.at(frame)
        insert(self)
        try:
            return call(func, args, kwargs)
        finally:
            remove(self)

    def _retain(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = self._calls.at(frame)(func, args, kwargs)
        self._backward.ends.retain(args[0])
        return result
