"""What `%numguard lineage VARIABLE` answers: the executions that a variable rests on, and the steps, with what must be said."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .errors import UsageError
from .executions import Executions
from .expressions import Path, path_of
from .model import Step
from .steps import step_of, told_once
from .versions import MAX_EXECUTIONS, Version, executions_of

MAX_STEPS = 200  # rows of one answer


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


def parse(variable: str, values: Mapping[str, object], resolved: Callable[[Path], Path]) -> Path:
    """The name and the suffixes of a path as the user types it.

    Args:
        values: Every name that is followed.
        resolved: Gives an output its own name: `_` may be `Out[7]`.

    Raises:
        UsageError: it is none, or there is no such variable; the message lists close names.
    """
    try:
        path = path_of(ast.parse(variable, mode="eval").body)
    except (SyntaxError, ValueError):
        path = None
    if path is None:
        raise UsageError(f'{variable!r} is no variable or path such as loss, model.fc.weight, history["loss"]')
    path = resolved(path)
    if path[0] not in values:
        close = difflib.get_close_matches(path[0], list(values), n=5) or sorted(values)[:10]
        names = ", ".join(close) or "(the notebook is empty)"
        raise UsageError(f"there is no variable {path[0]!r}; did you mean: {names}?")
    return path


def answer(variable: str, past: Sequence[Version], executions: Executions) -> LineageAnswer:
    """The answer for a variable that rests on these versions, newest first."""
    steps = [step_of(v, is_stale=executions.is_stale(v.run.execution)) for v in told_once(past)]
    notes = []
    if overlaps := {e for v in past for e in v.run.execution.overlaps}:
        cells = ", ".join(f"In [{c}]" for c in executions.counts_of(overlaps))
        notes.append(f"ran beside other cells, so that either may have changed it: {cells}")
    unseen = sum({id(v.run.execution): v.run.execution.unseen for v in past}.values())
    if unseen:
        notes.append(f"{unseen:,} objects were not looked at")
    if any(v.forgotten for v in past):
        notes.append(f"of executions more than {MAX_EXECUTIONS:,} cells ago only the numbers are known")
    if len(steps) > MAX_STEPS:
        notes.append(f"{len(steps) - MAX_STEPS:,} steps in the middle are left out")
        steps = steps[: MAX_STEPS // 2] + steps[-MAX_STEPS // 2 :]
    return LineageAnswer(variable, tuple(executions_of(past)), tuple(steps), tuple(notes))
