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
from ...model import NonFiniteState, Phase
from ...oplog import OpEvent, Site
from .backward import Backward
from .deferred import Deferred
from .judging import Recording, looks_nonfinite
from .operands import is_float, nonfinite_numbers, tensors_in
from .plans import Plan, plan_of
from .stack import insert, remove
from .unguard import unguarded
from .values import key, state

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_sequence = torch._C._autograd._get_sequence_nr
_tracing = torch._C._get_tracing_state
_dispatch_modes = torch._C._len_torch_dispatch_stack
_Unseen = torch._C.DisableTorchFunction
_Run = Callable[[Plan, Callable[..., Any], Any, Any, FrameType], Any]
MAX_COPY = 1 << 20  # bytes of an in-place target that are copied before the operation, for its statistics


class ForwardMode(TorchFunctionMode):
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
        self._plans: dict[Any, tuple[_Run | None, Plan]] = {}
        self._opened: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call; look at what it returned."""
        if kwargs is None:
            kwargs = {}
        run, plan = self._plans.get(func) or self._decide(func)
        if run is None or not self._recording.is_open or (self.step is not None and self._is_inside_step()):
            return func(*args, **kwargs)
        return run(plan, func, args, kwargs, sys._getframe(1))

    def _decide(self, func: Any) -> tuple[_Run | None, Plan]:
        plan = plan_of(func)
        runs: dict[str, _Run | None] = {
            "skip": None, "op": self._op, "move": self._op, "inplace": self._inplace, "setitem": self._setitem,
            "copy": self._copy, "reset": self._reset, "empty": self._empty, "escape": self._escape,
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
            return self._inplace(plan, func, args, kwargs, frame)
        before = _sequence()
        result = func(*args, **kwargs)
        kind = type(result)
        if kind is bool or kind is int or result is None:
            return result
        try:
            with _Unseen():
                if _dispatch_modes():
                    with torch._C._DisableTorchDispatch():
                        self._look(plan, args, kwargs, result, before, frame)
                else:
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
        if not results[0].is_cpu:
            self._deferred.forward(plan, site, frame, args, kwargs, results)
        marked = self._log.has_marks
        event = None
        if results[0].is_cpu and (marked or plan.kind != "move"):
            for t in results:
                if not (t._is_view() and t._base is not None) and looks_nonfinite(t):
                    event = self._hit(plan, site, frame, args, kwargs, results)
                    break
        for t in results:
            if t.requires_grad:
                events = (event,) if event is not None else self._operand_events(args, kwargs) if marked else ()
                self._backward.watch(t.grad_fn, site, plan, events, before, args, kwargs)

    def _hit(
        self, plan: Plan, site: Site | None, frame: FrameType, args: Any, kwargs: Any, results: list[Any]
    ) -> OpEvent | None:
        if len(results) == 1 and any(results[0] is a for a in args):
            return self._recording.known(results[0])  # returned as it is: `x.float()` of a float32
        if any(not t.is_cpu for t in tensors_in((args, kwargs))):
            self._deferred.flush()  # it came from a device: the user has just waited for it
        operands = self._recording.operands_of(plan, args, kwargs, site)
        return self._recording.result(
            results, operands, site, self._recording.phase_at(frame), plan.op, plan.native, frame=frame
        )

    def _operand_events(self, args: Any, kwargs: Any) -> tuple[OpEvent, ...]:
        """Events of operands that are non-finite although the result is not: backward may meet them again."""
        out = []
        for t in tensors_in((args, kwargs)):
            if is_float(t) and (event := self._log.event_of(key(t))) is not None and any(state(t)):
                out.append(event)
        return tuple(out)

    # --- writing into memory ------------------------------------------------------------------------------------------
    def _inplace(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        out = kwargs.get("out")
        targets: list[Any] = []
        old: list[tuple[Any, Any, NonFiniteState, OpEvent | None]] = []
        try:
            with _Unseen():
                targets = [t for t in tensors_in(out if out is not None else args[:1]) if is_float(t)]
                if out is None:
                    old = [self._state_before(t) for t in targets if t.is_cpu]
        except Exception as error:
            self._recording.fail(plan.native, error)
        before = _sequence()
        result = func(*args, **kwargs)
        self._after_write(plan, targets, old, args, kwargs, before, frame)
        return result

    def _state_before(self, t: Any) -> tuple[Any, Any, NonFiniteState, OpEvent | None]:
        """(target, private copy of what it holds or None, its state, why)."""
        small = t.numel() * t.element_size() <= MAX_COPY
        with torch.no_grad():
            copy = t.detach().clone() if small and type(t) in _PLAIN else None
        of = state(t) if looks_nonfinite(t) else NonFiniteState(False, False)
        return t, copy, of, self._recording.explain(t, of, None, 0) if any(of) else None

    def _after_write(
        self, plan: Plan, targets: list[Any], old: list[Any], args: Any, kwargs: Any, before: int, frame: FrameType
    ) -> None:
        try:
            with _Unseen():
                if not targets or _tracing() is not None:
                    return
                site = self._recording.site(plan.name, frame)
                if not targets[0].is_cpu:
                    self._deferred.forward(plan, site, frame, args, kwargs, targets)
                event = None
                if targets[0].is_cpu and any(looks_nonfinite(t) for t in targets):
                    operands = self._recording.operands_of(plan, args, kwargs, site, leave_out=targets)
                    for _, copy, of, why in old:
                        if copy is not None:
                            operands.tensors.insert(0, copy)
                        operands.add(why, of) if any(of) else operands.states.append(of)
                    event = self._recording.result(
                        targets, operands, site, self._phase_of_write(targets, frame), plan.op, plan.native, frame=frame
                    )
                if event is None and self._log.has_marks:
                    self._forget(targets)
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

    def _forget(self, targets: list[Any]) -> None:
        for t in targets:
            if t._base is None and t.layout is torch.strided:
                self._log.forget(key(t))

    def _setitem(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """`x[i] = v`: what v holds decides; looking at all of x would make filling a buffer row by row quadratic."""
        before = _sequence()
        result = func(*args, **kwargs)
        if len(args) == 3:
            self._after_copy(plan, args[0], args[2], args, before, frame, covers=False)
        return result

    def _copy(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        before = _sequence()
        result = func(*args, **kwargs)
        if len(args) >= 2:
            self._after_copy(plan, args[0], args[1], args, before, frame, covers=True)
        return result

    def _after_copy(
        self, plan: Plan, target: Any, value: Any, args: Any, before: int, frame: FrameType, covers: bool
    ) -> None:
        try:
            with _Unseen():
                if not isinstance(target, torch.Tensor) or not is_float(target) or _tracing() is not None:
                    return
                site = self._recording.site(plan.name, frame)
                if not target.is_cpu:
                    self._deferred.forward(plan, site, frame, (value,), {}, [target])
                event = None
                if target.is_cpu and self._writes_nonfinite(value, target):
                    operands = self._recording.operands_of(plan, (value,), {}, site)
                    results = [target] if any(state(target)) else []
                    event = self._recording.result(
                        results,
                        operands,
                        site,
                        self._phase_of_write([target], frame),
                        plan.op,
                        plan.native,
                        frame=frame,
                    )
                elif covers and self._log.has_marks:
                    self._forget([target])
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

    def _reset(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = func(*args, **kwargs)
        if self._log.has_marks and args:
            with _Unseen():
                self._forget(tensors_in(args[:1]))
        return result

    def _empty(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = func(*args, **kwargs)
        try:
            with _Unseen():
                site = self._recording.site(plan.name, frame)
                if isinstance(result, torch.Tensor) and is_float(result) and site is not None and result.is_cpu:
                    self._recording.note_uninitialised(result, site)
        except Exception as error:
            self._recording.fail(plan.native, error)
        return result

    # --- leaving torch ------------------------------------------------------------------------------------------------
    def _escape(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = func(*args, **kwargs)
        try:
            with _Unseen():
                t = args[0] if args else None
                if isinstance(t, torch.Tensor) and is_float(t):
                    if not t.is_cpu and isinstance(result, (float, complex)) and result - result != 0:
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
            return self._with_mode(clone, args, kwargs)
        finally:
            self._opened.remove(func)

    def _run_backward(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        clone = unguarded(func)
        if clone is None or func in self._opened:
            return func(*args, **kwargs)
        self._opened.append(func)
        try:
            with self._backward.running(args, kwargs, frame):
                result = self._with_mode(clone, args, kwargs)
        finally:
            self._opened.remove(func)
        if func is torch.autograd.grad:
            self._backward.explain_results(result, args, kwargs)
        return result

    def _with_mode(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call with this mode on: torch switches it off while it handles a call."""
        insert(self)
        try:
            return func(*args, **kwargs)
        finally:
            remove(self)

    def _retain(self, plan: Plan, func: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        result = func(*args, **kwargs)
        self._backward.retain(args[0])
        return result
