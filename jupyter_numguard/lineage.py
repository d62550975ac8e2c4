"""Where a non-finite variable came from: what became non-finite after which statement, joined with recorded operations.

Two sources meet here. The *statements* say which variable became non-finite after which statement, and what that
statement read, bound and wrote down itself. The *operations* of a traced cell (`OpLog`) say exactly which one made it.
A value with an operation event is resolved through it; one without (a Python float, a pandas column, a cell that was only
watched) through its statement.

Pure: works on plain data, knows no framework, no notebook and no tensor.
"""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from .model import Counts, ExecutionRef, Framework, NonFiniteState, Origin, Place
from .opevents import Key, OpEvent, is_number
from .origins import OriginMaker, PlaceOf, culprit
from .statements import Seen, StatementRun
from .versions import MAX_EXECUTIONS

# Operations that hand over what ran where no recorder looks: neither written there nor computed there.
_HAND_OVERS = frozenset({"IteratorGetNext", "OptionalGetValue", "EagerPyFunc", "PyFunc", "PyFuncStateless"})
_STEP = re.compile(r"[.\[]")  # where a path goes into what is before it
MAX_CHAIN = 2_000  # versions whose parents are kept; of older ones the answer


@dataclass(slots=True, eq=False)
class NonFiniteVersion:
    """A variable that became non-finite in one run of a statement, and the non-finite ones that this run read.

    Attributes:
        state: At the end of its cell; None where it was overwritten before.
        counts: As `state`.
        answer: Where it came from, once that was asked.
    """

    path: str
    root: str
    key: Key
    framework: Framework
    run: StatementRun
    parents: tuple[NonFiniteVersion, ...]
    state: NonFiniteState | None = None
    in_table: bool = False
    counts: Counts | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a value came from.

    Attributes:
        origin: None for an intended value and where nothing is known.
        intended: Why it is most likely meant.
        order: (execution order, statement, event) of the origin: the smallest is the first.
        event: The operation event behind `origin`, if it was recorded in this execution.
        run: The statement run behind it.
        chain: The events between the variable and the origin, newest first.
        others: Further creations on the way that owe nothing to the origin: they are there without it as well.
    """

    origin: Origin | None
    intended: str | None
    order: tuple[int, int, int]
    event: OpEvent | None = None
    run: StatementRun | None = None
    chain: tuple[OpEvent, ...] = ()
    others: tuple[OpEvent, ...] = ()


UNKNOWN_ORDER = (1 << 60, 0, 0)
NOTHING = Answer(None, None, UNKNOWN_ORDER)


class Lineage:
    """The versions of all non-finite variables of one kernel."""

    def __init__(
        self,
        place_of: PlaceOf,
        writer_of: Callable[[str], Place | None] = lambda name: None,
        behind: Callable[[Collection[str]], Set[tuple[ExecutionRef, int]]] = lambda names: frozenset(),
    ) -> None:
        """Start empty.

        Args:
            behind: The statement runs that names rest on, tensors or not: (execution, position in it).
            writer_of: The code that most likely wrote a variable that no statement was seen to change.
        """
        self._place_of = place_of
        self._behind = behind
        self._origins = OriginMaker(place_of, writer_of)
        self._by_path: dict[str, NonFiniteVersion] = {}
        self._by_key: dict[Key, NonFiniteVersion] = {}
        self._versions: deque[NonFiniteVersion] = deque()
        self._runs = 0
        self._begun = 0  # runs before this execution
        self._begins: deque[int] = deque(maxlen=MAX_EXECUTIONS)  # the same of the last ones
        self._of_execution: list[StatementRun] = []
        self._event_of: Callable[[Key], OpEvent | None] = lambda key: None

    # --- growing ----------------------------------------------------------------------------------------------------
    def extend(
        self,
        runs: Iterable[StatementRun],
        states: Mapping[Key, NonFiniteState],
        event_of: Callable[[Key], OpEvent | None],
        counts: Mapping[str, Counts] | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        """Take in the statement runs of one execution, in order.

        Args:
            states: Exact states of what is non-finite now, by memory.
            event_of: The recorded event of a memory, of this execution (`OpLog.event_of`).
            counts: Of what is non-finite now, by path.
            goes_on: These runs belong to the same execution as those before.
        """
        self._event_of = event_of
        if not goes_on:
            self._of_execution = []
            self._begun = self._runs
            self._begins.append(self._begun)
        for run in runs:
            self._runs += 1
            run.order = self._runs
            self._of_execution.append(run)
            self._take(run, states)
        for path, known in (counts or {}).items():
            version = self._by_path.get(path)
            if version is not None and version.run.order > self._begun:
                version.counts = known
        while self._versions and (len(self._versions) > MAX_CHAIN or self._versions[0].run.order <= self._begins[0]):
            old = self._versions.popleft()
            self._resolve(old)
            old.parents = ()

    def _take(self, run: StatementRun, states: Mapping[Key, NonFiniteState]) -> None:
        before = [v for v in self._by_path.values() if v.root in run.reads and _is_read(v, run)]
        was = {v.key: v for v in self._by_path.values() if v.root not in run.binds and not is_number(v.key)}
        for gone in [v for v in self._by_path.values() if v.root in run.binds]:
            self._drop(gone)  # what the name held before: its memory, and the places in its list, may be another's now
        new: list[NonFiniteVersion] = []
        for seen in run.seen:
            old = self._by_path.get(seen.path)
            if not seen.nonfinite:
                if old is not None:
                    self._drop(old)
                continue
            if old is not None and old.key == seen.key and seen.root not in run.binds:
                if self._became_nan(old, seen, states):
                    parents = (old,) if old.run.order <= self._begun else old.parents
                    new.append(dataclasses.replace(old, run=run, parents=parents, state=states[seen.key], answer=None))
                continue  # else it merely stays so
            same = was.get(seen.key)
            if old is None and seen.root not in run.binds and same is not None:
                known = NonFiniteVersion(seen.path, seen.root, seen.key, seen.framework, same.run, (same,))
                self._by_path[seen.path] = known
                self._versions.append(known)
                continue  # another path to memory that is known
            state = states.get(seen.key)
            parents = tuple(before) if same is None else (same,)  # what is known of this very memory
            new.append(
                NonFiniteVersion(seen.path, seen.root, seen.key, seen.framework, run, parents, state, seen.in_table)
            )
        for version in new:
            self._by_path[version.path] = version
            self._by_key[version.key] = version
        self._versions += new
        there = {s.path for s in run.seen}
        for gone in [v for v in self._by_path.values() if v.root in run.looked and v.path not in there]:
            self._drop(gone)

    def _became_nan(self, old: NonFiniteVersion, seen: Seen, states: Mapping[Key, NonFiniteState]) -> bool:
        """Whether Inf, which may be meant, was changed into NaN in place in this execution."""
        now = states.get(seen.key)
        if now is None or not now.nan or not seen.changed or old.state is None:
            return False
        return (
            not old.state.nan if old.run.order <= self._begun else any(not p.state.nan for p in old.parents if p.state)
        )

    def _drop(self, version: NonFiniteVersion) -> None:
        del self._by_path[version.path]
        if self._by_key.get(version.key) is version:
            del self._by_key[version.key]

    def forget(self) -> None:
        """Drop everything (`%numguard reset`)."""
        self._by_path.clear()
        self._by_key.clear()
        self._versions.clear()
        self._of_execution = []

    # --- asking -----------------------------------------------------------------------------------------------------
    def version_of(self, path: str, key: Key) -> NonFiniteVersion | None:
        """The version of a variable that is non-finite now; None if no statement was seen to make it so."""
        version = self._by_path.get(path)
        return version if version is not None and version.key == key else self._by_key.get(key)

    def answer(self, path: str, key: Key, state: NonFiniteState) -> Answer:
        """Where a variable that is non-finite now came from."""
        version = self.version_of(path, key)
        if version is None:
            event = self._event_of(key)
            return self.from_event(event, None) if event is not None and event.kind != "carried" else NOTHING
        version.state = state
        return self._resolve(version)

    def event_order(self, key: Key) -> int:
        """Position of the recorded operation that made this memory non-finite; late where none was recorded."""
        event = self._event_of(key)
        return event.order if event is not None else UNKNOWN_ORDER[0]

    def _resolve(self, version: NonFiniteVersion) -> Answer:
        """The answer of a version, those of its ancestors first: no recursion, whatever the length of the chain."""
        todo = [v for v in (version, *ancestry(version, lambda v: v.answer is None)) if v.answer is None]
        for v in todo:
            if v.state is not None and not v.state.nan:
                for p in v.parents:  # a NaN would have been passed on
                    p.state = p.state or NonFiniteState(False, True)
        for v in reversed(todo):
            v.answer = NOTHING  # a loop among versions ends here
            event = self._event_of(v.key)
            if event is not None and event.kind != "carried":
                v.answer = self.from_event(event, v.run)
            else:
                v.answer = self._from_statement(v, v.run)
        return version.answer or NOTHING

    # --- through operations -------------------------------------------------------------------------------------------
    def from_event(self, event: OpEvent, run: StatementRun | None) -> Answer:
        """Walk the event's ancestry to the first creation (product.md, "Origin")."""
        seen = {id(event): event}
        child: dict[int, OpEvent] = {}  # the next one on the shortest way to `event`
        todo = deque([event])
        while todo:
            e = todo.popleft()
            for p in e.parents:
                if id(p) not in seen:
                    seen[id(p)], child[id(p)] = p, e
                    todo.append(p)
        best: Answer | None = None
        intended: str | None = None
        for e in seen.values():
            answer = self._event_answer(e, child.get(id(e)), _way(e, child))
            if answer is None:
                continue
            if answer.origin is None:
                intended = intended or answer.intended
            elif best is None or answer.order < best.order:
                best = answer
        if best is None:
            return Answer(None, intended, UNKNOWN_ORDER, event, run)
        others = tuple(e for e in seen.values() if e.kind == "created" and not _descends(e, best.event))
        return dataclasses.replace(best, others=others)

    def _event_answer(self, e: OpEvent, child: OpEvent | None, chain: tuple[OpEvent, ...]) -> Answer | None:
        """What one ancestor says: an origin, an intention, or None (it only passes on)."""
        run = self._run_of(e)
        order = (run.order if run is not None else self._runs, e.statement, e.order)
        if e.kind == "created":
            return Answer(self._origins.of_event(e, "op"), None, order, e, run, chain)
        if e.kind == "carried":
            if e.origin is None:
                outside = next(
                    (v for v in self._by_path.values() if v.run.is_outside and self._event_of(v.key) is e), None
                )
                if outside is not None:
                    return self._from_statement(outside, outside.run)
                return Answer(None, e.intended, UNKNOWN_ORDER) if e.intended and not e.state.nan else None
            return Answer(e.origin, None, (-1, 0, 0), None, None, chain)
        if e.kind == "written":
            return self._written_answer(e, child, run, order, chain)
        if e.kind == "uninitialised":
            if child is None:
                return Answer(None, "memory of empty() before its first write", order)
            return Answer(self._origins.of_event(e, "introduced"), None, order, e, run, chain)
        return None

    def _written_answer(
        self,
        e: OpEvent,
        child: OpEvent | None,
        run: StatementRun | None,
        order: tuple[int, int, int],
        chain: tuple[OpEvent, ...],
    ) -> Answer | None:
        """Of a value that no recorded operation computed: a literal, a host value, data, or what came from out of sight."""
        if e.site is not None and e.native_op in _HAND_OVERS:
            if run is not None and (fed := self._fed(run, e, chain)) is not None:
                return fed
            origin = dataclasses.replace(self._origins.of_event(e, "external"), confidence="likely", phase="data")
            return Answer(origin, None, order, e, run, chain)
        if run is not None and (e.site is None or not e.parents):
            read = [v for v in self._read_by(run) if v.run is not run]
            hosts = [v for v in read if v.framework in ("python", "numpy") or v.run.is_outside]
            known = [a for v in hosts if (a := self._resolve(v)).origin is not None]
            if known:
                return min(known, key=lambda a: a.order)
            loads = [v.run for v in hosts if v.in_table and self._resolve(v).intended is not None]
            if e.state.nan and loads:
                first = min(loads, key=lambda r: r.order)
                return self._introduced_by(first, (first.order, 0, 0), chain)
            signals = [s for s in run.signals if s.order < e.order]
            if signals:
                return self._event_answer(signals[0], None, chain)
        if e.state.nan:
            if run is not None and (fed := self._fed(run, e, chain)) is not None:
                return fed
            place = e if e.site is not None else child
            if place is not None and place.site is not None:
                return Answer(self._origins.of_event(place, "introduced", op="data"), None, order, place, run, chain)
            return self._introduced_by(run, order, chain) if run is not None else None
        if e.site is not None:
            return Answer(None, f"written Inf: {_short(self._code_of(e))}", order)
        if run is not None and run.written.inf_span is not None:
            return Answer(None, f"written Inf: {_short(run.place.code)}", order)
        if child is not None and child.site is not None and child.kind == "propagated":
            # It came from where no recorder looks (a thread, a C extension): nobody can say that it is meant.
            return Answer(self._origins.of_event(child, "unknown"), None, order, child, run, chain)
        return None

    def _fed(self, run: StatementRun, e: OpEvent, chain: tuple[OpEvent, ...]) -> Answer | None:
        """Of what a data set, or another object, hands over: what was non-finite of the tensors that it was made from."""
        behind = self._behind(run.reads)
        made = [v for v in self._versions if v.run.order < run.order and (v.run.execution, v.run.index) in behind]
        known = [a for v in made if (a := self._resolve(v)).origin is not None]
        if known:
            first = min(known, key=lambda a: a.order)
            assert first.origin is not None
            return dataclasses.replace(first, origin=dataclasses.replace(first.origin, confidence="likely"))
        loads = [v.run for v in made if v.in_table and self._resolve(v).intended is not None]
        if e.state.nan and loads:
            load = min(loads, key=lambda r: r.order)
            return self._introduced_by(load, (load.order, 0, 0), chain)
        return None

    def _code_of(self, e: OpEvent) -> str:
        return self._place_of(e.site).code if e.site is not None else ""

    def _run_of(self, e: OpEvent) -> StatementRun | None:
        return next((r for r in self._of_execution if r.index == e.statement and not r.is_outside), None)

    def _read_by(self, run: StatementRun) -> list[NonFiniteVersion]:
        found = {id(p): p for v in self._by_path.values() if v.run is run for p in v.parents}
        for v in self._by_path.values():
            if v.root in run.reads and v.run.order < run.order:
                found[id(v)] = v
        return list(found.values())

    # --- through statements -------------------------------------------------------------------------------------------
    def _from_statement(self, version: NonFiniteVersion, run: StatementRun) -> Answer:
        # The state of a version that was overwritten is not known any more: what it wrote down itself decides, else NaN.
        state = version.state or NonFiniteState(run.written.inf_span is None, True)
        order = (run.order, run.index, 0)
        if run.is_outside:
            return Answer(self._origins.outside(run, version.root), None, order, None, run)
        if run.escapes and version.framework in ("python", "numpy"):
            return self.from_event(run.escapes[0], run)
        parents = [(p, p.answer or NOTHING) for p in version.parents if p is not version]
        known = [a for _, a in parents if a.origin is not None]
        if known:
            return min(known, key=lambda a: a.order)
        signals = [e for e in run.signals if e.confined_to is None or version.root in e.confined_to]
        if version.in_table and not signals and not state.inf:
            return Answer(None, "missing values of a data frame", order, None, run)
        if signals:
            return Answer(self._origins.of_event(signals[0], "op"), None, order, signals[0], run, tuple(signals))
        meant_nan = [(p, a) for p, a in parents if a.intended and p.state is not None and p.state.nan]
        meant_inf = [a for p, a in parents if a.intended and not (p.state is not None and p.state.nan)]
        if not state.nan:
            if run.written.inf_span is not None:
                return Answer(None, f"written Inf: {_short(run.place.code)}", order, None, run)
            if meant_inf:
                return Answer(None, meant_inf[0].intended, order, None, run)
        elif meant_nan:
            return self._introduced_by(meant_nan[0][0].run, meant_nan[0][1].order, ())
        elif run.written.nan_span is not None and run.written.nan_span.line:
            origin = self._origins.of_statement(run, "introduced", "data", run.written.nan_span)
            return Answer(origin, None, order, None, run)
        return Answer(self._origins.of_statement(run, *culprit(run.statement)), None, order, None, run)

    def _introduced_by(self, run: StatementRun, order: tuple[int, int, int], chain: tuple[OpEvent, ...]) -> Answer:
        return Answer(self._origins.of_statement(run, "introduced", "data"), None, order, None, run, chain)


def ancestry(
    version: NonFiniteVersion, goes_on: Callable[[NonFiniteVersion], bool] = lambda version: True
) -> list[NonFiniteVersion]:
    """The non-finite versions that one came from, newest first; `goes_on` says whether to look behind one."""
    found: dict[int, NonFiniteVersion] = {}
    todo = [version]
    while todo:
        v = todo.pop()
        for p in v.parents if v is version or goes_on(v) else ():
            if id(p) not in found and p is not version:
                found[id(p)] = p
                todo.append(p)
    return sorted(found.values(), key=lambda v: -v.run.order)


def run_of_origin(answer: Answer, version: NonFiniteVersion | None) -> StatementRun | None:
    """The run of the statement that made a variable's value non-finite first, in whichever execution."""
    if answer.run is not None or version is None:
        return answer.run
    return [version, *ancestry(version)][-1].run


def _is_read(version: NonFiniteVersion, run: StatementRun) -> bool:
    """Whether a statement that reads some of a variable reads this place in it."""
    places = run.places.get(version.root)
    return places is None or any(is_below(version.path, p) or is_below(p, version.path) for p in places)


def is_below(path: str, owner: str) -> bool:
    """Whether `path` is `owner` or something inside it."""
    return path == owner or path.startswith((f"{owner}.", f"{owner}["))


@lru_cache(maxsize=8192)  # the same paths after each statement
def owners_of(path: str) -> tuple[str, ...]:
    """Every path that `path` is below (`is_below`), itself included."""
    return (path, *(path[: step.start()] for step in _STEP.finditer(path)))


def _short(code: str) -> str:
    first = code.split("\n")[0].strip()
    return first if len(first) <= 60 else first[:57] + "…"


def _descends(e: OpEvent, ancestor: OpEvent | None) -> bool:
    """Whether an event is another one, or has it among its ancestors."""
    seen, todo = {id(e)}, [e]
    while todo:
        now = todo.pop()
        if now is ancestor:
            return True
        for p in now.parents:
            if id(p) not in seen:
                seen.add(id(p))
                todo.append(p)
    return ancestor is None


def _way(e: OpEvent, child: Mapping[int, OpEvent]) -> tuple[OpEvent, ...]:
    """The events from the variable's own to `e`, newest first: a loop's other steps and other users are left out."""
    way = [e]
    while (after := child.get(id(way[-1]))) is not None:
        way.append(after)
    return tuple(w for w in reversed(way) if w.kind != "carried")
