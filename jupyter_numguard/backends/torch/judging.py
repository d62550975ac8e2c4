"""One recording: what is known of non-finite memory, why an operand is non-finite, and the events written to the log.

Everything here runs only after a non-finite result was seen, except `site`.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from ...frames import user_frame
from ...model import FINITE, Confidence, NonFiniteState, Phase, TensorSummary
from ...opevents import Key, OpEvent, Site
from ...oplog import OpLog
from .dense import hidden
from .operands import is_float, memory_of_array, nonfinite_numbers, summary_of_number, tensors_in
from .plans import Plan
from .values import alive, key, state, summarize

_item, _sum = torch._C.TensorBase.item, torch._C.TensorBase.sum
_grad_on, _set_grad = torch.is_grad_enabled, torch._C._set_grad_enabled
_dispatch_modes = torch._C._len_torch_dispatch_stack
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_HALF = torch.float16  # whose sums overflow soon
_CUSTOM_BACKWARD = {
    f.__code__
    for f in (getattr(torch.autograd.function.BackwardCFunction, name, None) for name in ("apply", "apply_jvp"))
    if f is not None and hasattr(f, "__code__")
}
MAX_FLOATS = 256  # escaped Python numbers that are remembered by identity
MAX_OPERANDS = 6
MAX_UNINITIALISED = 4096


def unseen() -> Any:
    """A context in which neither function modes, ours included, nor the user's dispatch modes see what torch is asked."""
    return hidden() if _dispatch_modes() else torch._C.DisableTorchFunction()


def looks_nonfinite(t: Any) -> bool:
    """The screen of the healthy path: False means finite for sure. Cost: one sum. Call it under DisableTorchFunction."""
    if type(t) not in _PLAIN:
        return any(state(t))
    records = t.requires_grad and _grad_on()
    try:
        if records:
            _set_grad(False)
        total = _item(_sum(t) if t.dtype is not _HALF else _sum(t, dtype=torch.float32))
    except (RuntimeError, NotImplementedError, TypeError):  # functorch, fp8, layouts without a sum: the exact way knows
        return any(state(t))
    finally:
        if records:
            _set_grad(True)
    return bool(total - total != 0)


def nonfinite_in(results: Sequence[Any]) -> list[tuple[Any, NonFiniteState]]:
    """Those that are non-finite, each with its state."""
    return [(t, of) for t in results if any(of := state(t))]


@dataclass(slots=True)
class Operands:
    """The operands of an operation that made a non-finite result.

    Attributes:
        tensors: Those whose values are still what the operation got; plain numbers among them.
        states: Of every operand, literals and forward operands included.
        parents: Events of the non-finite ones.
    """

    tensors: list[Any] = field(default_factory=list)
    states: list[NonFiniteState] = field(default_factory=list)
    parents: list[OpEvent] = field(default_factory=list)

    def add(self, event: OpEvent | None, of: NonFiniteState) -> None:
        """One more non-finite operand."""
        self.states.append(of)
        if event is not None and event not in self.parents:
            self.parents.append(event)


class Recording:
    """What the parts of the torch recorder share while one cell runs.

    Attributes:
        is_open: False once the recorder was left: hooks on graphs that the user still holds then do nothing.
        in_backward: How many backward passes are running.
        born_in_backward: Sites first met while a backward pass ran (custom backwards, as opposed to recomputation).
        is_leaf_memory: Whether a memory is that of a leaf that requires a gradient; `leaves.py` sets it.
    """

    def __init__(self, log: OpLog) -> None:
        self.log = log
        self.is_open = True
        self.in_backward = 0
        self.born_in_backward: set[int] = set()
        self.is_leaf_memory: Callable[[Key], bool] = lambda _: False
        self._unexplained: dict[tuple[int, int], OpEvent] = {}
        self._floats: OrderedDict[int, tuple[object, OpEvent]] = OrderedDict()
        self._uninitialised: OrderedDict[Key, tuple[Site, int, Callable[[], bool]]] = OrderedDict()

    # --- sites ------------------------------------------------------------------------------------------------------
    def site(self, op: str, frame: FrameType | None) -> Site | None:
        """`OpLog.site`; a line that checkpointing runs again during backward is not counted a second time."""
        site = self.log.site(op, frame)
        if self.in_backward and site is not None:
            if site.count == 1:
                self.born_in_backward.add(id(site))
            elif id(site) not in self.born_in_backward:
                site.count -= 1
        return site

    def phase_at(self, frame: FrameType | None) -> Phase:
        """Of an operation that was just seen: "backward" if it is inside a custom Function's backward."""
        if self.in_backward:
            while frame is not None:
                if frame.f_code in _CUSTOM_BACKWARD:
                    return "backward"
                if frame.f_code.co_filename.endswith("checkpoint.py"):
                    return "forward"
                frame = frame.f_back
        return "forward"

    # --- why an operand is non-finite ---------------------------------------------------------------------------------
    def known(self, t: Any) -> OpEvent | None:
        """The event of a tensor's memory, memory of `empty` included."""
        address = key(t)
        event = self.log.event_of(address)
        if event is None and address in self._uninitialised:
            site, count, lives = self._uninitialised[address]
            if lives():
                event = self.log.record(
                    "uninitialised", "data", site, "empty", "aten::empty", NonFiniteState(True, True), occurrence=count
                )
                self.log.mark([address], event, lives)
        return event

    def explain(self, t: Any, of: NonFiniteState, site: Site | None, index: int) -> OpEvent:
        """The event of a non-finite operand; one that nothing is known of came in from outside: data, other code."""
        event = self.known(t)
        if event is None:
            event = self._made_by_function(t, of)
        if event is None:
            slot = (id(site), index)
            event = self._unexplained.get(slot)
            if event is None or any(k and not had for k, had in zip(of, event.state, strict=True)):
                event = self._unexplained[slot] = self.log.record(
                    "written", "data", None, "data", "data", of,
                    result=lambda: summarize(t), occurrence=site.count if site is not None else 0, confidence="likely",
                )  # fmt: skip
        self.mark(t, event)
        return event

    def _made_by_function(self, t: Any, of: NonFiniteState) -> OpEvent | None:
        """A custom autograd.Function whose forward left torch (numpy, C): known by the node that made the tensor."""
        cls = getattr(t.grad_fn, "_forward_cls", None) if t.requires_grad else None
        code = getattr(getattr(cls, "forward", None), "__code__", None)
        if cls is None or code is None or cls.__module__.startswith("torch."):
            return None
        site = self.log.site_at(code, -1, code.co_firstlineno, cls.__name__)
        return self.log.record("created", "forward", site, cls.__name__, cls.__name__, of, result=lambda: summarize(t),
                               confidence="likely")  # fmt: skip

    def mark(self, t: Any, event: OpEvent) -> None:
        """This memory is non-finite because of `event`."""
        self.log.mark([key(t)], event, alive(t))

    def note_uninitialised(self, t: Any, site: Site) -> None:
        """Memory of `empty`: not looked at (that would touch its pages), remembered until it is asked for."""
        self._uninitialised[key(t)] = (site, site.count, alive(t))
        if len(self._uninitialised) > MAX_UNINITIALISED:
            self._uninitialised.popitem(last=False)

    @property
    def has_notes(self) -> bool:
        """Whether `overwritten` has anything to forget."""
        return self.log.has_marks or bool(self._uninitialised)

    def overwritten(self, t: Any) -> None:
        """All of `t` was written with finite values; the rest of its memory, if it is a view, was not."""
        if t._base is None and t.layout is torch.strided:
            address = key(t)
            self.log.forget(address)
            self._uninitialised.pop(address, None)

    def close(self) -> None:
        """Say of memory that was never written why it may be non-finite, and let go."""
        for address, (_, _, lives) in list(self._uninitialised.items()):
            if lives() and self.log.event_of(address) is None:
                site, count, _ = self._uninitialised[address]
                event = self.log.record(
                    "uninitialised", "data", site, "empty", "aten::empty", NonFiniteState(True, True), occurrence=count
                )
                self.log.mark([address], event, lives)
        self._uninitialised.clear()
        self._floats.clear()
        self._unexplained.clear()
        self.is_open = False

    # --- numbers ----------------------------------------------------------------------------------------------------
    def escape(self, number: object, event: OpEvent) -> None:
        """A non-finite value became `number` (or a text): an operand again when that very object comes back."""
        self.log.escape(event)
        if isinstance(number, (float, complex)):
            self._floats[id(number)] = (number, event)
            if len(self._floats) > MAX_FLOATS:
                self._floats.popitem(last=False)

    def event_of_number(self, number: Any, of: NonFiniteState) -> OpEvent | None:
        """Why a Python number or a numpy array is non-finite; None for a literal."""
        address = memory_of_array(number)
        if address is not None:
            return self.log.event_of(address)
        known = self._floats.get(id(number))
        if known is not None and known[0] is number:
            return known[1]
        # A NaN is seldom written, so one that comes from nowhere is the last that left; an Inf often is.
        return self.log.escaped[-1] if of.nan and self.log.escaped else None

    # --- events -----------------------------------------------------------------------------------------------------
    def operands_of(
        self, plan: Plan, args: Any, kwargs: Any, site: Site | None, leave_out: Sequence[Any] = ()
    ) -> Operands:
        """States and events of all arguments but those in `leave_out` (overwritten by the operation itself)."""
        out = Operands()
        for index, t in enumerate(tensors_in((args, kwargs))):
            if any(t is other for other in leave_out) or not is_float(t):
                continue
            out.tensors.append(t)
            of = state(t) if looks_nonfinite(t) else FINITE
            if any(of):
                out.add(self.explain(t, of, site, index), of)
            else:
                out.states.append(of)
        for number, of in nonfinite_numbers((args, kwargs)):
            out.add(self.event_of_number(number, of), of)
        if plan.takes_numbers:
            out.tensors = [a for a in args if isinstance(a, (int, float, torch.Tensor)) and not isinstance(a, bool)
                           and not any(a is other for other in leave_out)]  # fmt: skip
            if plan.is_reflected:
                out.tensors.reverse()
        return out

    def result(
        self,
        found: Sequence[tuple[Any, NonFiniteState]],
        operands: Operands,
        site: Site | None,
        phase: Phase,
        op: str,
        native: str,
        *,
        extra_parents: Sequence[OpEvent] = (),
        occurrence: int | None = None,
        backward_site: Site | None = None,
        frame: FrameType | None = None,
        confidence: Confidence = "exact",
    ) -> OpEvent | None:
        """Record what the non-finite results `found` are (`nonfinite_in`); None if there is none: the screen overflowed."""
        if not found:
            return None
        of = NonFiniteState(any(s.nan for _, s in found), any(s.inf for _, s in found))
        parents = operands.parents + [e for e in extra_parents if e not in operands.parents]
        kind = self.log.judge(of, operands.states, operands.parents)
        event = self.log.record(
            kind, phase, site, op, native, of,
            operands=lambda: tuple(_summary(t) for t in operands.tensors[:MAX_OPERANDS]),
            result=lambda: summarize(found[0][0]),
            parents=parents, occurrence=occurrence, backward_site=backward_site, frame=frame, confidence=confidence,
            tensors=(operands.tensors[:MAX_OPERANDS], [t for t, _ in found]),
        )  # fmt: skip
        for t, _ in found:
            self.mark(t, event)
        return event

    def fail(self, what: str, error: Exception) -> None:
        """Something of ours did not work: the program goes on, the report says what is missing."""
        self.log.add_not_traced(f"torch {what}", f"{type(error).__name__}: {str(error)[:120]}")


def _summary(operand: Any) -> TensorSummary:
    return summarize(operand) if isinstance(operand, torch.Tensor) else summary_of_number(operand)


def user_site(log: OpLog, op: str, frame: FrameType | None = None) -> Site | None:
    """The site of `op` at the user's line that runs now, not counted."""
    user = user_frame(frame or sys._getframe(1))
    if user is None:
        return None
    site = log.sites.get((id(user.f_code), user.f_lasti, op))
    return site or log.site_at(user.f_code, user.f_lasti, user.f_lineno, op)
