"""A second run of statements, traced, in a namespace of copies: what it made, and whether it is what the user's run made.

Who calls it has judged the statements (`closed_world.py`) and made the copies (`twins.py`).
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from . import snapshot
from .backends import loaded_backends
from .closed_world import BUILTINS, Plain, RefusedError
from .codemap import Cell, CodeMap
from .nonfinite import NonFinite
from .numerics import array, unheard
from .opevents import Key, OpEvent
from .oplog import OpLog
from .record import Recorder
from .twins import MAX_BYTES
from .versions import Execution, Run

MAX_SECONDS = 10.0  # of all second runs after one cell
SLOW = 1.0  # seconds after which one says so


class _TooLongError(BaseException):
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
class Step:
    """A statement to run again, and the cell that it stands in; `output` is the name of what it displayed ("Out[7]")."""

    run: Run
    node: ast.stmt
    cell: Cell
    output: str | None


@dataclass(slots=True)
class Plan:
    """What is run again for one variable, and on what.

    Attributes:
        steps: By (order of the execution, position in it, position in its body).
        twins: Copies by name.
        is_turn: Only the last turn of a loop: how many were before is not known.
    """

    steps: dict[tuple[int, int, int], Step] = field(default_factory=dict)
    twins: dict[str, object] = field(default_factory=dict)
    is_turn: bool = False

    def takes_in(self, other: Plan) -> bool:
        """Whether running this plan does what `other` does, on the same copies."""
        return (
            self.is_turn == other.is_turn
            and other.steps.keys() <= self.steps.keys()
            and other.twins.keys() <= self.twins.keys()
        )


class SecondRun:
    """The namespace of a second run: copies, and what the statements make of them."""

    def __init__(
        self, plan: Plan, execution: Execution, code: CodeMap, mark: Callable[[OpLog, str, Key], None]
    ) -> None:
        """Prepare.

        Args:
            execution: The one that just ended.
            mark: Tells the log what is known of a copy (path, memory) that was non-finite before the cell.
        """
        self._steps = [plan.steps[at] for at in sorted(plan.steps)]
        self._is_turn = plan.is_turn
        self._execution = execution
        self._code = code
        self._space: dict[str, Any] = dict(plan.twins)
        self._globals: dict[str, Any] = {}
        self._given_up: str | None = None
        self._slow = 0.0
        self._on_slow: Callable[[], None] = lambda: None
        self._recorder = Recorder(code.names_at)
        for leaf in self._leaves():
            mark(self._recorder.log, leaf.path, leaf.key)
        self._end = 0.0

    def _leaves(self) -> Sequence[snapshot.Leaf]:
        return snapshot.walk(self._space, loaded_backends()).leaves

    def run(self, until: float, on_slow: Callable[[], None]) -> None:
        """Run the statements; what an error or the clock stopped is left as it is.

        Args:
            until: A time of `time.monotonic`.
            on_slow: Called once, when it has taken a second.
        """
        codes = [(step, self._compiled(step)) for step in self._steps]
        space = {"__builtins__": {**BUILTINS, Plain.TICK: self._tick}, "__name__": "__numguard_again__", **self._space}
        self._end, self._slow, self._on_slow = until, time.monotonic() + SLOW, on_slow
        log = self._recorder.log
        with unheard():
            try:
                self._recorder.start()
                for step, code in codes:
                    log.statement = step.run.index if step.run.execution is self._execution else -1
                    self._recorder.refresh()
                    value = eval(code, space)
                    if step.output is not None:
                        space[step.output] = value
            except _TooLongError:
                self._given_up = f"it took more than {MAX_SECONDS:.0f} seconds"
            except KeyboardInterrupt:  # of this run, not of the cell, which is done: the report is still wanted
                self._given_up = "it was interrupted"
            except Exception:  # the user's statement may have raised as well: what it had made by then counts
                pass
            finally:
                self._recorder.stop()
        if self._is_turn:
            for event in log.events:
                event.occurrence = 0
        self._globals = space
        self._space = {n: v for n, v in space.items() if not n.startswith("__")}

    def _tick(self) -> None:
        now = time.monotonic()
        if now > self._end:
            raise _TooLongError
        if now > self._slow:
            self._slow = self._end + 1.0
            self._on_slow()

    def close(self) -> None:
        """Let go of the copies: functions and the namespace that they were defined in hold each other."""
        self._globals.clear()
        self._space.clear()

    def _compiled(self, step: Step) -> CodeType:
        node, file = Plain().visit(copy.deepcopy(step.node)), self._code.file_of(step.cell)
        if step.output is not None and isinstance(node, ast.Expr):
            code = compile(ast.Expression(node.value), file, "eval")
        else:
            code = compile(ast.Module([node], []), file, "exec")
        self._code.add(code, step.cell)
        return code

    def compare(self, n: NonFinite) -> Repeated:
        """The event behind a variable, if the second run made the same of it.

        Raises:
            RefusedError: It did not.
        """
        if self._given_up is not None:
            raise RefusedError(self._given_up)
        leaf = next((leaf for leaf in self._leaves() if leaf.path == n.leaf), None)
        if leaf is None or n.value is None:
            raise RefusedError("it was not made a second time")
        mine = leaf.value
        if leaf.elements:
            at = int(n.path[len(n.leaf) + 1 : -1])
            mine = mine[at] if at < len(mine) else 0.0
        if not is_same(n.value, mine, n):
            raise RefusedError("the second time it was something else")
        log = self._recorder.log
        event = event_behind(log, leaf.key, n)
        if event is None:
            raise RefusedError("the second time no operation was seen")
        names = snapshot.aliases_of(snapshot.walk(self._space, loaded_backends()))
        return Repeated(event, log, leaf.key, names)


def event_behind(log: OpLog, key: Key, n: NonFinite) -> OpEvent | None:
    """What left a memory non-finite. numpy and Python's numbers are known by their signals only: it is the first of these."""
    event = log.event_of(key)
    if event is None and n.tensor.framework in ("python", "numpy"):
        event = next(iter((*log.escaped, *log.signals())), None)
    return event


def is_same(theirs: Any, mine: Any, n: NonFinite) -> bool:
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
