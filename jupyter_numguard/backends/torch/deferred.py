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
from types import FrameType
from typing import Any

import torch

from ...frames import user_frame, user_stack
from ...model import NonFiniteState, Phase
from ...opevents import Key, OpEvent, Site
from . import flight
from .entries import Entry, Slot, slot_of
from .judging import Recording
from .landing import Landing
from .operands import is_float, nonfinite_numbers, tensors_in
from .plans import Plan
from .values import key

_WHOLE = frozenset(
    "clone contiguous cat concat concatenate stack hstack vstack cpu cuda".split()
)  # copies that leave nothing out
MAX_ENTRIES = 512  # operations per flight
MAX_FLIGHTS = 64  # on their way at once, before one is waited for
_POLL = 64  # operations between two looks for landed flights


class Deferred:
    """The device side of one recording.

    Attributes:
        root: Memory of the loss whose gradient is being asked for.
        passes: How many backward passes began.
        backward_site: The statement that last asked for a gradient.
        latest: The entry of the last operation, for the hooks that are registered on its node.
    """

    def __init__(self, recording: Recording) -> None:
        self.root: Key | None = None
        self.latest: Entry | None = None
        self.backward_site: Site | None = None
        self._recording = recording
        self._entries: list[Entry] = []
        self._flags: list[Any] = []
        self._flights: deque[tuple[flight.Flight, list[Entry]]] = deque()
        self._seen: dict[Key, Any] = {}
        self._landing = Landing(recording)
        self.passes = 0
        self._held: deque[tuple[int, list[Slot]]] = deque()
        self._held_bytes = 0
        self._budget: dict[torch.device, int] = {}

    # --- while the cell runs: launches only ---------------------------------------------------------------------------
    def forward(
        self,
        plan: Plan,
        site: Site | None,
        frame: FrameType,
        args: Any,
        kwargs: Any,
        results: Sequence[Any],
        phase: Phase,
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
        literals: list[tuple[NonFiniteState, OpEvent | None]] = [
            (of, self._recording.event_of_number(n, of)) for n, of in nonfinite_numbers((args, kwargs))
        ]
        entry = self._entry(phase, plan.op, plan.native, site, site.count if site else 0, frame)
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
        entry.backward_site, entry.forward, entry.root = self.backward_site, hook.late, self.root
        self._add(entry, [g for g in made if not any(g is c for c in came)], came)

    def end_step(self, optimizer: Any, site: Site | None, frame: FrameType | None) -> None:
        """An optimizer step ended: one launch per dtype for its gradients, state and parameters; then send the flags off."""
        name = type(optimizer).__name__
        for p in (p for group in optimizer.param_groups for p in group["params"]):
            if not is_float(p) or not flight.is_on_device(p) or not self._is_open(p):
                continue
            self.look_at_gradient(p.grad)
            slots = [
                (slot, t)
                for slot, t in optimizer.state.get(p, {}).items()
                if isinstance(t, torch.Tensor) and slot != "step" and is_float(t) and flight.is_on_device(t)
            ]
            grads = [p.grad] if p.grad is not None else []
            for slot, t in [*slots, ("", p)]:
                native = f"{name}.step {slot}".strip()
                entry = self._entry("update", "update", native, site, site.count if site else 0, frame)
                self._add(entry, [t], grads if slot else grads + [s for _, s in slots])
        self._send()
        self._poll()
        for _, entries in list(self._flights)[:-1]:  # their step ended one step ago: too late
            self._let_go(entries)
        for address, lives in list(self._seen.items()):
            if not lives():
                del self._seen[address]

    def look_at_gradient(self, g: Any) -> None:
        """What the engine left in a `.grad`, or handed out."""
        if g is None or not is_float(g) or not self._is_open(g):
            return
        site = self.backward_site
        entry = self._entry("backward", "grad_accumulate", "AccumulateGrad", site, site.count if site else 0, None)
        entry.backward_site = site
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
            self._landing = Landing(self._recording)
            self._flights.clear()
            self._held.clear()
            self.latest = None

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
        entry = Entry(phase, op, native, site, count, self._recording.log.statement, [], [], backward_pass=self.passes)
        user = user_frame(frame) if site is not None and site.function != "<module>" else None
        if user is not None:
            entry.called_from = tuple(user_stack(user))
        return entry

    def _add(self, entry: Entry, results: Sequence[Any], operands: Sequence[Any]) -> None:
        written = [key(t) for t in results]
        wanted: list[tuple[Slot, Any]] = []
        for t in operands:
            slot = slot_of(t, hold=True)
            entry.operands.append(slot)
            known = self._seen.get(slot.key)
            if (known is None or not known()) and slot.key not in written and flight.is_measurable(t):
                wanted.append((slot, t))
                self._seen[slot.key] = slot.lives
        for t, address in zip(results, written, strict=True):
            slot = slot_of(t, hold=False)
            known = self._seen.get(address)
            slot.is_known = known is not None and known()
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
    def _hold(self, slots: list[Slot]) -> None:
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
                self._landing.judge(entry, codes)
        finally:
            log.statement = statement
            self._let_go(entries)
