"""What a recorder writes down: a site of the source, a non-finite result seen there, and what was around it. No tensor.

The kinds of events:

    created         the result holds NaN and no operand does, or Inf while all operands are finite
    propagated      an operand was non-finite already; `parents` lead to where that one came from
    written         a literal, a fill, a mask, loaded data: nobody computed it
    uninitialised   memory of `empty` before its first write
    carried         it was non-finite before this execution; `origin` is what was said of it then
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal

from .growth import Series
from .model import Confidence, NonFiniteState, Origin, Phase, TensorSummary

Key = Hashable
"""Identity of a tensor's memory: `("mem", device, address)` for torch and numpy (they share host memory), `("tf", id)`
for an eager TensorFlow tensor, `("tfvar", id)` for a variable's handle, `("number", id)` for a single number."""


def is_number(key: Key) -> bool:
    """Whether it is a single number's: two with one identity may have nothing to do with one another (`np.nan`)."""
    return isinstance(key, tuple) and key[0] == "number"


EventKind = Literal["created", "propagated", "written", "uninitialised", "carried"]


@dataclass(slots=True, eq=False)
class Site:
    """One operation at one place of the source.

    Attributes:
        code: The user's code object; None where only file and line are known (graph functions).
        lasti: Offset of the instruction in `code`, -1 if unknown; `co_positions` turns it into the guilty expression.
        op: The operation as the framework names it there.
        count: How often the operation ran here so far.
        due: The run from which on its magnitude is noted next (`growth.py`); `growth` is what was noted.
    """

    code: CodeType | None
    lasti: int
    line: int
    op: str
    file: str = ""
    function: str = ""
    count: int = 0
    due: int = 1
    growth: Series = field(default_factory=Series)
    events: dict[Hashable, OpEvent] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class OpEvent:
    """A non-finite result; see the module's docstring for `kind`.

    Attributes:
        order: Position in the execution; earlier events have smaller numbers.
        statement: Index of the top-level statement that was running.
        op: Canonical name. `native_op` is the framework's.
        occurrence: The how-many-th run of the site; 0 where it is not known.
        state: Which non-finite kinds the result holds.
        parents: Events of the non-finite operands.
        backward_site: For phase "backward": where the gradient was asked for; `site` is then the forward site.
        called_from: User frames outside the failing one, innermost first: (code, last instruction, line).
        origin, intended: For kind "carried": what an earlier execution said of this memory.
        names: Copies of the user's tensors named in the failing statement, by name (`record.py` takes them).
        is_signal: It came without a tensor (numpy's error state): resolved by statement, not by memory.
        is_absorbed: A signal whose value is known to have gone nowhere.
        confined_to: A signal whose value is known to be in these notebook variables only; None if it may be anywhere.
    """

    order: int
    statement: int
    kind: EventKind
    phase: Phase
    site: Site | None
    op: str
    native_op: str
    occurrence: int
    state: NonFiniteState
    operands: tuple[TensorSummary, ...] = ()
    result: TensorSummary | None = None
    parents: tuple[OpEvent, ...] = ()
    backward_site: Site | None = None
    called_from: tuple[tuple[CodeType, int, int], ...] = ()
    confidence: Confidence = "exact"
    origin: Origin | None = None
    intended: str | None = None
    names: dict[str, Any] = field(default_factory=dict)
    is_signal: bool = False
    is_absorbed: bool = False
    confined_to: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that the failing code saw.

    Attributes:
        as_of: What an object that is found under a name held when the operation ran; None if that is not known.
        hidden: Names that mean something else here than at the failing operation: the locals of a forward pass whose
            frame is gone.
    """

    locals: Mapping[str, Any]
    globals: Mapping[str, Any]
    as_of: Callable[[Any], Any] = lambda value: value
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moment:
    """The live objects around an operation that failed in a graph and was run again. Not kept."""

    operands: Sequence[Any]
    results: Sequence[Any]
    scope: Scope


OnCreation = Callable[[OpEvent, Scope | None, Sequence[Any], Sequence[Any]], None]
