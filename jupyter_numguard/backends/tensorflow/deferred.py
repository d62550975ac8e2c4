"""Operations on devices: their flags stay there and are read late, many at once.

Design, not measured: there was no device to try it on. What is known of an operation when it runs (line, operands' ids) is
kept with its [3] flag; every `BATCH` operations, and whenever a value leaves the device anyway, one read makes events of
them in order. Operands are gone by then: no statistics, confidence "likely".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...model import NonFiniteState
from ...opevents import OpEvent
from ...oplog import OpLog
from . import private
from .blame import Blame
from .eager import EagerRecorder
from .optables import LOADING, PASSING, SCRATCH

BATCH = 512  # operations per read: a few training steps of a small model, part of one of a large model


@dataclass(frozen=True, slots=True)
class _Waiting:
    op: str
    told: Blame
    statement: int
    operands: tuple[int, ...]
    result: int
    health: Any


class Deferred:
    """The operations whose flags were not read yet."""

    def __init__(self, log: OpLog, eager: EagerRecorder) -> None:
        """Events go to `log`; `eager` knows the lines."""
        self._log = log
        self._eager = eager
        self._waiting: list[_Waiting] = []
        self._states: dict[int, NonFiniteState] = {}

    def on_op(self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], frame: Any) -> None:
        """An operation ran on a device. Launches one reduction per float result, reads nothing."""
        told = replace(self._eager.told(op, inputs, outputs, frame), frame=None, operands=(), targets=())
        if op in PASSING and not self._states:
            return
        for slot, result in enumerate(outputs):
            if result._datatype_enum() in private.FLOATS and slot not in SCRATCH.get(op, ()):
                operands = tuple(t._id for t in inputs)
                health = private.health_of(result)
                self._waiting.append(_Waiting(op, told, self._log.statement, operands, result._id, health))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Read all flags, one read per device, and record what is non-finite."""
        waiting, self._waiting = self._waiting, []
        by_device: dict[str, list[int]] = {}
        for i, entry in enumerate(waiting):
            by_device.setdefault(entry.health.backing_device, []).append(i)
        states: dict[int, NonFiniteState] = {}
        for positions in by_device.values():
            table = private.stack([waiting[i].health for i in positions])._numpy_internal()
            for i, row in zip(positions, table, strict=True):
                if row.any():
                    states[i] = NonFiniteState(bool(row[2] != 0), bool(row[0] != 0 or row[1] != 0))
        for i in sorted(states):
            self._record(waiting[i], states[i])

    def _record(self, entry: _Waiting, state: NonFiniteState) -> None:
        known = [self._states[t] for t in entry.operands if t in self._states]
        parents: list[OpEvent] = [e for t in entry.operands if (e := self._log.event_of(("tf", t))) is not None]
        parents += [e for t in entry.operands if (e := self._log.event_of(("tfvar", t))) is not None]
        kind = self._log.judge(state, [*known, *(p.state for p in parents)], parents)
        if kind == "created" and (entry.op in LOADING or entry.op in PASSING):
            kind = "propagated" if parents else "written"
        told = entry.told
        event = self._log.record(
            kind, told.phase, told.site, told.op, told.native, state, parents=parents, occurrence=told.runs,
            backward_site=told.asked, confidence="likely",
        )  # fmt: skip
        event.statement = min(event.statement, entry.statement)
        self._states[entry.result] = state
        self._log.mark([("tf", entry.result)], event)
