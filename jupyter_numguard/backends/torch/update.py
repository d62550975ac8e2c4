"""Update: the global optimizer hooks look at parameters and optimizer state after each step, whatever made it.

One way for single-tensor, foreach and fused optimizers. While a library's step runs, its inner calls are not looked at; an
optimizer whose step is the user's own code is recorded like any other code, and looked at after it too.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ...errors import NonFiniteError
from ...frames import is_user_file
from ...opevents import OpEvent, Site
from . import flight
from .deferred import Deferred
from .flags import glance
from .forward import ForwardMode
from .growing import note_start, note_step
from .judging import Operands, Recording, looks_nonfinite, unseen
from .operands import is_float
from .stack import insert, remove
from .values import key, state

# State that the step adds to the parameter, multiplied by finite numbers or divided by other state: where it is non-finite the
# parameter is, so a finite parameter proves it.
_SHOWN_BY_PARAMETER = {
    torch.optim.Adam: "exp_avg",
    torch.optim.AdamW: "exp_avg",
    torch.optim.SGD: "momentum_buffer",
}


class _Away(tuple[Any, ...]):
    """The arguments of a step while our mode is off the stack: its many inner calls are not looked at, so they need not
    come to us (3 µs each). The step's frame holds them; if it raises, the mode comes back when that frame dies.
    """

    _back: Callable[[], None] | None = None

    def leave(self, recording: Recording, mode: ForwardMode) -> _Away:
        """Take the mode off this thread's stack, if it is there."""
        if remove(mode):
            thread = threading.get_ident()

            def back() -> None:
                if recording.is_open and threading.get_ident() == thread:
                    remove(mode)  # somebody may have put it back
                    insert(mode)

            self._back = back
        return self

    def come_back(self) -> None:
        """Put it back, once."""
        back, self._back = self._back, None
        if back is not None:
            back()

    def __del__(self) -> None:
        try:
            self.come_back()
        except Exception:  # the interpreter shuts down
            pass


class Update:
    """The optimizer steps of one recording."""

    def __init__(self, recording: Recording, mode: ForwardMode, deferred: Deferred) -> None:
        self._recording = recording
        self._mode = mode
        self._deferred = deferred
        self._met: set[int] = set()
        self._handles = [
            register_optimizer_step_pre_hook(self._before),
            register_optimizer_step_post_hook(self._after),
        ]

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._mode.step = None

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if not self._recording.is_open:
            return None
        self._note_start(optimizer)
        if _is_users(optimizer):
            return None
        self._mode.step = sys._getframe(1).f_code
        # args[0] is the optimizer. LBFGS and others call the closure from inside the step: it is the user's code.
        if len(args) > 1 and callable(args[1]):
            args = (args[0], self._heard(args[1]), *args[2:])
        elif callable(kwargs.get("closure")):
            kwargs = {**kwargs, "closure": self._heard(kwargs["closure"])}
        return _Away(args).leave(self._recording, self._mode), kwargs

    def _note_start(self, optimizer: Any) -> None:
        if id(optimizer) in self._met:
            return
        self._met.add(id(optimizer))
        try:
            with unseen():
                note_start(self._recording.log, optimizer)
        except Exception as error:
            self._recording.fail("parameters", error)

    def _heard(self, closure: Callable[..., Any]) -> Callable[..., Any]:
        mode = self._mode

        @functools.wraps(closure)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            step, mode.step = mode.step, None
            was_there = remove(mode)
            insert(mode)
            try:
                return closure(*args, **kwargs)
            finally:
                mode.step = step
                if not was_there:
                    remove(mode)

        return recorded

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._mode.step = None
        if type(args) is _Away:
            args.come_back()
        if not self._recording.is_open:
            return
        try:
            with unseen():
                site = self._recording.log.site(f"{type(optimizer).__name__}.step", sys._getframe(1))
                if site is not None:
                    note_step(self._recording.log, optimizer, site)
                for p, slots in self._nonfinite(optimizer):
                    self._look(type(optimizer).__name__, slots, p, site)
                self._deferred.end_step(optimizer, site, sys._getframe(1))
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail("optimizer step", error)

    def _nonfinite(self, optimizer: Any) -> list[tuple[Any, list[tuple[str, Any]]]]:
        """(parameter, what is non-finite of its state and itself) where anything is. One look at all, small ones together."""
        found: list[tuple[Any, str, Any]] = []
        shown = _SHOWN_BY_PARAMETER.get(type(optimizer))
        for p in (p for group in optimizer.param_groups for p in group["params"]):
            for slot, t in (*_state_tensors(optimizer.state.get(p)), ("", p)):
                if slot != shown and is_float(t) and not flight.is_on_device(t) and t.layout is torch.strided:
                    found.append((p, slot, t))
        # Small ones together; of a large one the sum is the faster screen.
        flags, *suspects = glance([t for _, _, t in found])
        for i in (j for positions in suspects for j in positions):
            flags[i] = looks_nonfinite(found[i][2])
        out: dict[int, tuple[Any, list[tuple[str, Any]]]] = {}
        for (p, slot, t), flag in zip(found, flags, strict=True):
            if flag:
                if id(p) not in out:
                    out[id(p)] = p, [s for s in _state_tensors(optimizer.state.get(p)) if s[0] == shown]
                out[id(p)][1].append((slot, t))
        return list(out.values())

    def _look(self, name: str, slots: list[tuple[str, Any]], p: Any, site: Site | None) -> None:
        """State first: what a parameter was divided by explains the parameter."""
        made: list[OpEvent] = []
        for slot, t in slots:
            of = state(t)
            if not any(of):
                continue  # the sum overflowed
            known = self._recording.log.event_of(key(t))
            if known is not None and known.phase == "update":
                made.append(known)
                continue
            operands = Operands()
            if p.grad is not None:
                operands.tensors.append(p.grad)
                grad_state = state(p.grad)
                if any(grad_state):
                    operands.add(self._recording.explain(p.grad, grad_state, site, 0), grad_state)
            if known is not None:
                operands.add(known, of)
            for event in made:
                operands.add(event, event.state)
            native = f"{name}.step {slot}".strip()
            event_now = self._recording.result(
                [(t, of)], operands, site, "update", "update", native, frame=sys._getframe(2)
            )
            if event_now is not None:
                made.append(event_now)


def _state_tensors(slots: Any) -> Iterator[tuple[str, Any]]:
    for slot, t in slots.items() if isinstance(slots, dict) else ():
        if isinstance(t, torch.Tensor) and slot != "step":
            yield str(slot), t


def _is_users(optimizer: Any) -> bool:
    """Whether the step function is the user's own code."""
    step = type(optimizer).step
    code = getattr(getattr(step, "__wrapped__", step), "__code__", None)
    while (inner := getattr(step, "__wrapped__", None)) is not None:
        step = inner
        code = getattr(step, "__code__", code)
    return code is not None and is_user_file(code.co_filename)
