"""The versions of every variable while cells run: looks at the namespace around each top-level statement.

Before a statement: what the code behind its names may touch is looked at again (changes since the last look came from
nobody's statement: `external`), and what it reads is noted. After it: the same names are looked at, and every name whose
value moved to another object. Names that code cannot reach are looked at when somebody asks (`lineage`).

Contents above `QUICK` bytes are read once per cell, after its last statement, not after every one: a change that only
they show is then credited to the last statement that could reach it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .access import Access, access_of
from .asking import LineageAnswer, answer, parse
from .backends import loaded_backends
from .executions import Effects, Executions
from .expressions import Path
from .fingerprint import Camera
from .lineage import owners_of
from .model import Counts, ExecutionRef
from .outputs import Outputs, is_output
from .picture import Look
from .places import places_of
from .statements import END, OUTSIDE, Opened, Reading, StatementRun
from .steps import root_of
from .versions import Execution, Run, Unproved, Version, Versions, ancestors

MAX_CODE = 65_536  # characters of a statement that are kept
QUICK = 64 * 1024  # bytes of one tensor that are read after every statement
UNLIMITED = 1 << 62
_NOTHING = Access(frozenset())
_LOADERS = ("load", "read", "fetch", "open", "from_file", "fromfile", "genfromtxt")  # names that bring data in


@dataclass(slots=True, eq=False)
class _Open:
    """A statement that runs."""

    run: Run
    access: Access
    names: set[str]
    parents: tuple[Version, ...]
    is_far: bool
    is_last: bool


@dataclass(slots=True, eq=False)
class _Cell:
    """A cell that runs in one thread."""

    execution: Execution
    open: list[_Open] = field(default_factory=list)
    looked: set[str] = field(default_factory=set)  # names whose content was compared with what was before the cell
    touched: list[tuple[_Open, set[str]]] = field(default_factory=list)
    unproved: dict[str, Unproved] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)  # names that its statements may have touched
    is_fully_read: bool = True


class Chronicle:
    """One kernel's versions. Any thread may call it; a lock keeps the calls apart."""

    def __init__(
        self,
        names: Callable[[], Mapping[str, object]],
        namespace: Callable[[], Mapping[str, object]],
        outputs: Outputs | None = None,
    ) -> None:
        """Start empty.

        Args:
            names: The user's own names and values.
            namespace: The dictionary that the cells' functions read their globals from.
            outputs: What cells displayed; default: those of the namespace.
        """
        self._users = names
        self._namespace = namespace
        self._outputs = outputs or Outputs(namespace)
        self._lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Drop everything (`%numguard reset`), the running cells too."""
        with self._lock:
            self._cells: dict[int, _Cell] = {}
            self._versions = Versions()
            self._ids: dict[str, int] = {}
            self._executions = Executions()
            self._is_new = True
            self._outside: Execution | None = None

    # --- a cell -----------------------------------------------------------------------------------------------------
    def _names(self) -> dict[str, object]:
        """What is followed: the user's names, and the last outputs."""
        return {**self._users(), **self._outputs.values()}

    def start_cell(self, raw: str, ref: ExecutionRef) -> None:
        """A cell begins in this thread."""
        with self._lock:
            thread = threading.get_ident()
            running = [cell.execution for t, cell in self._cells.items() if t != thread]
            self._cells[thread] = _Cell(self._executions.start(raw, ref, running))

    def before_statement(self, opened: Opened) -> set[str]:
        """A top-level statement is about to run; answers the names that nobody's statement changed since the last look."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None:
                return set()
            cell.unproved.clear()  # the one before it ended well
            node = opened.node
            access = access_of(node, self._users().get) if node is not None else Access(opened.reads)
            access = self._outputs.named(access)
            values = self._names()
            outside = self._catch_up(cell, values, opened.index)
            reached, is_far = self._reach(access)
            if new := reached - cell.looked:
                outside |= self._external(self._look(new, values), cell.execution, opened.index)
                cell.looked |= new
                reached, is_far = self._reach(access)
            parents = self._versions.read_by(access, self._code_names(access))
            run = _run_of(cell.execution, opened)
            cell.open.append(_Open(run, access, reached, parents, is_far, opened.is_last and not cell.open))
            return outside & values.keys()

    def after_statement(self) -> tuple[set[str], set[str]]:
        """It ended, normally or not; answers the names that it bound, and names that lead to what it changed."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None or not cell.open:
                return set(), set()
            values = self._names()
            done = cell.open.pop()
            already = len(cell.execution.versions)
            self._close(cell, done, values)
            new = cell.execution.versions[already:]
            bound = {v.name for v in new if v.change == "bound"}
            return bound & values.keys(), {root_of(v.name) for v in new} & values.keys()

    def reading(self) -> Reading:
        """What the statement reads that runs now in this thread."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None or not cell.open:
                return Reading()
            access = cell.open[-1].access
            outputs = frozenset(n for n in access.names if is_output(n))
            kept = frozenset(n for n in access.augmented if (n, ()) in access.stores)
            return Reading(outputs, places_of(access, self._versions.picture.spelled), kept)

    def spelled(self, path: Path) -> str:
        """A path as text, indices counted from the front."""
        with self._lock:
            return self._versions.picture.spelled(path)

    def notice(self, names: Iterable[str]) -> None:
        """Names that are non-finite at the end of the cell, and that no statement was seen to make so."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is not None:
                values = self._names()
                self._external(self._look([n for n in names if n in values], values), cell.execution, END)

    def _close(self, cell: _Cell, done: _Open, values: Mapping[str, object]) -> None:
        moved, gone = self._moved(values)
        reached, is_far = self._reach(done.access)
        names = (done.names | reached | done.access.binds | moved) & values.keys()
        names |= self._versions.picture.sharing(names) & values.keys()
        is_last = done.is_last and len(cell.touched) == 0
        if done.is_far or is_far:
            leaves = (self._versions.picture.taking_gradients() - names) & values.keys()
            self._take(done, self._look(leaves, values, is_deep=False), cell)
        look = self._look(names, values, gone, limit=UNLIMITED if is_last else QUICK)
        cell.is_fully_read = is_last
        cell.touched.append((done, names))
        cell.reached |= names
        self._take(done, look, cell)
        if not is_last and done.is_last:
            self._read_all(cell, values)

    def _take(self, done: _Open, look: Look, cell: _Cell) -> None:
        cell.unproved.update(self._versions.take(look, done.run, done.access, done.parents))

    def _read_all(self, cell: _Cell, values: Mapping[str, object]) -> None:
        """Contents that were too large to be read after each statement, and what threads did meanwhile; newest first."""
        cell.is_fully_read = True
        told: set[str] = set()
        for done, names in reversed(cell.touched):
            mine = (names - told) & values.keys()
            told |= mine
            if mine:
                access = Access(done.access.reads, replaced=done.access.replaced)  # what it bound is known
                self._versions.take(self._look(mine, values), done.run, access, done.parents)

    def end_cell(
        self, ref: ExecutionRef, runs: Sequence[StatementRun], found: Mapping[str, Counts], *, ok: bool
    ) -> None:
        """The cell ended.

        Args:
            ref: Its number, known for sure only now.
            runs: What was seen of the tensors after each statement; they are told what they read (`past`).
            found: Counts of every path that is non-finite now.
        """
        with self._lock:
            cell = self._cells.pop(threading.get_ident(), None)
            if cell is None:
                return
            execution = cell.execution
            execution.ref = ref
            values = self._names()
            while cell.open:
                self._close(cell, cell.open.pop(), values)
            if not cell.is_fully_read:
                self._read_all(cell, values)
            if not ok:
                self._versions.revert(cell.unproved, execution)
            past = {done.run.index: done.parents for done, _ in cell.touched}
            for run in runs:
                if not run.is_outside:
                    run.past = past.get(run.index, ())
            self._note_states(execution, runs, found)

    def _note_states(self, execution: Execution, runs: Sequence[StatementRun], found: Mapping[str, Counts]) -> None:
        """What was seen of the tensors gives the versions of this execution their states."""
        below: dict[tuple[int, bool, str, str], bool] = {}  # whether anything at or below a path is non-finite
        asked = {v.name for v in execution.versions}
        for run in runs if asked else ():
            for s in run.seen:
                for owner in asked.intersection(owners_of(s.path)):
                    key = (run.index, run.is_outside, s.root, owner)
                    below[key] = below.get(key, False) or s.nonfinite
        for version in execution.versions:
            flag = below.get((version.run.index, version.change == "external", root_of(version.name), version.name))
            if flag is not None:
                version.state = "nonfinite" if flag else "finite"
            counts = found.get(version.name)
            if counts is not None and self._is_newest(version):
                version.state, version.counts = "nonfinite", counts

    def _is_newest(self, version: Version) -> bool:
        return version in self._versions.read(root_of(version.name))

    def reached(self) -> set[str] | None:
        """Names that the statements of this thread's cell may have touched; None if that is not known."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None or cell.open or cell.execution.unseen or cell.execution.overlaps:
                return None
            return set(cell.reached)

    def taking_gradients(self) -> set[str]:
        """Names that lead to a tensor that a backward pass may write to, as of the last look."""
        with self._lock:
            return self._versions.picture.taking_gradients()

    # --- looking ----------------------------------------------------------------------------------------------------
    def _look(
        self, names: Iterable[str], values: Mapping[str, object], gone: tuple[str, ...] = (), *,
        is_deep: bool = True, limit: int = UNLIMITED,
    ) -> Look:  # fmt: skip
        for name in names:
            if name in values:
                self._ids[name] = id(values[name])
        camera = Camera(self._namespace(), loaded_backends(), digest_limit=limit, is_deep=is_deep)
        return camera.look(names, values, gone)

    def _moved(self, values: Mapping[str, object]) -> tuple[set[str], tuple[str, ...]]:
        """Names that lead to another object than at the last look, and names that are not there any more."""
        ids = self._ids
        moved = {n for n, v in values.items() if ids.get(n) != id(v)}
        gone = tuple(n for n in ids if n not in values)
        for name in gone:
            del ids[name]
        return moved, gone

    def _reach(self, access: Access) -> tuple[set[str], bool]:
        names, is_far = self._versions.picture.code_names(access)
        names |= access.names
        names |= self._versions.picture.sharing(names)
        return names, is_far or any(a in access.attributes for a in ("backward", "manual_backward"))

    def _code_names(self, access: Access) -> set[str]:
        return self._versions.picture.code_names(access)[0] if access.works else set()

    def _catch_up(self, cell: _Cell, values: Mapping[str, object], index: int) -> set[str]:
        """Names that moved since the last statement ended: another thread, a callback, a time when nobody looked."""
        moved, gone = self._moved(values)
        if not moved and not gone:
            return set()
        cell.looked |= moved
        return self._external(self._look(moved, values, gone), cell.execution, index)

    def _external(self, look: Look, execution: Execution, index: int = -1) -> set[str]:
        """Take in what nobody's statement did before the statement at `index`; answers names that lead to it."""
        is_new, self._is_new = self._is_new, False
        code = "(before numguard was loaded)" if is_new else OUTSIDE
        already = len(execution.versions)
        again = {n: v for n in look.names if is_output(n) and (v := self._executions.output(n)) is not None}
        self._versions.take(look, Run(execution, index, 0, code), _NOTHING, external=True, again=again)
        return {root_of(v.name) for v in execution.versions[already:]}

    # --- asking -----------------------------------------------------------------------------------------------------
    def lineage(self, variable: str) -> LineageAnswer:
        """Where a variable comes from, everything looked at anew.

        Raises:
            UsageError: no such variable; the message lists close names.
        """
        with self._lock:
            values = self._names()
            root, suffixes = parse(variable, values, self._outputs.resolved)
            self._sweep(values)
            return answer(variable, ancestors(self._versions.read(root, suffixes)), self._executions)

    def effects(self, count: int) -> Effects:
        """What an execution did.

        Raises:
            UsageError: it is not known.
        """
        with self._lock:
            return self._executions.effects(count)

    def behind(self, names: Iterable[str]) -> set[tuple[ExecutionRef, int]]:
        """The statement runs that these names rest on now, back to what was finite: (execution, position in it)."""
        with self._lock:
            todo = [v for name in names for v in self._versions.read(name, ())]
            found: set[Version] = set()
            while todo:
                version = todo.pop()
                if version not in found and version.state != "finite":
                    found.add(version)
                    todo += version.parents
            return {(v.run.execution.ref, v.run.index) for v in found}

    def versions_of(self, root: str, suffixes: tuple[str, ...] = ()) -> set[Version]:
        """The versions that a variable rests on as of the last look."""
        with self._lock:
            return self._versions.read(root, suffixes)

    @property
    def last(self) -> Execution | None:
        """The execution that began last."""
        return self._executions.last

    def stale_refs(self) -> set[ExecutionRef]:
        """The executions whose cells ran again since."""
        with self._lock:
            return self._executions.stale_refs()

    def bindings(self) -> list[Run]:
        """The statement that last bound each name, oldest first."""
        with self._lock:
            return sorted(
                {id(v.run): v.run for v in self._versions.bindings() if not is_output(v.name)}.values(),
                key=lambda r: (r.execution.order, r.index),
            )

    def _sweep(self, values: Mapping[str, object]) -> None:
        cell = self._cells.get(threading.get_ident())
        execution = cell.execution if cell is not None else self._executions.last
        if execution is None:
            self._outside = execution = self._outside or Execution(ExecutionRef(None), 0)
        _, gone = self._moved(values)
        self._external(self._look(values, values, gone), execution)


def _run_of(execution: Execution, opened: Opened) -> Run:
    statement = opened.statement
    if statement is None:
        return Run(execution, opened.index, opened.line, "")
    is_introducing = (
        statement.written.nan_span is not None
        or statement.written.inf_span is not None
        or any(c.startswith(_LOADERS) for c in statement.calls)
    )
    kept = statement if len(statement.text) <= MAX_CODE else None
    return Run(execution, opened.index, opened.line, statement.code[:MAX_CODE], is_introducing, kept)
