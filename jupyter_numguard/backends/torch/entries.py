"""What is noted of an operation on a device, until its flags come home: the memory of its operands and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from ...model import NonFiniteState, Phase, TensorSummary
from ...opevents import Key, OpEvent, Site
from .operands import unknown_summary
from .values import alive, info, key, summarize


@dataclass(slots=True)
class Slot:
    """One tensor of an entry.

    Attributes:
        lives: Whether its memory is still the same.
        facts: dtype, shape, device.
        tensor: None once it was let go of.
        flag: Number of its flag in the flight, -1 if none was launched.
        is_known: Its memory was seen before: written in place, or handed on.
    """

    key: Key
    lives: Any
    facts: tuple[str, tuple[int, ...], str]
    tensor: Any
    version: int
    flag: int = -1
    is_known: bool = False

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
    results: list[Slot]
    operands: list[Slot]
    is_copy: bool = False
    literals: list[tuple[NonFiniteState, OpEvent | None]] = field(default_factory=list)
    called_from: tuple[tuple[CodeType, int, int], ...] = ()
    backward_site: Site | None = None
    forward: Entry | None = None
    root: Key | None = None
    backward_pass: int = 0
    event: OpEvent | None = None


def slot_of(t: Any, hold: bool) -> Slot:
    """The slot of a tensor; of an operand it holds the values, not the graph."""
    what = info(t)
    return Slot(key(t), alive(t), (what.dtype, what.shape, what.device), t.detach() if hold else None, _version(t))


def _version(t: Any) -> int:
    return -1 if t.is_inference() else int(t._version)


def summary_of(slot: Slot, tensor: Any | None) -> TensorSummary:
    """Statistics of the tensor, or what is known without it."""
    return summarize(tensor) if tensor is not None else unknown_summary(slot.facts)
