"""The lineage of a variable as rows, newest first: of a finding through its origin to what went in, of any variable all of it."""

from __future__ import annotations

import ast
import dataclasses
import re
import textwrap
from collections.abc import Iterable

from .codemap import CodeMap
from .lineage import Answer, NonFiniteVersion, ancestry, run_of_origin
from .model import Counts, Origin, Place, SourceStatement, Step, StepEvent, StepState, TensorSummary
from .opevents import OpEvent
from .statements import StatementRun
from .versions import Version, ancestors

MAX_STEPS = 40  # newest and oldest are kept: the middle of a longer chain only passes values on


def steps_of(
    variable: str,
    counts: Counts,
    version: NonFiniteVersion | None,
    answer: Answer,
    pattern: Iterable[SourceStatement],
    code: CodeMap,
) -> tuple[Step, ...]:
    """Rows from the variable back through its origin to the finite values that went in, newest first.

    Args:
        pattern: The failing statement and the earlier ones in its function, which bound what it read.
    """
    chain = [] if version is None else [version, *ancestry(version)]
    rows = [_became(v, v is version, variable, counts) for v in chain]
    rows += [_event_row(event, code) for event in answer.chain if event.site is not None]
    origin = answer.origin
    if origin is not None and not any(_same_place(r, origin) for r in rows):
        known = chain[-1].path if chain else variable
        name = (origin.result.variable if origin.result is not None else None) or known
        rows.append(_row(_place(origin), name, _EVENT_OF.get(origin.kind, "bound"), "nonfinite"))
    measured = {o.variable: o for o in origin.operands if o.variable is not None} if origin is not None else {}
    if origin is not None and origin.function is not None and origin.kind != "introduced":
        rows += _locals(origin, measured, pattern)
    oldest = run_of_origin(answer, version)
    before = _before(oldest, measured) if oldest is not None else []
    told = {r.variable for r in (*rows, *before)}
    if origin is not None and origin.kind != "introduced":
        rows += [
            _row(_place(origin), name, "read", "finite", _counts(o))
            for name, o in measured.items()
            if name not in told and not (o.nan or o.posinf or o.neginf)
        ]
    return _bounded(_unique(rows + before))


_EVENT_OF: dict[str, StepEvent] = {"introduced": "introduced", "external": "external"}


def _became(v: NonFiniteVersion, is_variable: bool, variable: str, counts: Counts) -> Step:
    event: StepEvent = "external" if v.run.is_outside else "bound" if v.root in v.run.binds else "mutated"
    if is_variable:
        return _row(v.run.place, variable, event, "nonfinite", counts)
    return _row(v.run.place, v.path, event, "nonfinite", v.counts)


def _event_row(event: OpEvent, code: CodeMap) -> Step:
    assert event.site is not None
    place = code.place_of(event.site)
    name = (event.result.variable if event.result is not None else None) or event.op
    introduced: StepEvent = "introduced" if event.kind in ("written", "uninitialised") else "bound"
    return _row(place, name, introduced, "nonfinite", _counts(event.result))


def _counts(summary: TensorSummary | None) -> Counts | None:
    if summary is None or summary.size is None:
        return None
    return Counts(summary.size, summary.nan or 0, summary.posinf or 0, summary.neginf or 0)


def _before(run: StatementRun, measured: dict[str, TensorSummary]) -> list[Step]:
    """What the statement behind the origin read, back to the first cells: tensors, and what came from outside."""
    rows = []
    past = ancestors(run.past)
    if len(past) > 8 * MAX_STEPS:  # what would be left out of the middle anyway
        past = past[: 4 * MAX_STEPS] + past[-4 * MAX_STEPS :]
    for v in told_once(past):
        if v.state == "unknown" and v.change != "external":
            continue  # no tensor: a module, a function, a number of steps
        row = step_of(v)
        operand = measured.get(v.name)
        if operand is not None and row.counts is None and row.state == "finite":
            row = dataclasses.replace(row, counts=_counts(operand))
        rows.append(row)
    return rows


def _locals(origin: Origin, measured: dict[str, TensorSummary], pattern: Iterable[SourceStatement]) -> list[Step]:
    """The statements of the origin's function that bound its operands, as they were measured."""
    rows: list[Step] = []
    told: set[str] = set()
    for s in pattern:
        name = _bound_by(s.source)
        operand = measured.get(name) if name is not None else None
        if name is None or operand is None or name in told or s.function is None:
            continue
        told.add(name)
        state: StepState = "nonfinite" if operand.nan or operand.posinf or operand.neginf else "finite"
        place = Place(s.execution, origin.file if s.execution is None else None, s.line, s.source.strip(), s.function)
        rows.append(_row(place, name, "bound", state, _counts(operand)))
    return rows


def _bound_by(source: str) -> str | None:
    """The name that an assignment binds."""
    try:
        (node,) = ast.parse(textwrap.dedent(source)).body
    except (SyntaxError, ValueError):
        return None
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return ast.unparse(target) if isinstance(target, ast.Name) else None


def _row(place: Place, variable: str, event: StepEvent, state: StepState, counts: Counts | None = None) -> Step:
    return Step(place.execution, place.file, place.line, place.code, variable, event, state, counts)


def _place(origin: Origin) -> Place:
    return Place(origin.execution, origin.file, origin.line, origin.code, origin.function, origin.span)


def _same_place(row: Step, origin: Origin) -> bool:
    return (row.execution, row.file, row.line) == (origin.execution, origin.file, origin.line)


def _unique(rows: Iterable[Step]) -> list[Step]:
    """One row per variable and place, and one non-finite row per place: a statement is told once."""
    out: dict[object, Step] = {}
    for r in rows:
        where = (r.execution, r.file, r.line, r.event == "external")
        out.setdefault(where if r.state == "nonfinite" else (*where, r.variable), r)
    return list(out.values())


def _bounded(rows: list[Step]) -> tuple[Step, ...]:
    half = MAX_STEPS // 2
    return tuple(rows if len(rows) <= MAX_STEPS else rows[:half] + rows[-half:])


# --- rows of versions -------------------------------------------------------------------------------------------------
def step_of(v: Version, *, is_stale: bool = False) -> Step:
    """One version as a row."""
    event: StepEvent = "mutated" if v.change == "mutated" else "external" if v.change == "external" else "bound"
    if event == "bound" and v.run.is_introducing and v.state == "nonfinite":
        event = "introduced"
    return Step(v.run.execution.ref, None, v.run.line, v.run.code, v.name, event, v.state, v.counts, is_stale)


def told_once(versions: Iterable[Version]) -> list[Version]:
    """One version per statement run, event and variable; many parts of one variable become one row."""
    rows: dict[tuple[int, str, str], list[Version]] = {}
    for v in versions:
        rows.setdefault((id(v.run), v.change, root_of(v.name)), []).append(v)
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
    return distinct[0] if len(distinct) == 1 else root_of(distinct[0])


def root_of(path: str) -> str:
    """The name that a path starts with; "Out[7]" is one."""
    found = re.match(r"Out\[\d+\]|[^.\[]*", path)
    return found[0] if found is not None else path
