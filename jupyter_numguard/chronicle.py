"""The versions of every variable while cells run: looks at the namespace around each top-level statement.

Before a statement: what the code behind its names may touch is looked at again (changes since the last look came from
nobody's statement: `external`), and what it reads is noted. After it: the same names are looked at, and every name whose
value moved to another object. Names that code cannot reach are looked at when somebody asks (`lineage`).

Contents above `QUICK` bytes are read once per cell, after its last statement, not after every one: a change that only
they show is then credited to the last statement that could reach it.
"""

from __future__ import annotations

import ast
import difflib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .access import Access, access_of, path_of
from .backends import loaded_backends
from .errors import UsageError
from .fingerprint import Camera
from .lineage import StatementRun
from .model import Counts, ExecutionRef, Statement, Step, StepEvent, StepState
from .versions import Execution, Look, Run, Unproved, Version, Versions, ancestors, executions_of, forget

MAX_EXECUTIONS = 2_000  # of older ones only the numbers stay
MAX_STEPS = 200  # rows of one answer
MAX_CODE = 65_536  # characters of a statement that are kept
QUICK = 64 * 1024  # bytes of one tensor that are read after every statement
UNLIMITED = 1 << 62
_NOTHING = Access(frozenset())
_LOADERS = (
    "load",
    "read",
    "fetch",
    "open",
    "from_file",
    "fromfile",
    "genfromtxt",
)  # beginnings of names that bring data in


@dataclass(frozen=True, slots=True)
class LineageAnswer:
    """What `%numguard lineage VARIABLE` shows.

    Attributes:
        executions: The backward slice.
        steps: Newest first.
        notes: What must be said beside: executions that overlapped, objects not looked at, forgotten executions.
    """

    variable: str
    executions: tuple[int, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """What one execution did to the notebook's names; `external`: what changed before it, by nobody's statement."""

    bound: tuple[str, ...]
    mutated: tuple[str, ...]
    deleted: tuple[str, ...]
    external: tuple[str, ...]
    overlaps: tuple[int, ...]


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
    is_fully_read: bool = True


class Chronicle:
    """One kernel's versions. Any thread may call it; a lock keeps the calls apart."""

    def __init__(
        self, names: Callable[[], Mapping[str, object]], namespace: Callable[[], Mapping[str, object]]
    ) -> None:
        """Start empty.

        Args:
            names: The user's own names and values.
            namespace: The dictionary that the cells' functions read their globals from.
        """
        self._names = names
        self._namespace = namespace
        self._lock = threading.RLock()
        self._cells: dict[int, _Cell] = {}
        self.forget()

    def forget(self) -> None:
        """Drop everything (`%numguard reset`)."""
        with self._lock:
            self._versions = Versions()
            self._ids: dict[str, int] = {}
            self._ring: deque[Execution] = deque()
            self._order = 0
            self._is_new = True
            self._dropped = 0
            self._latest_id: dict[str, int] = {}
            self._latest_text: dict[int, int] = {}
            self._outside: Execution | None = None

    # --- a cell -----------------------------------------------------------------------------------------------------
    def start_cell(self, raw: str, ref: ExecutionRef) -> None:
        """A cell begins in this thread."""
        with self._lock:
            self._order += 1
            execution = Execution(ref, self._order, hash(raw))
            for other in self._cells.values():
                other.execution.overlaps.add(self._order)
                execution.overlaps.add(other.execution.order)
            self._cells[threading.get_ident()] = _Cell(execution)
            self._ring.append(execution)
            if ref.cell_id is not None:
                self._latest_id[ref.cell_id] = self._order
            self._latest_text[execution.text] = self._order
            while len(self._ring) > MAX_EXECUTIONS:
                self._dropped += 1
                old = self._ring.popleft()
                forget(old)
                if self._latest_text.get(old.text) == old.order:
                    del self._latest_text[old.text]

    def before_statement(
        self, node: ast.stmt | None, statement: Statement | None, names: Iterable[str], line: int, *, is_last: bool
    ) -> None:
        """A top-level statement is about to run.

        Args:
            node: Its syntax; None if it is not known, then `names` are what it may read.
            is_last: The cell has no other after it.
        """
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None:
                return
            values = self._names()
            cell.unproved.clear()  # the one before it ended well
            access = access_of(node, lambda n: values.get(n)) if node is not None else Access(frozenset(names))
            self._catch_up(cell, values)
            reached, is_far = self._reach(access)
            if new := reached - cell.looked:
                self._external(self._look(new, values), cell.execution)
                cell.looked |= new
                reached, is_far = self._reach(access)
            parents = self._versions.read_by(access, self._code_names(access))
            calls = statement.calls if statement is not None else ()
            code = statement.code if statement is not None else ""
            introducing = statement is not None and (
                statement.written.nan_span is not None
                or statement.written.inf_span is not None
                or any(c.startswith(_LOADERS) for c in calls)
            )
            run = Run(cell.execution, len(cell.touched) + len(cell.open), line, code[:MAX_CODE], introducing)
            cell.open.append(_Open(run, access, reached, parents, is_far, is_last and not cell.open))

    def after_statement(self) -> None:
        """It ended, normally or not."""
        with self._lock:
            cell = self._cells.get(threading.get_ident())
            if cell is None or not cell.open:
                return
            done = cell.open.pop()
            values = self._names()
            self._close(cell, done, values)
            if cell.open:  # inside of another one (`%%capture`): what it did is told
                return

    def _close(self, cell: _Cell, done: _Open, values: Mapping[str, object]) -> None:
        moved, gone = self._moved(values)
        reached, is_far = self._reach(done.access)
        names = (done.names | reached | done.access.binds | moved) & values.keys()
        names |= self._versions.sharing(names) & values.keys()
        is_last = done.is_last and len(cell.touched) == 0
        if done.is_far or is_far:
            leaves = (self._versions.taking_gradients() - names) & values.keys()
            self._take(done, self._look(leaves, values, is_deep=False), cell)
        look = self._look(names, values, gone, limit=UNLIMITED if is_last else QUICK)
        cell.is_fully_read = is_last
        cell.touched.append((done, names))
        self._take(done, look, cell)
        if not is_last and done.is_last:
            self._read_all(cell, values)

    def _take(self, done: _Open, look: Look, cell: _Cell) -> None:
        cell.unproved.update(self._versions.take(look, done.run, done.access, done.parents))

    def _read_all(self, cell: _Cell, values: Mapping[str, object]) -> None:
        """Contents that were too large to be read after each statement; newest statement first."""
        cell.is_fully_read = True
        told: set[str] = set()
        for done, names in reversed(cell.touched):
            mine = (names - told) & values.keys()
            told |= mine
            if mine:
                access = Access(done.access.reads)  # what it bound is known
                self._versions.take(self._look(mine, values), done.run, access, done.parents)

    def end_cell(
        self, ref: ExecutionRef, runs: Sequence[StatementRun], found: Mapping[str, Counts], *, ok: bool
    ) -> None:
        """The cell ended.

        Args:
            ref: Its number, known for sure only now.
            runs: What was seen of the tensors after each statement.
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
            seen: dict[tuple[int, str], list[tuple[str, bool]]] = {}
            for run in runs:
                for s in run.seen:
                    seen.setdefault((run.index, s.root), []).append((s.path, s.nonfinite))
            for version in execution.versions:
                known = seen.get((version.run.index, _root(version.name)), ())
                flags = [flag for path, flag in known if _is_below(path, version.name)]
                if flags:
                    version.state = "nonfinite" if any(flags) else "finite"
                inside = [c for path, c in found.items() if path == version.name]
                if inside and self._is_newest(version):
                    version.state, version.counts = "nonfinite", inside[0]

    def _is_newest(self, version: Version) -> bool:
        return version in self._versions.read(_root(version.name))

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
        names, is_far = self._versions.code_names(access)
        names |= access.names
        names |= self._versions.sharing(names)
        return names, is_far or any(a in access.attributes for a in ("backward", "manual_backward"))

    def _code_names(self, access: Access) -> set[str]:
        return self._versions.code_names(access)[0] if access.works else set()

    def _catch_up(self, cell: _Cell, values: Mapping[str, object]) -> None:
        """Names that moved since the last statement ended: another thread, a callback, a time when nobody looked."""
        moved, gone = self._moved(values)
        if moved or gone:
            self._external(self._look(moved, values, gone), cell.execution)
            cell.looked |= moved

    def _external(self, look: Look, execution: Execution) -> None:
        is_new, self._is_new = self._is_new, False
        code = "(before numguard was loaded)" if is_new else "(changed between cells, by another thread or a callback)"
        self._versions.take(look, Run(execution, -1, 0, code), _NOTHING, external=True)

    # --- asking -----------------------------------------------------------------------------------------------------
    def lineage(self, variable: str) -> LineageAnswer:
        """Where a variable comes from, everything looked at anew.

        Raises:
            UsageError: no such variable; the message lists close names.
        """
        with self._lock:
            values = self._names()
            root, suffixes = self._parse(variable, values)
            self._sweep(values)
            versions = self._versions.read(root, suffixes)
            past = ancestors(versions)
            steps = [self._step(v) for v in _told_once(past)]
            notes = []
            overlaps = sorted({e for v in past for e in v.run.execution.overlaps})
            if overlaps:
                counts = [e.ref.count for e in self._ring if e.order in overlaps]
                notes.append(f"ran beside other cells, so that either may have changed it: {_cells(counts)}")
            unseen = sum({id(v.run.execution): v.run.execution.unseen for v in past}.values())
            if unseen:
                notes.append(f"{unseen:,} objects were not looked at")
            if any(v.forgotten for v in past):
                notes.append(f"of executions more than {MAX_EXECUTIONS:,} cells ago only the numbers are known")
            if len(steps) > MAX_STEPS:
                notes.append(f"{len(steps) - MAX_STEPS:,} steps in the middle are left out")
                steps = steps[: MAX_STEPS // 2] + steps[-MAX_STEPS // 2 :]
            return LineageAnswer(variable, tuple(executions_of(past)), tuple(steps), tuple(notes))

    def effects(self, count: int) -> Effects:
        """What an execution did.

        Raises:
            UsageError: it is not known.
        """
        with self._lock:
            known = [e for e in self._ring if e.ref.count is not None]
            e = next((e for e in reversed(known) if e.ref.count == count), None)
            if e is None:
                span = f"In [{known[0].ref.count}] to In [{known[-1].ref.count}]" if known else "none"
                raise UsageError(f"execution {count} is not known; known: {span}")
            beside = tuple(o.ref.count for o in self._ring if o.order in e.overlaps and o.ref.count is not None)
            names = (e.bound, e.mutated - e.bound, e.deleted, e.external)
            bound, mutated, deleted, external = (tuple(sorted(s)) for s in names)
            return Effects(bound, mutated, deleted, external, beside)

    def _sweep(self, values: Mapping[str, object]) -> None:
        cell = self._cells.get(threading.get_ident())
        execution = cell.execution if cell is not None else self._ring[-1] if self._ring else None
        if execution is None:
            self._outside = execution = self._outside or Execution(ExecutionRef(None), 0)
        _, gone = self._moved(values)
        self._external(self._look(values, values, gone), execution)

    def _parse(self, variable: str, values: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
        try:
            path = path_of(ast.parse(variable, mode="eval").body)
        except (SyntaxError, ValueError):
            path = None
        if path is None:
            raise UsageError(f'{variable!r} is no variable or path such as loss, model.fc.weight, history["loss"]')
        if path[0] not in values:
            close = difflib.get_close_matches(path[0], list(values), n=5) or sorted(values)[:10]
            names = ", ".join(close) or "(the notebook is empty)"
            raise UsageError(f"there is no variable {path[0]!r}; did you mean: {names}?")
        return path

    def _step(self, v: Version) -> Step:
        event: StepEvent = "mutated" if v.change == "mutated" else "external" if v.change == "external" else "bound"
        if event == "bound" and v.run.is_introducing and v.state == "nonfinite":
            event = "introduced"
        ref = v.run.execution.ref
        return Step(ref, None, v.run.line, v.run.code, v.name, event, v.state, v.counts, self.is_stale(v.run.execution))

    def is_stale_ref(self, ref: ExecutionRef | None) -> bool:
        """`is_stale` of an execution by its number; False where it is not known."""
        with self._lock:
            return any(self.is_stale(e) for e in self._ring if e.ref == ref)

    def is_stale(self, execution: Execution) -> bool:
        """Whether the cell was run again since, edited or not."""
        cell_id = execution.ref.cell_id
        if cell_id is not None:
            return self._latest_id.get(cell_id, 0) > execution.order
        return self._latest_text.get(execution.text, 0) > execution.order


def _told_once(versions: Iterable[Version]) -> list[Version]:
    """One version per statement run, event and variable; many parts of one variable become one row."""
    rows: dict[tuple[int, str, str], list[Version]] = {}
    for v in versions:
        rows.setdefault((id(v.run), v.change, _root(v.name)), []).append(v)
    out = []
    for same in rows.values():
        first = min(same, key=lambda v: len(v.name))
        states = {v.state for v in same}
        state: StepState = "nonfinite" if "nonfinite" in states else "unknown" if "unknown" in states else "finite"
        shared = _common(v.name for v in same)
        out.append(Version(first.order, first.run, first.change, shared, state=state, counts=first.counts))
    return out


def _common(names: Iterable[str]) -> str:
    """The only path, or the variable that all of them are in."""
    distinct = sorted(set(names), key=len)
    return distinct[0] if len(distinct) == 1 else _root(distinct[0])


def _root(path: str) -> str:
    return path.split(".")[0].split("[")[0]


def _is_below(path: str, owner: str) -> bool:
    return path == owner or path.startswith((f"{owner}.", f"{owner}["))


def _cells(counts: Iterable[int | None]) -> str:
    return ", ".join(f"In [{c}]" for c in counts)
