"""One run of a top-level statement, as the cell, the versions of variables and the non-finite values know it. Plain data."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import ExecutionRef, Framework, Place, Statement, Written
from .opevents import Key, OpEvent
from .versions import Version

OUTSIDE = "(changed by no statement that numguard saw)"
END = 1 << 30  # index of what was noticed when all statements of the cell had ended


@dataclass(frozen=True, slots=True)
class Opened:
    """A top-level statement that is about to run.

    Attributes:
        index: Position in its execution.
        node, statement: Its syntax and what it does; None where the source is not known.
        reads: Names that it may read.
        line: As the user sees it.
        is_last: No other statement of the cell comes after it.
    """

    index: int
    node: ast.stmt | None
    statement: Statement | None
    reads: frozenset[str]
    line: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement that is about to run reads, as the versions of variables know it.

    Attributes:
        outputs: What earlier cells displayed and it mentions.
        places: Of the variables that are not read as a whole: what is read of them (`places.py`).
        kept: Names that it binds to the object that they have: `values += [x]`.
    """

    outputs: frozenset[str] = frozenset()
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """One tensor looked at after a statement.

    Attributes:
        path, root: As the user would type it; the namespace's name it starts with.
        changed: Its light fingerprint differs from the last look, or it is new.
        in_table: A column of a data frame.
    """

    path: str
    root: str
    key: Key
    framework: Framework
    nonfinite: bool
    changed: bool = True
    in_table: bool = False


@dataclass(slots=True, eq=False)
class StatementRun:
    """One run of one top-level statement.

    Attributes:
        index: Position in its execution; `OpEvent.statement` refers to it.
        place: Its line and code.
        reads: Names it may have read, those that its functions reach included.
        written: Non-finite literals in it, and in the functions it may have run.
        seen: The tensors looked at after it.
        signals: What numpy signalled while it ran and what survived (events with kind "created").
        escapes: Non-finite values that left their framework as Python numbers while it ran.
        past: The versions of variables that it read.
        is_outside: It stands for what nobody's statement did; `place` is the statement before which it was noticed.
        places: Of `reads`, what is read of those that are not read as a whole.
        looked: Names below which every tensor is among `seen`.
    """

    index: int
    execution: ExecutionRef
    place: Place
    statement: Statement | None
    reads: frozenset[str]
    binds: frozenset[str]
    written: Written
    seen: tuple[Seen, ...] = ()
    signals: list[OpEvent] = field(default_factory=list)
    escapes: list[OpEvent] = field(default_factory=list)
    order: int = 0
    past: tuple[Version, ...] = ()
    is_outside: bool = False
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    looked: frozenset[str] = frozenset()
