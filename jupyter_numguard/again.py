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
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .backends import loaded_backends
from .closed_world import BUILTINS, Judged, RefusedError, judge
from .codemap import Cell, CodeMap
from .last_turn import last_turn
from .nonfinite import NonFinite
from .opevents import Key
from .oplog import OpLog
from .outputs import is_output
from .reach import library_names
from .second_run import MAX_SECONDS, Plan, Repeated, SecondRun, Step
from .steps import root_of
from .twins import MAX_BYTES, Twins
from .versions import Execution, Run, Version

MAX_STATEMENTS = 200
MAX_RUNS = 8  # after one cell


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
        nothing: frozenset[Version] = frozenset()
        todo = [(version, nothing) for version in made]
        while todo:
            version, asked = todo.pop()
            run = version.run
            at = (run.execution.order, run.index, 0)
            if at in plan.steps:
                continue
            if version.change == "external" or run.statement is None or len(plan.steps) >= MAX_STATEMENTS:
                raise RefusedError(f"what changed `{version.name}` is not known")
            node, cell = self._node_of(run)
            judged = self._judge(node)
            self._weigh(judged)
            plan.steps[at] = Step(run, node, cell, version.name if is_output(version.name) else None)
            past = frozenset(version.parents)
            if any(isinstance(n, ast.FunctionDef | ast.Lambda) for n in ast.walk(node)):
                past |= asked  # a function reads its globals when it is called
            todo += [(v, past) for v in self._needed(past, judged, plan)]
        return plan

    def _weigh(self, judged: Judged) -> None:
        """What a second run would make again must find room beside the first.

        Raises:
            RefusedError: It is too large.
        """
        for name in judged.binds & self._past.values.keys():
            value = self._past.values[name]
            owner = next((b for b in loaded_backends() if b.owns(value)), None)
            if owner is not None and owner.why_unchecked(value) is None and owner.nbytes(value) > MAX_BYTES:
                raise RefusedError(f"`{name}` is larger than {MAX_BYTES >> 20} MiB")

    def _needed(self, past: Collection[Version], judged: Judged, plan: Plan) -> list[Version]:
        """What has to be run before a statement that read `past`; what can be copied is put into the plan."""
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
                is_there = name in self._past.values
                raise RefusedError(f"`{name}` is not what it was" if is_there else f"`{name}` may do more than compute")
        if any(v.change == "bound" for v in rerun):  # what was done to these objects meanwhile, under whatever name
            rerun += [v for v in past if v.change == "mutated" and root_of(v.name) not in plan.twins]
        return rerun

    def turn(self, root: str) -> Plan:
        """What makes a variable as the last turn of the loop did that made it; the loop cannot be run again as a whole.

        Raises:
            RefusedError: It is not made of what is still there.
        """
        made = [v for v in self._past.versions(root, ()) if v.run.execution is self._past.execution]
        version = max(made, key=lambda v: v.order, default=None)
        if version is None or version.run.statement is None or version.change == "external":
            raise RefusedError("no statement is known that made it")
        node, cell = self._node_of(version.run)
        if not isinstance(node, ast.For | ast.While):
            raise RefusedError("it is no loop")
        turn = last_turn(node, root, self._judge)
        plan = Plan(is_turn=True)
        for position, statement in enumerate(turn.statements):
            self._weigh(self._judge(statement))
            plan.steps[version.run.execution.order, version.run.index, position] = Step(
                version.run, statement, cell, None
            )
        for name in turn.outer:
            if not self._is_copied(name, version.parents, plan) and (name in self._past.values or name not in BUILTINS):
                raise RefusedError(f"`{name}` is not what it was")
        for name in turn.own:
            if name in self._fresh or name not in self._past.values:
                raise RefusedError(f"`{name}` is not finite any more")
            plan.twins[name] = self._twins.of(name, self._past.values[name], with_gradient=False)
        return plan

    def _is_copied(self, name: str, past: Collection[Version], plan: Plan) -> bool:
        """Whether the name still leads to what a statement saw, and that can be copied; it is in the plan then.

        What hangs on a graph of the user's cannot: its gradient may be asked for.
        """
        if name not in self._past.values or name in self._fresh or name in self._moved:
            return False
        since = set() if name in self._libraries else self._past.versions(name, ()).difference(past)
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


@dataclass(frozen=True, slots=True)
class Again:
    """What second runs showed.

    Attributes:
        seen: By path.
        reasons: Path -> why nothing was seen.
    """

    seen: Mapping[str, Repeated]
    reasons: Mapping[str, str]


def run_again(
    found: Sequence[NonFinite],
    past: Past,
    paths: Mapping[str, tuple[str, tuple[str, ...]]],
    fresh: Collection[str],
    mark: Callable[[OpLog, str, Key], None],
    on_slow: Callable[[], None],
) -> Again:
    """How each of these variables became non-finite, as far as a second run shows it.

    Args:
        paths: Of each, its name and suffixes (`asking.parse`).
        fresh: Paths of all that became non-finite in the execution that just ended.
        mark, on_slow: See `SecondRun`.
    """
    if any(b.is_listened_to() for b in loaded_backends()):
        return Again({}, {n.path: "a mode or a hook of yours would see it" for n in found})
    planner = Planner(past, fresh)
    groups: list[tuple[Plan, list[NonFinite]]] = []
    reasons: dict[str, str] = {}
    for n in found:
        root, suffixes = paths[n.path]
        try:
            plan = planner.plan(root, suffixes)
        except RefusedError as refused:
            reasons[n.path] = str(refused)
            try:
                plan = planner.turn(root)
            except RefusedError:
                continue
        group = next((g for g in groups if g[0].takes_in(plan)), None)
        if group is None:
            groups.append((plan, [n]))
        else:
            group[1].append(n)
    seen: dict[str, Repeated] = {}
    until = time.monotonic() + MAX_SECONDS
    for plan, wanted in groups[:MAX_RUNS]:
        second = SecondRun(plan, past.execution, past.code, mark)
        second.run(until, on_slow)
        for n in wanted:
            try:
                seen[n.path] = second.compare(n)
                reasons.pop(n.path, None)
            except RefusedError as refused:
                reasons.setdefault(n.path, str(refused))
        second.close()
    return Again(seen, reasons)
