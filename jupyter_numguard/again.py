"""A finding of a watched cell: the statements that made it are run once more, traced, on copies of what they read.

    In [3]  h = torch.sigmoid(z)                      z is what it was: a copy of it
    In [4]  loss = -(y * torch.log(1 - h)).mean()     NaN, and watch saw no operation

From the versions of the variables (`chronicle.py`) the statements are known that made a variable, and whether what they read
is still what it was. Each must be one that only computes (`closed_world.py`). What changed since is made again by the statement
that bound it; a generator, random numbers or a file among these end the attempt. The result counts only if it is non-finite
at exactly the same elements as the user's. docs/adr/0011-watch-runs-what-failed-again.md.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from . import snapshot
from .backends import loaded_backends
from .closed_world import BUILTINS, Judged, Plain, RefusedError, judge
from .codemap import Cell, CodeMap
from .nonfinite import NonFinite
from .numerics import array, unheard
from .opevents import Key, OpEvent
from .oplog import OpLog
from .outputs import is_output
from .reach import library_names
from .record import Recorder
from .steps import root_of
from .twins import MAX_BYTES, Twins
from .versions import Execution, Run, Version

MAX_SECONDS = 10.0  # of a second run
MAX_STATEMENTS = 200


class _TooLong(BaseException):
    """No time is left; no `except Exception` of the user's stops it."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """How a variable became non-finite in the second run.

    Attributes:
        event: The operation that left it so.
        log: Of the second run; `key` is the variable's memory there, `names` are the paths of every memory there.
    """

    event: OpEvent
    log: OpLog
    key: Key
    names: Mapping[Key, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of how the notebook came to be as it is.

    Attributes:
        values: The user's names and what they hold now.
        versions: The versions that a name rests on now (`Versions.read`).
        execution: The one that just ended.
        code: Sources of the executions.
    """

    values: Mapping[str, object]
    versions: Callable[[str, tuple[str, ...]], set[Version]]
    execution: Execution
    code: CodeMap


@dataclass(frozen=True, slots=True)
class _Step:
    """A statement to run again, and the cell that it stands in; `output` is the name of what it displayed ("Out[7]")."""

    run: Run
    node: ast.stmt
    cell: Cell
    output: str | None


@dataclass(slots=True)
class Plan:
    """What is run again for one variable, and on what.

    Attributes:
        steps: By (order of the execution, position in it).
        twins: Copies by name.
    """

    steps: dict[tuple[int, int], _Step] = field(default_factory=dict)
    twins: dict[str, object] = field(default_factory=dict)


class _MovedError(Exception):
    """A name has a copy, and an earlier statement of the plan saw another value of it: it must be made again."""


class Planner:
    """Finds the statements behind variables, and copies what they read."""

    def __init__(self, past: Past, fresh: Collection[str]) -> None:
        """`fresh`: paths of what became non-finite in the execution that just ended: made again, not copied."""
        self._past = past
        self._fresh = frozenset(root_of(path) for path in fresh if ".grad" not in path)
        self._fresh_gradients = frozenset(root_of(path) for path in fresh if ".grad" in path)
        self._libraries = library_names(past.values)
        self._judged: dict[int, Judged] = {}
        self._twins = Twins(self._libraries)
        self._moved: set[str] = set()

    def plan(self, root: str, suffixes: tuple[str, ...]) -> Plan:
        """What makes the variable anew.

        Raises:
            RefusedError: One of the statements may do more than compute, or what it read is not there any more.
        """
        now = self._past.versions(root, suffixes)
        made = [v for v in now if v.run.execution is self._past.execution]
        if not made:
            raise RefusedError("no statement is known that made it")
        while True:
            try:
                return self._behind(made)
            except _MovedError as moved:
                self._moved.add(str(moved))

    def _behind(self, made: Iterable[Version]) -> Plan:
        plan = Plan()
        todo = list(made)
        while todo:
            version = todo.pop()
            run = version.run
            at = (run.execution.order, run.index)
            if at in plan.steps:
                continue
            if version.change == "external" or run.statement is None or len(plan.steps) >= MAX_STATEMENTS:
                raise RefusedError(f"what changed `{version.name}` is not known")
            node, cell = self._node_of(run)
            plan.steps[at] = _Step(run, node, cell, version.name if is_output(version.name) else None)
            todo += self._needed(version, self._judge(node), plan)
        return plan

    def _needed(self, version: Version, judged: Judged, plan: Plan) -> list[Version]:
        """What has to be run before the statement behind `version`; what can be copied is put into the plan."""
        past = set(version.parents)
        rerun: list[Version] = []
        for name in sorted(judged.loads):
            if self._is_copied(name, past, plan):
                if name in self._fresh_gradients:
                    rerun += [v for v in past if v.change == "mutated" and v.name.startswith(f"{name}.")]
                continue
            if name in plan.twins:
                raise _MovedError(name)
            binders = [v for v in past if v.name == name and v.change in ("bound", "external")]
            bound = max(binders, key=lambda v: v.order, default=None)
            if bound is not None:
                rerun.append(bound)
            elif name not in judged.binds and (name in self._past.values or name not in (*BUILTINS, "print")):
                raise RefusedError(f"`{name}` is not what it was")
        if any(v.change == "bound" for v in rerun):  # what was done to these objects meanwhile, under whatever name
            rerun += [v for v in past if v.change == "mutated" and root_of(v.name) not in plan.twins]
        return rerun

    def _is_copied(self, name: str, past: Collection[Version], plan: Plan) -> bool:
        """Whether the name still leads to what a statement saw, and that can be copied; it is in the plan then.

        What hangs on a graph of the user's cannot: its gradient may be asked for.
        """
        if name not in self._past.values or name in self._fresh or name in self._moved:
            return False
        since = self._past.versions(name, ()).difference(past)
        if not all(v.change == "mutated" and v.name.endswith(".grad") for v in since):
            return False
        value = self._past.values[name]
        if any(b.owns(value) and b.hangs_on_graph(value) for b in loaded_backends()):
            return False
        if name not in plan.twins:
            keeps = not since and name not in self._fresh_gradients
            try:
                plan.twins[name] = self._twins.of(name, value, with_gradient=keeps)
            except RefusedError:
                return False
        return True

    def _judge(self, node: ast.stmt) -> Judged:
        known = self._judged.get(id(node))
        if known is None:
            known = self._judged[id(node)] = judge(node, self._libraries)
        return known

    def _node_of(self, run: Run) -> tuple[ast.stmt, Cell]:
        cell = self._past.code.cell_of_execution(run.execution.ref)
        body = cell.source.tree.body if cell is not None and cell.source.tree is not None else []
        for node in body:
            assert cell is not None
            statement = cell.source.statement(node)
            if statement.line == run.line and statement.code == run.code:
                return node, cell
        raise RefusedError("its source is not known any more")


def run_again(
    found: Sequence[NonFinite],
    past: Past,
    paths: Mapping[str, tuple[str, tuple[str, ...]]],
    fresh: Collection[str],
    mark: Callable[[OpLog, str, Key], None],
) -> dict[str, Repeated]:
    """How each of these variables became non-finite, as far as a second run shows it: path -> what it showed.

    Args:
        paths: Of each, its name and suffixes (`asking.parse`).
        fresh: Paths of all that became non-finite in the execution that just ended.
        mark: Tells the log what is known of a copy (path, memory) that was non-finite before the cell.
    """
    if any(b.is_listened_to() for b in loaded_backends()):
        return {}
    planner = Planner(past, fresh)
    whole = Plan()
    wanted: list[NonFinite] = []
    for n in found:
        try:
            plan = planner.plan(*paths[n.path])
        except RefusedError:
            continue
        wanted.append(n)
        whole.steps |= plan.steps
        whole.twins |= plan.twins
    if not wanted:
        return {}
    world = _World(whole, past, mark)
    world.run()
    return {n.path: r for n in wanted if (r := world.compare(n)) is not None}


class _World:
    """The namespace of a second run: copies, and what the statements make of them."""

    def __init__(self, plan: Plan, past: Past, mark: Callable[[OpLog, str, Key], None]) -> None:
        self._past = past
        self._steps = [plan.steps[at] for at in sorted(plan.steps)]
        bound = {name for s in self._steps if s.run.statement is not None for name in s.run.statement.binds}
        self._space: dict[str, Any] = {n: twin for n, twin in plan.twins.items() if n not in bound}
        self._recorder = Recorder(past.code.names_at)
        for leaf in self._leaves():
            mark(self._recorder.log, leaf.path, leaf.key)
        self._end = 0.0

    def _leaves(self) -> Sequence[snapshot.Leaf]:
        return snapshot.walk(self._space, loaded_backends()).leaves

    def run(self) -> None:
        """Run the statements; what an error or the clock stopped is left as it is."""
        codes = [(step, self._compiled(step)) for step in self._steps]
        space = {"__builtins__": {**BUILTINS, Plain.TICK: self._tick}, "__name__": "__numguard_again__", **self._space}
        self._end = time.monotonic() + MAX_SECONDS
        log = self._recorder.log
        with unheard(), ExitStack() as quiet:
            for backend in loaded_backends():
                quiet.enter_context(backend.calm())
            try:
                self._recorder.start()
                for step, code in codes:
                    log.statement = step.run.index if step.run.execution is self._past.execution else -1
                    self._recorder.refresh()
                    value = eval(code, space)
                    if step.output is not None:
                        space[step.output] = value
            except (Exception, _TooLong):
                pass  # the user's statement may have raised as well: what it had made by then counts
            finally:
                self._recorder.stop()
        self._space = {n: v for n, v in space.items() if not n.startswith("__")}

    def _tick(self) -> None:
        if time.monotonic() > self._end:
            raise _TooLong

    def _compiled(self, step: _Step) -> CodeType:
        node, file = Plain().visit(copy.deepcopy(step.node)), self._past.code.file_of(step.cell)
        if step.output is not None and isinstance(node, ast.Expr):
            code = compile(ast.Expression(node.value), file, "eval")
        else:
            code = compile(ast.Module([node], []), file, "exec")
        self._past.code.add(code, step.cell)
        return code

    def compare(self, n: NonFinite) -> Repeated | None:
        """The event behind a variable, if the second run made the same of it."""
        leaf = next((leaf for leaf in self._leaves() if leaf.path == n.leaf), None)
        if leaf is None or n.value is None:
            return None
        mine = leaf.value
        if leaf.elements:
            at = int(n.path[len(n.leaf) + 1 : -1])
            mine = mine[at] if at < len(mine) else 0.0
        if not _is_same(n.value, mine, n):
            return None
        log = self._recorder.log
        event = log.event_of(leaf.key)
        if event is None and n.tensor.framework in ("python", "numpy"):
            event = next(iter((*log.escaped, *log.signals())), None)
        if event is None:
            return None
        names = snapshot.aliases_of(snapshot.walk(self._space, loaded_backends()))
        return Repeated(event, log, leaf.key, names)


def _is_same(theirs: Any, mine: Any, n: NonFinite) -> bool:
    """Whether both are non-finite at the same elements, in the same way."""
    import numpy

    values = []
    for value in (theirs, mine):
        copied = n.backend.copy_sample(value, MAX_BYTES) if n.tensor.framework != "python" else value
        if copied is None or (n.tensor.framework != "python" and not n.backend.owns(value)):
            return False
        values.append(numpy.nan_to_num(array(copied, n.tensor.framework), nan=2.0, posinf=1.0, neginf=-1.0)
                      * ~numpy.isfinite(array(copied, n.tensor.framework)))  # fmt: skip
    return bool(values[0].shape == values[1].shape and (values[0] == values[1]).all())
