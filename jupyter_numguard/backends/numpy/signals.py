"""Turn numpy's signals into events of the log: where, which operation, on what, which time, and what survives.

Cheap while nothing is signalled: nothing of ours runs at all. A signal costs about 10 µs; the first hundred of a
place are looked at (operands, survival, loops: about 1 ms each), then one in 256, so that a loop that overflows at
every step stays fast. What a block *ignores* (`np.errstate(all="ignore")`, pandas, scipy) is heard as well."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ...errors import NonFiniteError
from ...frames import is_user_code
from ...model import FINITE, NonFiniteState, TensorSummary
from ...opevents import OpEvent, Site
from ...oplog import OpLog
from . import values
from .expression import Expression, locate
from .loops import occurrence
from .operands import MISSING, Operand, Operation, is_numeric, makes_new, name_operation, repeat_operation
from .state import Listening, is_supported, silence
from .statistics import dtype_name, state, summarize
from .survival import (
    Chain,
    Where,
    chain_of,
    is_absorbed_at_once,
    is_in_progress,
    nonfinite_names,
    own_targets,
    user_frames,
)

_ALWAYS = 100  # signals of a place that are all looked at
_ALWAYS_ELEMENTS = (
    5_000_000  # but no more than this many elements in all: evaluating again costs what the operation cost
)
_THINNED = 256  # then one in so many
_HERE = __file__.rsplit("backends", 1)[0]
_INTEGER_STAYS = frozenset(
    "add subtract multiply negative absolute power floor_divide remainder reduce accumulate".split()
)
_MADE = {  # what a kind of signal leaves where the result itself cannot be had; one call signals in this order
    "divide by zero": NonFiniteState(nan=False, inf=True),
    "overflow": NonFiniteState(nan=False, inf=True),
    "invalid value": NonFiniteState(nan=True, inf=False),
}


@dataclass(slots=True)
class _Place:
    """An instruction that signalled: its count, and how many are looked at. `code` is held for its id's sake."""

    code: CodeType
    count: int = 0
    site: Site | None = None
    looks: int = _ALWAYS


@dataclass(slots=True)
class _Live:
    """A recorded signal of the running top-level statement whose value may still be somewhere.

    Attributes:
        number, rank: The how-many-th signal of its place, and the position of its kind in `_MADE`.
    """

    event: OpEvent
    place: _Place
    chain: Chain
    before: set[Where]
    number: int
    rank: int


class SignalRecorder(AbstractContextManager[None]):
    """Records this thread's numpy signals into a log between enter and exit; leaves numpy as it was."""

    def __init__(self, log: OpLog) -> None:
        self._log = log
        self._listening = Listening(self._hear)
        self._busy = False
        self._places: dict[tuple[int, int], _Place] = {}
        self._located: dict[tuple[int, int], Expression] = {}
        self._codes: list[CodeType] = []  # held so that the ids of those located stay their own
        self._live: list[_Live] = []
        self._statement = -2

    def __enter__(self) -> None:
        if not is_supported:
            self._log.add_not_traced("numpy", "numpy before 2.0: its signals are not heard")
            return
        self._listening.start()
        self.resume()

    def __exit__(self, *exc: object) -> None:
        self._listening.stop()
        self._places.clear()
        self._located.clear()
        self._codes.clear()
        self._live.clear()

    def resume(self) -> None:
        """Call before each top-level statement: a cell with `await` runs in a context of its own. Cost: under 1 µs."""
        if self._listening.is_on:
            self._listening.resume()
            if not self._listening.hears:
                self._log.add_not_traced("numpy", "its errors go to an object of yours (np.seterrcall)")

    # --- one signal ---------------------------------------------------------------------------------------------------
    def _hear(self, text: str, frame: FrameType) -> None:
        """Take a signal. Raises nothing but `NonFiniteError` (`--stop`)."""
        if self._busy:
            return
        user: FrameType | None = frame
        callee: FrameType | None = None
        while user is not None and not is_user_code(user.f_code):
            if user.f_code.co_filename.startswith(_HERE):
                return  # our own arithmetic
            callee, user = user, user.f_back
        if user is None:
            return
        key = (id(user.f_code), user.f_lasti)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(user.f_code)
        place.count += 1
        if place.site is not None:
            place.site.count = place.count
        if place.count > place.looks and place.count % _THINNED:
            return
        self._busy = True
        try:
            package = str(callee.f_globals.get("__name__", "")).split(".")[0] if callee is not None else None
            with silence():
                self._look_at(text, user, package, place)
        except NonFiniteError:
            raise
        except Exception as error:  # a signal less; the user's cell goes on
            self._log.add_not_traced("a numpy signal", f"{type(error).__name__}: {error}")
        finally:
            self._busy = False

    def _look_at(self, text: str, user: FrameType, package: str | None, place: _Place) -> None:
        if self._statement != self._log.statement:
            self._statement = self._log.statement
            self._live.clear()
        expression = self._locate(user)
        operation = repeat_operation(expression, user)
        arrays = [operation.result, *(o.value for o in operation.operands)]
        largest = max((np.size(v) for v in arrays if is_numeric(v)), default=1)
        place.looks = min(_ALWAYS, max(3, _ALWAYS_ELEMENTS // max(largest, 1)))
        made = state(operation.result) if operation.result is not MISSING and is_numeric(operation.result) else None
        if made == FINITE or (made is not None and is_absorbed_at_once(expression, user, operation.result)):
            return
        made = made or next((s for begin, s in _MADE.items() if text.startswith(begin)), FINITE)
        if made == FINITE or (operation.result is MISSING and _is_integer(text, operation)):
            return
        frames = user_frames(user)
        chain = chain_of(frames, self._locate)
        nonfinite = nonfinite_names(frames)
        states = [state(o.value) for o in operation.operands if o.value is not MISSING]
        self._settle(chain, nonfinite, place, _rank(text))
        if not any(live.place is place for live in self._live):
            self._record(text, user, package, place, operation, made, states, chain, nonfinite)

    def _record(
        self, text: str, user: FrameType, package: str | None, place: _Place, operation: Operation, made: NonFiniteState,
        states: list[NonFiniteState], chain: Chain, nonfinite: set[Where],
    ) -> None:  # fmt: skip
        parents = self._parents(operation, states)
        marks = [values.key(operation.target)] if isinstance(operation.target, np.ndarray) else []
        unseen = [p.state for p in parents]  # an overwritten operand has no state but its event's
        kind = self._log.judge(made, [*states, *unseen], parents)
        # IEEE 754 signals these two of finite operands only: what else the tensors hold does not matter.
        is_new = text.startswith(("divide by zero", "overflow")) or makes_new(operation)
        if kind != "created" and (parents or not is_new):
            if parents and marks:
                self._log.mark(marks, parents[0], values.alive(operation.target))
            return
        op, native = name_operation(text, chain[-1].expression, package)
        place.site = site = self._log.site_at(user.f_code, user.f_lasti, user.f_lineno, native)
        site.count = place.count
        former = site.events.get(("created", "forward", native))
        if former is not None and not former.is_absorbed:
            del site.events["created", "forward", native]  # it belongs to an earlier statement's variable and stays
        event = self._log.record(
            "created", "forward", site, op, native, made,
            operands=lambda: tuple(_summary(o, len(operation.operands) == 1) for o in operation.operands),
            result=lambda: None if operation.result is MISSING else summarize(operation.result),
            parents=parents,
            occurrence=occurrence(user, self._locate),
            frame=user,
            tensors=([o.rebuilt if o.value is MISSING else o.value for o in operation.operands],
                     [] if operation.result is MISSING else [operation.result]),
        )  # fmt: skip
        event.is_signal, event.is_absorbed, event.confined_to = True, False, None
        if marks:
            self._log.mark(marks, event, values.alive(operation.target))
        self._live.append(_Live(event, place, chain, nonfinite, place.count, _rank(text)))
        self._rate()

    def _parents(self, operation: Operation, states: list[NonFiniteState]) -> list[OpEvent]:
        """The events behind the non-finite operands: of their memory, else the first live signal of this statement."""
        parents: list[OpEvent] = []
        if isinstance(operation.target, np.ndarray) and any(o.value is MISSING for o in operation.operands):
            before = self._log.event_of(values.key(operation.target))
            if before is not None:  # the memory that it wrote over was non-finite already
                parents.append(before)
        known = [o.value for o in operation.operands if o.value is not MISSING]
        for value, held in zip(known, states, strict=True):
            if not any(held):
                continue
            event = self._log.event_of(values.key(value)) if isinstance(value, np.ndarray) else None
            if event is None:
                event = next((live.event for live in self._live if live.event.confined_to is None), None)
            if event is not None and event not in parents:
                parents.append(event)
        return parents

    # --- what became of earlier signals -------------------------------------------------------------------------------
    def _settle(self, now: Chain, nonfinite: set[Where], place: _Place, rank: int) -> None:
        """Drop the earlier signals whose values went nowhere, and note those that only their own target holds."""
        kept: list[_Live] = []
        for live in self._live:
            # x/0 and 0/0 in one array: the call that signalled a moment ago signals again.
            is_same_call = live.place is place and live.number == place.count - 1 and live.rank < rank
            if is_in_progress(live.chain, now) or (is_same_call and live.chain == now):
                kept.append(live)
                continue
            own = own_targets(live.chain, now)
            reached = nonfinite - live.before
            if reached - own:
                live.event.confined_to = None
            elif reached & own:
                live.event.confined_to = tuple(name for level, name in reached & own if level == 0)
            else:
                live.event.is_absorbed = True
                continue
            kept.append(live)
        self._live = kept
        self._rate()

    def _rate(self) -> None:
        """Where several independent signals may be behind a value, each is only likely."""
        free = [live.event for live in self._live if live.event.confined_to is None]
        roots = [e for e in free if not any(p in free for p in e.parents)]
        for event in free:
            event.confidence = "likely" if len(roots) > 1 else "exact"

    def _locate(self, frame: FrameType) -> Expression:
        key = (id(frame.f_code), frame.f_lasti)
        found = self._located.get(key)
        if found is None:
            self._codes.append(frame.f_code)
            found = self._located[key] = locate(frame.f_code, frame.f_lasti)
        return found


def _is_integer(text: str, operation: Operation) -> bool:
    """Whether the result is an integer, which wraps or becomes 0 and stays finite."""
    known = [o.value for o in operation.operands]
    closed = text.rsplit(" ", 1)[-1] in _INTEGER_STAYS
    return closed and bool(known) and all(v is not MISSING and np.asarray(v).dtype.kind in "iub" for v in known)


def _summary(operand: Operand, is_only: bool) -> TensorSummary:
    if operand.value is not MISSING:
        return summarize(operand.value, operand.name)
    if operand.rebuilt is not None and is_only:  # where the logarithm is -Inf the operand was 0: that is no guess
        return dataclasses.replace(summarize(operand.rebuilt, operand.name), measured="after")
    if operand.form is None:
        return TensorSummary(operand.name, "unknown", (), "cpu", measured="after")
    form: Any = operand.form
    return TensorSummary(operand.name, dtype_name(form), tuple(np.shape(form)), "cpu", measured="after")


def _rank(text: str) -> int:
    return next((i for i, begin in enumerate(_MADE) if text.startswith(begin)), len(_MADE))
