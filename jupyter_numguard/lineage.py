"""Where a non-finite variable came from: versions of variables by top-level statement, joined with recorded operations.

Two sources meet here. The *statements* say which variable became non-finite after which statement, and what that
statement read, bound and wrote down itself. The *operations* of a traced cell (`OpLog`) say exactly which one made it.
A value with an operation event is resolved through it; one without (a Python float, a pandas column, a cell that was only
watched) through its statement.

Pure: works on plain data, knows no framework, no notebook and no tensor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .model import (
    BackwardPlace,
    ExecutionRef,
    Frame,
    Framework,
    NonFiniteState,
    Origin,
    OriginKind,
    Phase,
    Place,
    Span,
    Statement,
    Written,
)
from .oplog import Key, OpEvent, Site
from .opnames import canonical_op

_NUMBERS = frozenset({"float", "int", "complex", "bool"})  # `float("inf")` is a literal, not a cast
# Operations that hand over what ran where no recorder looks: neither written there nor computed there.
_HAND_OVERS = frozenset({"IteratorGetNext", "OptionalGetValue", "EagerPyFunc", "PyFunc", "PyFuncStateless"})
PlaceOf = Callable[[Site], Place]

# Calls that bring values in from outside: a non-finite result was introduced, not created. Reason: they read or wrap.
_LOADERS = frozenset(
    "read_csv read_table read_excel read_json read_parquet read_feather read_hdf read_pickle read_sql read_html read_fwf "
    "read_stata read_sas read_spss loadtxt genfromtxt load loads fromfile fromstring frombuffer loadmat imread "
    "open_dataset DataFrame Series fetch_openml load_dataset from_pandas from_dict from_records to_numeric".split()
)
# Operations that can make a non-finite value of finite ones, most likely culprit first; where a watched statement holds
# several, the first of this list is named and the origin says "likely".
_RISKY = tuple(
    "log log2 log10 logit sqrt rsqrt div pow exp atanh acos asin xlogy inverse solve cholesky svd std var mean median "
    "norm cross_entropy ctc_loss log_softmax softmax layer_norm expm1 log1p prod cumprod cast sum matmul mul add "
    "sub".split()
)


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


@dataclass(slots=True, eq=False)
class Version:
    """A variable that became non-finite in one run of a statement, and the non-finite ones that this run read."""

    path: str
    root: str
    key: Key
    framework: Framework
    run: StatementRun | None
    parents: tuple[Version, ...]
    state: NonFiniteState | None = None
    in_table: bool = False
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
    """

    origin: Origin | None
    intended: str | None
    order: tuple[int, int, int]
    event: OpEvent | None = None
    run: StatementRun | None = None
    chain: tuple[OpEvent, ...] = ()


UNKNOWN_ORDER = (1 << 60, 0, 0)


class Lineage:
    """The versions of all non-finite variables of one kernel, and the last statement that bound each name."""

    def __init__(self, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self._by_path: dict[str, Version] = {}
        self._by_key: dict[Key, Version] = {}
        self._runs = 0
        self._of_execution: list[StatementRun] = []
        self._event_of: Callable[[Key], OpEvent | None] = lambda key: None
        self.last_bound: dict[str, StatementRun] = {}

    # --- growing ----------------------------------------------------------------------------------------------------
    def extend(
        self, runs: Iterable[StatementRun], states: dict[Key, NonFiniteState], event_of: Callable[[Key], OpEvent | None]
    ) -> None:
        """Take in the statement runs of one execution, in order.

        Args:
            states: Exact states of what is non-finite now, by memory.
            event_of: The recorded event of a memory, of this execution (`OpLog.event_of`).
        """
        self._event_of = event_of
        self._of_execution = []
        for run in runs:
            self._runs += 1
            run.order = self._runs
            self._of_execution.append(run)
            self._take(run, states)
            for name in run.binds:
                self.last_bound[name] = run

    def _take(self, run: StatementRun, states: dict[Key, NonFiniteState]) -> None:
        before = [v for v in self._by_path.values() if v.root in run.reads]
        for gone in [v for v in self._by_path.values() if v.root in run.binds]:
            self._drop(gone)  # what the name held before: its memory, and the places in its list, may be another's now
        new: list[Version] = []
        for seen in run.seen:
            old = self._by_path.get(seen.path)
            if not seen.nonfinite:
                if old is not None:
                    self._drop(old)
                continue
            if old is not None and old.key == seen.key and seen.root not in run.binds:
                continue  # it merely stays so
            if old is None and seen.root not in run.binds and (same := self._by_key.get(seen.key)) is not None:
                self._by_path[seen.path] = Version(seen.path, seen.root, seen.key, seen.framework, same.run, (same,))
                continue  # another path to memory that is known
            state = states.get(seen.key)
            new.append(
                Version(seen.path, seen.root, seen.key, seen.framework, run, tuple(before), state, seen.in_table)
            )
        for version in new:
            self._by_path[version.path] = version
            self._by_key[version.key] = version

    def _drop(self, version: Version) -> None:
        del self._by_path[version.path]
        if self._by_key.get(version.key) is version:
            del self._by_key[version.key]

    def forget(self) -> None:
        """Drop everything (`%numguard reset`)."""
        self._by_path.clear()
        self._by_key.clear()
        self.last_bound.clear()
        self._of_execution = []

    # --- asking -----------------------------------------------------------------------------------------------------
    def version_of(self, path: str, key: Key) -> Version | None:
        """The version of a variable that is non-finite now."""
        version = self._by_path.get(path)
        return version if version is not None and version.key == key else self._by_key.get(key)

    def answer(self, path: str, root: str, key: Key, framework: Framework, state: NonFiniteState) -> Answer:
        """Where a variable that is non-finite now came from."""
        version = self.version_of(path, key)
        if (
            version is None
        ):  # no statement was seen to make it so: another thread, a callback, a name that code cannot show
            version = Version(path, root, key, framework, None, (), state)
            self._by_path[path] = self._by_key[key] = version
        version.state = state
        return self._resolve(version)

    def event_order(self, key: Key) -> int:
        """Position of the recorded operation that made this memory non-finite; late where none was recorded."""
        event = self._event_of(key)
        return event.order if event is not None else UNKNOWN_ORDER[0]

    def _resolve(self, version: Version) -> Answer:
        if version.answer is None:
            version.answer = Answer(None, None, UNKNOWN_ORDER)  # a loop among versions ends here
            event = self._event_of(version.key)
            if event is not None and event.kind != "carried":
                version.answer = self.from_event(event, version.run)
            elif version.run is None:
                version.answer = Answer(None, None, UNKNOWN_ORDER)
            else:
                version.answer = self._from_statement(version, version.run)
        return version.answer

    # --- through operations -------------------------------------------------------------------------------------------
    def from_event(self, event: OpEvent, run: StatementRun | None) -> Answer:
        """Walk the event's ancestry to the first creation (product.md, "Origin")."""
        seen: dict[int, OpEvent] = {}
        todo = [event]
        child: dict[int, OpEvent] = {}
        while todo:
            e = todo.pop()
            if id(e) in seen:
                continue
            seen[id(e)] = e
            for p in e.parents:
                child.setdefault(id(p), e)
                todo.append(p)
        chain = tuple(sorted((e for e in seen.values() if e.kind != "carried"), key=lambda e: -e.order))
        best: Answer | None = None
        intended: str | None = None
        for e in seen.values():
            answer = self._event_answer(e, child.get(id(e)), chain)
            if answer is None:
                continue
            if answer.origin is None:
                intended = intended or answer.intended
            elif best is None or answer.order < best.order:
                best = answer
        return best or Answer(None, intended, UNKNOWN_ORDER, event, run, chain)

    def _event_answer(self, e: OpEvent, child: OpEvent | None, chain: tuple[OpEvent, ...]) -> Answer | None:
        """What one ancestor says: an origin, an intention, or None (it only passes on)."""
        run = self._run_of(e)
        order = (run.order if run is not None else self._runs, e.statement, e.order)
        if e.kind == "created":
            return Answer(self._origin(e, "op"), None, order, e, run, chain)
        if e.kind == "carried":
            if e.origin is None:
                return Answer(None, e.intended, UNKNOWN_ORDER) if e.intended and not e.state.nan else None
            return Answer(e.origin, None, (-1, 0, 0), None, None, chain)
        if e.kind == "written":
            return self._written_answer(e, child, run, order, chain)
        if e.kind == "uninitialised":
            if child is None:
                return Answer(None, "memory of empty() before its first write", order)
            return Answer(self._origin(e, "introduced"), None, order, e, run, chain)
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
            origin = dataclasses.replace(self._origin(e, "external"), confidence="likely", phase="data")
            return Answer(origin, None, order, e, run, chain)
        if run is not None and (e.site is None or not e.parents):
            hosts = [v for v in self._read_by(run) if v.run is not run and v.framework in ("python", "numpy")]
            known = [a for v in hosts if (a := self._resolve(v)).origin is not None]
            if known:
                return min(known, key=lambda a: a.order)
            loads = [v.run for v in hosts if v.in_table and v.run is not None and self._resolve(v).intended is not None]
            if e.state.nan and loads:
                first = min(loads, key=lambda r: r.order)
                return self._introduced_by(first, (first.order, 0, 0), chain)
            signals = [s for s in run.signals if s.order < e.order]
            if signals:
                return self._event_answer(signals[0], None, chain)
        if e.state.nan:
            place = e if e.site is not None else child
            if place is not None and place.site is not None:
                return Answer(self._origin(place, "introduced", op="data"), None, order, place, run, chain)
            return self._introduced_by(run, order, chain) if run is not None else None
        if e.site is not None:
            return Answer(None, f"written Inf: {_short(self._code_of(e))}", order)
        if run is not None and run.written.inf_span is not None:
            return Answer(None, f"written Inf: {_short(run.place.code)}", order)
        if child is not None and child.site is not None and child.kind == "propagated":
            # It came from where no recorder looks (a thread, a C extension): nobody can say that it is meant.
            return Answer(self._origin(child, "unknown"), None, order, child, run, chain)
        return None

    def _code_of(self, e: OpEvent) -> str:
        return self._place_of(e.site).code if e.site is not None else ""

    def _run_of(self, e: OpEvent) -> StatementRun | None:
        return next((r for r in self._of_execution if r.index == e.statement), None)

    def _read_by(self, run: StatementRun) -> list[Version]:
        found = {id(p): p for v in self._by_path.values() if v.run is run for p in v.parents}
        for v in self._by_path.values():
            if v.root in run.reads and v.run is not None and v.run.order < run.order:
                found[id(v)] = v
        return list(found.values())

    def _origin(self, e: OpEvent, kind: OriginKind, op: str | None = None) -> Origin:
        assert e.site is not None
        place = self._place_of(e.site)
        back = self._place_of(e.backward_site) if e.backward_site is not None else None
        return Origin(
            kind=kind, confidence=e.confidence, execution=place.execution, file=place.file, line=place.line,
            code=place.code, span=place.span, function=place.function, called_from=self._called_from(e), op=op or e.op,
            native_op=e.native_op, phase=e.phase if kind == "op" else "data",
            backward=BackwardPlace(back.execution, back.file, back.line, back.code) if back is not None else None,
            occurrence=e.occurrence, operands=e.operands, result=e.result,
        )  # fmt: skip

    def _called_from(self, e: OpEvent) -> tuple[Frame, ...]:
        """User frames from the running cell (or script) inward; none if the operation stands at its top level itself."""
        assert e.site is not None
        if e.backward_site is None and self._place_of(e.site).function is None:
            return ()
        frames: list[Frame] = []
        for code, lasti, line in e.called_from:
            place = self._place_of(Site(code, lasti, line, "", code.co_filename, code.co_name))
            frames.append(Frame(place.execution, place.file, place.line, place.code, place.function))
            if place.function is None:
                break  # the top level: what is outside is IPython's
        return tuple(reversed(frames))

    # --- through statements -------------------------------------------------------------------------------------------
    def _from_statement(self, version: Version, run: StatementRun) -> Answer:
        # The state of a version that was overwritten is not known any more: what it wrote down itself decides, else NaN.
        state = version.state or NonFiniteState(run.written.inf_span is None, True)
        if not state.nan:
            for p in version.parents:  # a NaN would have been passed on
                p.state = p.state or NonFiniteState(False, True)
        order = (run.order, run.index, 0)
        if run.escapes and version.framework in ("python", "numpy"):
            return self.from_event(run.escapes[0], run)
        parents = [(p, self._resolve(p)) for p in version.parents if p is not version]
        known = [a for _, a in parents if a.origin is not None]
        if known:
            return min(known, key=lambda a: a.order)
        signals = [e for e in run.signals if e.confined_to is None or version.root in e.confined_to]
        if version.in_table and not signals and not state.inf:
            return Answer(None, "missing values of a data frame", order, None, run)
        if signals:
            return Answer(self._origin(signals[0], "op"), None, order, signals[0], run, tuple(signals))
        meant_nan = [
            (p, a) for p, a in parents if a.intended and p.state is not None and p.state.nan and p.run is not None
        ]
        meant_inf = [a for p, a in parents if a.intended and not (p.state is not None and p.state.nan)]
        if not state.nan:
            if run.written.inf_span is not None:
                return Answer(None, f"written Inf: {_short(run.place.code)}", order, None, run)
            if meant_inf:
                return Answer(None, meant_inf[0].intended, order, None, run)
        elif meant_nan and meant_nan[0][0].run is not None:
            return self._introduced_by(meant_nan[0][0].run, meant_nan[0][1].order, ())
        elif run.written.nan_span is not None and run.written.nan_span.line:
            return self._introduced_by(run, order, (), run.written.nan_span)
        calls = run.statement.calls if run.statement is not None else ()
        if not _LOADERS.isdisjoint(calls):
            return self._introduced_by(run, order, ())
        operators = run.statement.operators if run.statement is not None else ()
        ops = [*(canonical_op(c) for c in calls if c not in _NUMBERS), *operators]
        risky = [op for op in _RISKY if op in ops]
        if not risky and "data" in ops:
            return self._introduced_by(run, order, ())
        kind: OriginKind = "op" if risky else "unknown"
        op = risky[0] if risky else (ops[0] if ops else "unknown")
        return Answer(self._statement_origin(run, kind, op), None, order, None, run)

    def _introduced_by(
        self, run: StatementRun, order: tuple[int, int, int], chain: tuple[OpEvent, ...], span: Span | None = None
    ) -> Answer:
        return Answer(self._statement_origin(run, "introduced", "data", span), None, order, None, run, chain)

    def _statement_origin(self, run: StatementRun, kind: OriginKind, op: str, span: Span | None = None) -> Origin:
        place = run.place
        calls = run.statement.calls if run.statement is not None else ()
        backward = "backward" in calls or "gradient" in calls
        phase: Phase = "data" if kind == "introduced" else "backward" if backward else "forward"
        is_loop = run.statement is not None and run.statement.is_loop
        return Origin(
            kind=kind, confidence="likely", execution=place.execution, file=place.file,
            line=span.line if span is not None and span.line else place.line, code=place.code, span=span,
            function=place.function, called_from=(), op=op, native_op=op, phase=phase, backward=None,
            occurrence=0 if is_loop else 1, operands=(), result=None,
        )  # fmt: skip


def _short(code: str) -> str:
    first = code.split("\n")[0].strip()
    return first if len(first) <= 60 else first[:57] + "…"
