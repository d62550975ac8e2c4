"""One cell while it runs: which statements ran, what each left behind, and the recorder that listens.

The flags of the tensors that a statement touched are computed on their devices after it; all are read at once, at the
end of the cell.
"""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType

from . import snapshot
from .backends import loaded_backends
from .backends.base import Backend, Probe
from .beginning import Beginning, beginning_of
from .codemap import Cell, CodeMap, first_position
from .expressions import Path
from .model import ExecutionRef, Framework, Mode, Place, Statement, Written
from .nonfinite import Left, NonFinite
from .opevents import Key, OpEvent
from .oplog import OpLog
from .places import with_functions
from .reach import function_writes, leads_anywhere, leads_out, reach, words_of
from .record import Recorder
from .source import Source
from .statements import END, OUTSIDE, Opened, Reading, Seen, StatementRun

# Calls whose effect reaches tensors that the statement does not name: gradients, parameters, buffers.
_FAR_REACHING = frozenset(
    "backward grad gradient step minimize apply_gradients fit train_on_batch load_state_dict zero_grad apply "
    "update".split()
)


@dataclass(slots=True)
class _Glance:
    """One run of a statement: what it may have read, and what it left in the tensors that it touched; no tensor.

    Attributes:
        index: Position in the execution.
        words: Every name and attribute in its code.
        is_outside: It stands for what nobody's statement did before the statement at `index`.
        is_last: Nothing comes after it in the cell.
        leaves: (path, root, memory, framework, in a data frame) of every tensor that the statement could touch.
        probes: Per backend: the flags of those that may have changed, and their positions in `leaves`.
        places, looked: As in `StatementRun`.
        ids, moved: Of what it binds: the objects before it, and the names that led to others after it.
    """

    index: int
    statement: Statement | None
    line: int
    reads: frozenset[str]
    binds: frozenset[str]
    written: Written
    place: Place | None = None
    is_outside: bool = False
    is_last: bool = False
    words: Set[str] = frozenset()
    leaves: list[tuple[str, str, Key, Framework, bool]] = field(default_factory=list)
    probes: list[tuple[Backend, Probe, list[int]]] = field(default_factory=list)
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    looked: frozenset[str] = frozenset()
    ids: dict[str, int] = field(default_factory=dict)
    moved: frozenset[str] = frozenset()


class Execution:
    """A running cell. All calls come from one thread.

    Attributes:
        ref: Its number and cell id.
        mode: "trace" once `start_trace` was called.
        began: `time.perf_counter()` at its start.
        touched: The names that its code may have touched so far, by what is written there; None if it may be any.
        outputs: What earlier cells displayed and its code mentions.
        beginning: What it began with, if it is traced and trains.
        left: What its last statement left; None until that has ended.
    """

    def __init__(
        self,
        raw: str,
        ref: ExecutionRef,
        namespace: Callable[[], Mapping[str, object]],
        code: CodeMap,
        *,
        home: object,
        watch: bool,
        takers: Callable[[], Set[str] | None] = lambda: None,
        outputs: Callable[[Iterable[str]], Mapping[str, object]] = lambda names: {},
        spelled: Callable[[Path], str] = lambda path: path[0] + "".join(path[1]),
    ) -> None:
        """Start.

        Args:
            raw: The cell as the user sees it.
            namespace: Gives the tensors' roots: the user's own names only.
            home: The globals of functions that the user defined there.
            watch: Whether the free recorders run.
            takers: Names that a backward pass may write below; None if that is not known: any.
            outputs: Gives what earlier cells displayed, by the outputs' names.
            spelled: Writes a path as snapshots do.
        """
        self.raw = raw
        self.ref = ref
        self.mode: Mode = "watch"
        self.began = time.perf_counter()
        self.quiet = False
        self.beginning: Beginning | None = None
        self.left: Left | None = None
        self.touched: set[str] | None = set()
        self.outputs: set[str] = set()
        self._users = namespace
        self._outputs = outputs
        self._spelled = spelled
        self._home = home
        self._takers = takers
        self._code = code
        self._cell: Cell | None = None
        self._cells: list[Cell] = []
        self._done: list[_Glance] = []
        self._open: list[_Glance] = []
        self._file = ""
        self._begun = -1  # index of the statement that was opened last
        self._fingerprints: dict[str, Hashable] = {}
        self.recorder: Recorder | None = (
            Recorder(code.names_at, expression_at=code.expression_at, watch=True) if watch else None
        )

    # --- recorder ---------------------------------------------------------------------------------------------------
    def start_trace(self, *, stop: bool, quiet: bool, seed: Callable[[OpLog], None]) -> None:
        """From here on every operation is recorded; `seed` marks what was non-finite before."""
        if self.mode == "trace":
            return
        if self.recorder is not None:
            self.recorder.stop()
        if self.raw:
            try:
                self.beginning = beginning_of(self.raw, self._users(), self._home)
            except Exception:  # what a strange value raises: the cell is traced all the same
                self.beginning = None
        self.mode, self.quiet = "trace", quiet
        self.recorder = Recorder(self._code.names_at, expression_at=self._code.expression_at, stop=stop)
        self.recorder.log.statement = self._begun
        seed(self.recorder.log)
        self.recorder.start()

    def stop_recording(self) -> None:
        """End the recorders; the log stays."""
        if self.recorder is not None:
            self.recorder.stop()

    @property
    def log(self) -> OpLog | None:
        """What was recorded."""
        return self.recorder.log if self.recorder is not None else None

    # --- statements -------------------------------------------------------------------------------------------------
    def before_statement(self, code: CodeType) -> Opened:
        """A top-level statement is about to run; answers what it is."""
        cell = self._cell_of(code)
        self._code.add(code, cell)
        line, column = first_position(code)
        node = cell.source.top_level_at(line, column)
        statement = cell.source.statement(node) if node is not None else None
        line = statement.line if statement is not None else line + cell.source.offset
        reads = statement.reads if statement is not None else frozenset(code.co_names)
        binds = statement.binds if statement is not None else frozenset()
        words = words_of(code)
        self._note_touched(words, self._namespace())  # what it deletes or binds anew may end with code of its own
        index = self._begun = self._begun + 1
        ids = {n: id(v) for n, v in self._users().items() if n in binds}
        is_last = cell.source.is_last(node) and not self._open
        self._open.append(
            _Glance(index, statement, line, reads, binds, Written(), is_last=is_last, words=words, ids=ids)
        )
        if self.recorder is not None:
            self.recorder.log.statement = index
            self.recorder.refresh()
        return Opened(index, node, statement, reads, line, is_last)

    def _namespace(self) -> Mapping[str, object]:
        return {**self._users(), **self._outputs(self.outputs)} if self.outputs else self._users()

    def note_reading(self, reading: Reading) -> None:
        """What is known of the statement that was opened last, beside what its source shows."""
        opened = self._open[-1]
        self.outputs |= reading.outputs
        opened.reads |= reading.outputs
        opened.binds -= reading.kept
        opened.places = reading.places

    def glance_outside(self, names: Collection[str]) -> None:
        """Names that nobody's statement changed, noticed before the statement that was opened last."""
        opened = self._open[-1]
        namespace = self._namespace()
        if self.touched is not None:
            self.touched |= set(names)
        glance = _Glance(opened.index, None, opened.line, frozenset(), frozenset(), Written(), is_outside=True)
        self._done.append(glance)
        self._glance(glance, {n: namespace[n] for n in names if n in namespace})

    def after_statement(self, bound: Collection[str] = (), changed: Collection[str] = ()) -> None:
        """It ended.

        Args:
            bound, changed: Names that it is known to have bound, and names that lead to what it changed, beside those
                that its source shows.
        """
        if not self._open:
            return
        done = self._open.pop()
        self._done.append(done)
        if self.recorder is not None:
            self.recorder.log.statement = self._open[-1].index if self._open else done.index
        statement = done.statement
        done.binds = done.binds.union(bound)
        namespace = self._namespace()
        done.moved = frozenset(n for n in done.binds if done.ids.get(n) != id(namespace.get(n)))
        names = (statement.reads | statement.binds) if statement is not None else done.reads
        touched, functions = reach(names | done.reads & self.outputs, namespace, self._home)
        own = statement.written if statement is not None else Written()
        theirs = function_writes(functions) if functions else Written()
        done.written = Written(own.nan_span or theirs.nan_span, own.inf_span or theirs.inf_span)
        done.places = with_functions(done.places, done.reads | names, functions, self._code, namespace, self._spelled)
        done.reads = frozenset(done.reads | (touched - done.binds))
        far = statement is None or not _FAR_REACHING.isdisjoint(statement.calls) or self._calls_far(functions)
        takers = self._takers() if far else frozenset()
        far_names = namespace.keys() if takers is None else takers & namespace.keys()
        looked = {*touched, *changed, *far_names}
        roots = {n: v for n, v in namespace.items() if n in looked}
        self._glance(done, roots)
        if far:  # hooks on tensors and nodes, backwards of the user's: nobody can follow them
            self.touched = None
        self._note_touched(done.words | names, namespace)

    def _note_touched(self, words: Set[str], namespace: Mapping[str, object]) -> None:
        """What is written in a statement, and in the functions behind its names as they are now."""
        if self.touched is None:
            return
        touched, functions = reach(words, namespace, self._home)
        inner = {w for f in functions for w in words_of(f.__code__)}
        if leads_anywhere(words | inner) or any(leads_out(namespace[n], self._home) for n in touched):
            self.touched = None
        else:
            self.touched |= touched
            self.touched |= words

    @staticmethod
    def _calls_far(functions: Sequence[FunctionType]) -> bool:
        return any(not _FAR_REACHING.isdisjoint(f.__code__.co_names) for f in functions)

    def open_block(self, frame: FrameType) -> None:
        """A `with trace()` block of a script: one statement, which may read and bind every name there."""
        code, line = frame.f_code, frame.f_lineno
        place = self._code.place(code, -1, line, code.co_filename, code.co_name)
        source = self._code.source_of(code, code.co_filename)
        node = source.node_at(line) if source is not None else None
        statement = source.statement(node) if source is not None and node is not None else None
        everything = frozenset(self._namespace())
        written = statement.written if statement is not None else Written()
        self._begun = 0
        self._open.append(_Glance(0, statement, line, everything, everything, written, place, is_last=True))

    def close_block(self) -> None:
        """It ended."""
        glance = self._open.pop()
        self._done.append(glance)
        self._glance(glance, self._namespace())

    def _glance(self, glance: _Glance, roots: Mapping[str, object]) -> None:
        """Queue the flags of what may have changed; nothing is read from a device and no tensor is kept."""
        glance.looked = frozenset(roots)
        if not roots:
            return
        walk = snapshot.Walk(loaded_backends())
        groups: dict[int, tuple[Backend, list[int], list[snapshot.Leaf]]] = {}
        found = walk.go_on(roots).leaves
        for leaf, mark in zip(found, _marks_of(found), strict=True):
            backend, value = leaf.backend, leaf.value
            is_new = self._fingerprints.get(leaf.path) != mark or leaf.root in glance.binds
            self._fingerprints[leaf.path] = mark
            if (is_new or not backend.fingerprint_shows_writes) and backend.why_unchecked(value) is None:
                _, positions, leaves = groups.setdefault(id(backend), (backend, [], []))
                positions.append(len(glance.leaves))
                leaves.append(leaf)
            glance.leaves.append((leaf.path, leaf.root, leaf.key, backend.framework_name, leaf.in_table))
        done = []
        for backend, positions, leaves in groups.values():
            try:
                flags = backend.probe([leaf.value for leaf in leaves])
            except Exception:  # one that cannot be read: the statement is not attributed, the check at the end stands
                continue
            glance.probes.append((backend, flags, positions))
            done.append((backend, leaves, flags))
        if glance.is_last:
            self.left = Left(walk, done)

    def take_back(self) -> None:
        """The last statement failed: it has bound only what leads elsewhere now."""
        last = max((g for g in self._done if not g.is_outside), key=lambda g: g.index, default=None)
        if last is not None:
            last.binds &= last.moved

    # --- the end ----------------------------------------------------------------------------------------------------
    @property
    def probes(self) -> list[tuple[Backend, Probe]]:
        """All queued flags, to be read together with those of the check at the end."""
        return [(backend, flags) for glance in self._done for backend, flags, _ in glance.probes]

    @property
    def statements(self) -> Sequence[_Glance]:
        """The statements that ran, with what each binds."""
        return self._done

    def runs(self) -> list[StatementRun]:
        """The statement runs in order, with what was seen after each. Call after the flags were read."""
        last: dict[str, bool] = {}
        log = self.log
        out = []
        for glance in sorted(self._done, key=lambda g: (g.index, not g.is_outside)):
            looked: set[str] = set()
            for _, probe, positions in glance.probes:
                for i, flag in zip(positions, probe.flags, strict=True):
                    last[glance.leaves[i][0]] = bool(flag)
                    looked.add(glance.leaves[i][0])
            code = OUTSIDE if glance.is_outside else glance.statement.code if glance.statement is not None else ""
            out.append(
                StatementRun(
                    index=glance.index,
                    execution=self.ref,
                    place=glance.place or Place(self.ref, None, glance.line, code),
                    statement=glance.statement,
                    reads=glance.reads,
                    binds=glance.binds,
                    written=glance.written,
                    seen=tuple(
                        Seen(path, root, key, framework, last.get(path, False), path in looked, in_table)
                        for path, root, key, framework, in_table in glance.leaves
                    ),
                    signals=self._of(glance, log.signals() if log is not None else ()),
                    escapes=self._of(glance, log.escaped if log is not None else ()),
                    is_outside=glance.is_outside,
                    places=glance.places,
                    looked=glance.looked,
                )
            )
        return out

    @staticmethod
    def _of(glance: _Glance, events: Iterable[OpEvent]) -> list[OpEvent]:
        return [] if glance.is_outside else [e for e in events if e.statement == glance.index]

    @property
    def is_cell(self) -> bool:
        """Not a block of a script."""
        return bool(self._cells)

    def noticed_at_end(self, found: Iterable[NonFinite]) -> StatementRun:
        """What is non-finite after the cell though no statement was seen to make it so."""
        line = max((glance.line for glance in self._done), default=1)
        seen = tuple(Seen(n.leaf, n.root, n.key, n.tensor.framework, True) for n in found)
        place = Place(self.ref, None, line, OUTSIDE)
        nothing: frozenset[str] = frozenset()
        return StatementRun(END, self.ref, place, None, nothing, nothing, Written(), seen, is_outside=True)

    def set_count(self, count: int | None) -> None:
        """The execution's number, known for sure only at its end (IPython counts up before or after the hooks)."""
        self.ref = ExecutionRef(count, self.ref.cell_id)
        for cell in self._cells:
            cell.ref = self.ref

    def _cell_of(self, code: CodeType) -> Cell:
        if self._cell is None or code.co_filename != self._file:
            self._file = code.co_filename
            compiled = "".join(linecache.getlines(code.co_filename))
            self._cell = Cell(self.ref, Source(self.raw, compiled or None))
            self._cells.append(self._cell)
        return self._cell


def _marks_of(leaves: Sequence[snapshot.Leaf]) -> list[Hashable]:
    """By which each is known again: the object, and its light fingerprint."""
    marks: list[Hashable] = [None] * len(leaves)
    groups: dict[int, list[int]] = {}
    for i, leaf in enumerate(leaves):
        groups.setdefault(id(leaf.backend), []).append(i)
    for positions in groups.values():
        values = [leaves[i].value for i in positions]
        for i, value, shot in zip(positions, values, leaves[positions[0]].backend.shots(values, -1), strict=True):
            marks[i] = id(value), shot.light
    return marks
