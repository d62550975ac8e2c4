"""What an operation on a device was, worked out when its flags have come home: the same rules as on the host.

Entries are judged in the order of the operations. The state of a memory at that time is that of the last entry that wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...model import FINITE, Confidence, NonFiniteState
from ...opevents import Key, OpEvent
from .entries import Entry, Slot, summary_of
from .judging import Recording
from .operands import unknown_summary
from .values import state

_CODES = (FINITE, NonFiniteState(True, False), NonFiniteState(False, True))


class Landing:
    """The non-finite memories of the devices, as far as flags have landed."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._now: dict[Key, tuple[NonFiniteState, OpEvent | None]] = {}
        self._pass = 0
        self._pass_event: OpEvent | None = None  # the last of this backward pass

    def judge(self, entry: Entry, codes: Sequence[int]) -> None:
        """Record the entry's event, if its results are non-finite."""
        if entry.backward_pass != self._pass:
            self._pass, self._pass_event = entry.backward_pass, None
        recording = self._recording
        parents: list[OpEvent] = [event for _, event in entry.literals if event is not None]
        states: list[NonFiniteState] = [of for of, _ in entry.literals]
        for i, slot in enumerate(entry.operands):
            of, event = self._state_of(slot, codes)
            if any(of):
                event = event or self._explain(slot, of, entry, i)
                parents.append(event)
            states.append(of)
        found: list[tuple[Slot, NonFiniteState]] = []
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
        if entry.phase == "backward":
            found = [(slot, of) for slot, of in found if not self._is_passed_on(slot)]
            if found and entry.native == "AccumulateGrad" and self._pass_event is not None:
                self._mark(found, self._pass_event)
                return
            if not found:
                return
            state_now = NonFiniteState(any(s.nan for _, s in found), any(s.inf for _, s in found))
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
            operands=lambda: tuple(summary_of(s, t) for s, t in zip(entry.operands, current, strict=True)),
            result=lambda: unknown_summary(found[0][0].facts), parents=list(dict.fromkeys(parents)), occurrence=entry.count,
            backward_site=entry.backward_site, confidence=confidence, tensors=([t for t in current if t is not None], []),
        )  # fmt: skip
        if not entry.event.called_from:
            entry.event.called_from = entry.called_from
        if entry.phase == "backward":
            self._pass_event = entry.event
        self._mark(found, entry.event)

    def _is_passed_on(self, slot: Slot) -> bool:
        """A gradient that was explained already: a node returned what it got, or what the user's backward computed."""
        event = self._now.get(slot.key, (FINITE, None))[1] if slot.is_known else None
        self._pass_event = event or self._pass_event
        return event is not None

    def _mark(self, found: Sequence[tuple[Slot, NonFiniteState]], event: OpEvent) -> None:
        for slot, of in found:
            self._now[slot.key] = (of, event)
            self._recording.log.mark([slot.key], event, slot.lives)

    def _state_of(self, slot: Slot, codes: Sequence[int]) -> tuple[NonFiniteState, OpEvent | None]:
        if slot.flag >= 0:
            of = _CODES[codes[slot.flag]]
            return (of, self._recording.log.event_of(slot.key)) if any(of) else (FINITE, None)
        of, event = self._now.get(slot.key, (FINITE, None))
        tensor = slot.current() if any(of) else None
        return (state(tensor), event) if tensor is not None else (of, event)

    def _explain(self, slot: Slot, of: NonFiniteState, entry: Entry, index: int) -> OpEvent:
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
