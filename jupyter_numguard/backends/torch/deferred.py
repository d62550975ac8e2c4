"""Operations on a device: no read while the cell runs; what happened is worked out when the flags have come home.

Each operation leaves an `Entry`: the memory of its results and operands, flags that were launched for those not known yet,
and for a while the operands themselves, so that statistics can be taken if the flags come in time. They are held until the
step after theirs ends, or until 5 % of the device's memory is full; the oldest go first. Entries are judged in the order of
the operations, as on the host. Where the operands are gone or were written to since, their numbers stay unknown and the
origin is "likely".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch

from ...frames import user_frame, user_stack
from ...model import FINITE, Confidence, NonFiniteState, Phase, TensorSummary
from ...oplog import Key, OpEvent, Site
from . import flight
from .judging import Recording
from .operands import is_float, nonfinite_numbers, tensors_in, unknown_summary
from .plans import Plan
from .values import alive, info, key, state, summarize

_CODES = (FINITE, NonFiniteState(True, False), NonFiniteState(False, True))
_WHOLE = frozenset(
    "clone contiguous cat concat concatenate stack hstack vstack cpu cuda".split()
)  # copies that leave nothing out
MAX_ENTRIES = 512  # operations per flight
MAX_FLIGHTS = 64  # on their way at once, before one is waited for
_POLL = 64  # operations between two looks for landed flights


@dataclass(slots=True)
class _Slot:
    """One tensor of an entry; `tensor` is None once it was let go of, `flag` its number in the flight or -1."""

    key: Key
    lives: Any
    facts: tuple[str, tuple[int, ...], str]
    tensor: Any
    version: int
    flag: int = -1

    def current(self) -> Any | None:
        """The tensor, if it still holds what it held then."""
        return self.tensor if self.tensor is not None and _version(self.tensor) == self.version else None


@dataclass(slots=True, eq=False)
class Entry:
    """One operation on a device. `event` is set once it was judged, if its result was non-finite."""

    phase: Phase
    op: str
    native: str
    site: Site | None
    count: int
    statement: int
    results: list[_Slot]
    operands: list[_Slot]
    is_copy: bool = False
    literals: list[tuple[NonFiniteState, OpEvent | None]] = field(default_factory=list)
    called_from: tuple[tuple[CodeType, int, int], ...] = ()
    backward_site: Site | None = None
    forward: Entry | None = None
    root: Key | None = None
    event: OpEvent | None = None


class Deferred:
    """The device side of one recording.

    Attributes:
        root: Memory of the loss whose gradient is being asked for.
        latest: The entry of the last operation, for the hooks that are registered on its node.
    """

    def __init__(self, recording: Recording) -> None:
        self.root: Key | None = None
        self.latest: Entry | None = None
        self._recording = recording
        self._entries: list[Entry] = []
        self._flags: list[Any] = []
        self._flights: deque[tuple[flight.Flight, list[Entry]]] = deque()
        self._seen: dict[Key, Any] = {}
        self._now: dict[Key, tuple[NonFiniteState, OpEvent | None]] = {}
        self._pass_event: OpEvent | None = None
        self._held: deque[tuple[int, list[_Slot]]] = deque()
        self._held_bytes = 0
        self._budget: dict[torch.device, int] = {}

    # --- while the cell runs: launches only ---------------------------------------------------------------------------
    def forward(
        self, plan: Plan, site: Site | None, frame: FrameType, args: Any, kwargs: Any, results: Sequence[Any]
    ) -> None:
        """An operation ran: note it, launch the flags of its results and of operands seen for the first time."""
        self.latest = None
        if not self._is_open(results[0]):
            return
        is_copy = plan.kind == "move" and plan.name in _WHOLE
        made = [t for t in results if not (t._is_view() and t._base is not None and plan.kind == "move")]
        if not made:
            return
        operands = [t for t in tensors_in((args, kwargs)) if is_float(t) and t.device.type in flight.DEVICES]
        literals = [(of, None) for _, of in nonfinite_numbers((args, kwargs))]
        entry = self._entry(
            self._recording.phase_at(frame), plan.op, plan.native, site, site.count if site else 0, frame
        )
        entry.is_copy, entry.literals = is_copy, literals
        self.latest = entry
        self._add(entry, made, operands)

    def backward(self, hook: Any, grad_inputs: Sequence[Any], grad_outputs: Sequence[Any]) -> None:
        """A node ran: gradients that came in are operands, gradients that go out are results."""
        made = [g for g in grad_inputs if g is not None and is_float(g)]
        came = [g for g in grad_outputs if g is not None and is_float(g)]
        if not made or not self._is_open(made[0]):
            return
        node = torch._C._current_autograd_node()
        entry = self._entry(
            "backward", hook.op, node.name() if node is not None else hook.op, hook.site, hook.count, None
        )
        entry.backward_site, entry.forward, entry.root = hook.backward.site, hook.late, self.root
        self._add(entry, [g for g in made if not any(g is c for c in came)], came)

    def end_step(self, optimizer: Any, site: Site | None, frame: FrameType | None) -> None:
        """An optimizer step ended: one launch per dtype for its gradients, state and parameters; then send the flags off."""
        name = type(optimizer).__name__
        for group in optimizer.param_groups:
            for p in group["params"]:
                if not is_float(p) or p.is_cpu or not self._is_open(p):
                    continue
                grads = [p.grad] if p.grad is not None else []
                self.look_at_gradient(p)
                slots = optimizer.state.get(p, {})
                for slot, t in [*slots.items(), ("", p)]:
                    if isinstance(t, torch.Tensor) and slot != "step" and is_float(t) and not t.is_cpu:
                        entry = self._entry(
                            "update", "update", f"{name}.step {slot}".strip(), site, site.count if site else 0, frame
                        )
                        self._add(entry, [t], grads + [s for k, s in slots.items() if slot == "" and k != "step"
                                                       and isinstance(s, torch.Tensor) and is_float(s) and not s.is_cpu])  # fmt: skip
        self._send()
        self._poll()
        for _, entries in list(self._flights)[:-1]:  # their step ended one step ago: too late
            self._let_go(entries)
        for address, lives in list(self._seen.items()):
            if not lives():
                del self._seen[address]

    def look_at_gradient(self, leaf: Any) -> None:
        """What the engine left in `leaf.grad`."""
        g = leaf.grad
        if g is None or not is_float(g) or not self._is_open(g):
            return
        entry = self._entry("backward", "grad_accumulate", "AccumulateGrad", None, 0, None)
        self._add(entry, [g], [])

    def flush(self) -> None:
        """Wait for every flag and judge."""
        self._send()
        while self._flights:
            self._land()

    def close(self) -> None:
        """The cell is over: the one read, and everything is let go of."""
        try:
            self.flush()
        finally:
            self._seen.clear()
            self._now.clear()
            self._flights.clear()
            self._held.clear()
            self.latest = self._pass_event = None

    def _is_open(self, t: Any) -> bool:
        device = t.device
        if device.type not in flight.DEVICES:
            if device.type != "meta":
                self._recording.log.add_not_traced(f"device {device.type}", "operations on it are not recorded")
            return False
        if flight.is_capturing(device):
            self._recording.log.add_not_traced("CUDA graph", "nothing may be launched or read while it is captured")
            return False
        return True

    def _entry(
        self, phase: Phase, op: str, native: str, site: Site | None, count: int, frame: FrameType | None
    ) -> Entry:
        entry = Entry(phase, op, native, site, count, self._recording.log.statement, [], [])
        user = user_frame(frame) if site is not None and site.function != "<module>" else None
        if user is not None:
            entry.called_from = tuple(user_stack(user))
        return entry

    def _add(self, entry: Entry, results: Sequence[Any], operands: Sequence[Any]) -> None:
        written = [key(t) for t in results]
        wanted: list[tuple[_Slot, Any]] = []
        for t in operands:
            slot = _slot(t)
            entry.operands.append(slot)
            known = self._seen.get(slot.key)
            if (known is None or not known()) and slot.key not in written and flight.is_measurable(t):
                wanted.append((slot, t))
                self._seen[slot.key] = slot.lives
        for t, address in zip(results, written, strict=True):
            slot = _slot(t)
            slot.tensor = None
            entry.results.append(slot)
            self._seen[address] = slot.lives
            if not entry.is_copy and flight.is_measurable(t):
                wanted.append((slot, t))
        if wanted:
            for (slot, _), flag in zip(wanted, flight.measure([t for _, t in wanted]), strict=True):
                slot.flag = len(self._flags)
                self._flags.append(flag)
        self._entries.append(entry)
        self._hold(entry.operands)
        if self._recording.log.stop:
            self.flush()
        elif len(self._entries) >= MAX_ENTRIES:
            self._send()
        elif self._flights and len(self._entries) % _POLL == 0:
            self._poll()

    # --- what is held -------------------------------------------------------------------------------------------------
    def _hold(self, slots: list[_Slot]) -> None:
        size = sum(s.tensor.numel() * s.tensor.element_size() for s in slots)
        if not slots:
            return
        self._held.append((size, slots))
        self._held_bytes += size
        device = slots[0].tensor.device
        if device not in self._budget:
            self._budget[device] = flight.budget(device)
        while self._held_bytes > self._budget[device] and self._held:
            freed, oldest = self._held.popleft()
            self._held_bytes -= freed
            for slot in oldest:
                slot.tensor = None

    def _let_go(self, entries: Sequence[Entry]) -> None:
        gone = {id(slots) for entry in entries for slots in (entry.operands,)}
        for entry in entries:
            for slot in entry.operands:
                slot.tensor = None
        kept = [(size, slots) for size, slots in self._held if id(slots) not in gone]
        self._held = deque(kept)
        self._held_bytes = sum(size for size, _ in kept)

    # --- flags come home ----------------------------------------------------------------------------------------------
    def _send(self) -> None:
        if not self._entries:
            return
        self._flights.append((flight.Flight(self._flags), self._entries))
        self._entries, self._flags = [], []
        while len(self._flights) > MAX_FLIGHTS:
            self._land()

    def _poll(self) -> None:
        while self._flights and self._flights[0][0].is_landed():
            self._land()

    def _land(self) -> None:
        sent, entries = self._flights.popleft()
        codes = sent.read()
        log = self._recording.log
        statement = log.statement
        try:
            for entry in entries:
                log.statement = entry.statement
                self._judge(entry, codes)
        finally:
            log.statement = statement
            self._let_go(entries)

    def _judge(self, entry: Entry, codes: Sequence[int]) -> None:
        recording = self._recording
        parents: list[OpEvent] = []
        states: list[NonFiniteState] = [of for of, _ in entry.literals]
        for i, slot in enumerate(entry.operands):
            of, event = self._state_of(slot, codes)
            if any(of):
                event = event or self._explain(slot, of, entry, i)
                parents.append(event)
            states.append(of)
        found: list[tuple[_Slot, NonFiniteState]] = []
        for slot in entry.results:
            if entry.is_copy:
                of = NonFiniteState(any(s.nan for s in states), any(s.inf for s in states))
            else:
                of = _CODES[codes[slot.flag]] if slot.flag >= 0 else FINITE
            if any(of):
                found.append((slot, of))
            else:
                self._now.pop(slot.key, None)
                recording.log.forget(slot.key)
        if not found:
            return
        state_now = NonFiniteState(any(s.nan for _, s in found), any(s.inf for _, s in found))
        if entry.native == "AccumulateGrad":
            known = recording.log.event_of(found[0][0].key) or self._pass_event
            if known is not None:
                self._mark(found, known)
                return
        for event in self._forward_events(entry):
            parents.append(event)
            states.append(event.state)
        kind = recording.log.judge(state_now, states, parents)
        root = self._now.get(entry.root, (FINITE, None))[1] if entry.root is not None else None
        if root is not None:
            parents.append(root)
        current = [slot.current() for slot in entry.operands]
        confidence: Confidence = "exact" if all(t is not None for t in current) else "likely"
        entry.event = recording.log.record(
            kind, entry.phase, entry.site, entry.op, entry.native, state_now,
            operands=lambda: tuple(_summary(s, t) for s, t in zip(entry.operands, current, strict=True)),
            result=lambda: unknown_summary(found[0][0].facts), parents=list(dict.fromkeys(parents)), occurrence=entry.count,
            backward_site=entry.backward_site, confidence=confidence, tensors=([t for t in current if t is not None], []),
        )  # fmt: skip
        if not entry.event.called_from:
            entry.event.called_from = entry.called_from
        if entry.phase == "backward":
            self._pass_event = entry.event
        self._mark(found, entry.event)

    def _mark(self, found: Sequence[tuple[_Slot, NonFiniteState]], event: OpEvent) -> None:
        for slot, of in found:
            self._now[slot.key] = (of, event)
            self._recording.log.mark([slot.key], event, slot.lives)

    def _state_of(self, slot: _Slot, codes: Sequence[int]) -> tuple[NonFiniteState, OpEvent | None]:
        if slot.flag >= 0:
            of = _CODES[codes[slot.flag]]
            return (of, self._recording.log.event_of(slot.key)) if any(of) else (FINITE, None)
        of, event = self._now.get(slot.key, (FINITE, None))
        tensor = slot.current() if any(of) else None
        return (state(tensor), event) if tensor is not None else (of, event)

    def _explain(self, slot: _Slot, of: NonFiniteState, entry: Entry, index: int) -> OpEvent:
        if entry.phase == "backward" and self._pass_event is not None:
            return self._pass_event  # several gradients were added up in new memory
        tensor = slot.current()
        if tensor is not None:
            return self._recording.explain(tensor, of, entry.site, index)
        return self._recording.log.record("written", "data", None, "data", "data", of, confidence="likely")

    def _forward_events(self, entry: Entry) -> list[OpEvent]:
        if entry.forward is None:
            return []
        return [entry.forward.event] if entry.forward.event is not None else []


def _slot(t: Any) -> _Slot:
    what = info(t)
    return _Slot(key(t), alive(t), (what.dtype, what.shape, what.device), t.detach(), _version(t))


def _version(t: Any) -> int:
    return -1 if t.is_inference() else int(t._version)


def _summary(slot: _Slot, tensor: Any | None) -> TensorSummary:
    return summarize(tensor) if tensor is not None else unknown_summary(slot.facts)
