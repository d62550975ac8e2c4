"""The lineage of one finding as rows, and the statements that form its pattern: what a person reads from the top down."""

from __future__ import annotations

from collections.abc import Iterable

from .codemap import CodeMap
from .lineage import Answer, Lineage, StatementRun, Version
from .model import Counts, Origin, Place, SourceStatement, Step, StepEvent, StepState, TensorSummary
from .oplog import OpEvent
from .source import Source

MAX_STEPS = 40  # newest and oldest are kept: the middle of a longer chain only passes values on
MAX_STATEMENTS = 8


def steps_of(
    variable: str, counts: Counts, version: Version | None, answer: Answer, lineage: Lineage, code: CodeMap
) -> tuple[Step, ...]:
    """Rows from the variable back through its origin to the finite values that went in, newest first."""
    rows: list[Step] = []
    if version is not None and version.run is not None:
        run = version.run
        rows.append(_row(run.place, variable, "bound" if version.root in run.binds else "mutated", "nonfinite", counts))
    for parent in _ancestors(version):
        if parent.run is not None:
            rows.append(
                _row(
                    parent.run.place,
                    parent.path,
                    "bound" if parent.root in parent.run.binds else "mutated",
                    "nonfinite",
                )
            )
    for event in answer.chain:
        if event.site is not None:
            rows.append(_event_row(event, code))
    origin = answer.origin
    if origin is not None and not any(_same_place(r, origin) for r in rows):
        name = (origin.result.variable if origin.result is not None else None) or variable
        rows.append(_row(_place(origin), name, "introduced" if origin.kind == "introduced" else "bound", "nonfinite"))
    rows += _finite_inputs(origin, answer.run, lineage)
    return _bounded(_unique(rows))


def _ancestors(version: Version | None) -> list[Version]:
    out: list[Version] = []
    todo = list(version.parents) if version is not None else []
    while todo and len(out) < MAX_STEPS:
        v = todo.pop(0)
        if v not in out and v is not version:
            out.append(v)
            todo += v.parents
    return sorted(out, key=lambda v: -(v.run.order if v.run is not None else 0))


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


def _finite_inputs(origin: Origin | None, run: StatementRun | None, lineage: Lineage) -> list[Step]:
    """What the origin's statement read: operands as measured, then the statements that bound the names."""
    if origin is None:
        return []
    rows = []
    for operand in origin.operands:
        if operand.variable is not None and not (operand.nan or operand.posinf or operand.neginf):
            rows.append(_row(_place(origin), operand.variable, "read", "finite", _counts(operand)))
    if run is None:
        return rows
    seen = {r.variable for r in rows}
    todo, depth = [run], 0
    while todo and depth < 3 and len(rows) < MAX_STEPS:
        depth += 1
        following: list[StatementRun] = []
        for r in todo:
            for name in sorted(r.statement.reads if r.statement is not None else ()):
                bound = lineage.last_bound.get(name)
                if bound is None or bound.order >= r.order or name in seen or bound.statement is None:
                    continue
                if not any(s.root == name for s in bound.seen):
                    continue  # no tensor: a module, a function, a number of steps
                seen.add(name)
                bad = any(s.nonfinite for s in bound.seen if s.root == name)
                rows.append(_row(bound.place, name, "bound", "nonfinite" if bad else "finite"))
                following.append(bound)
        todo = following
    return rows


def _row(place: Place, variable: str, event: StepEvent, state: StepState, counts: Counts | None = None) -> Step:
    return Step(place.execution, place.file, place.line, place.code, variable, event, state, counts)


def _place(origin: Origin) -> Place:
    return Place(origin.execution, origin.file, origin.line, origin.code, origin.function, origin.span)


def _same_place(row: Step, origin: Origin) -> bool:
    return (row.execution, row.file, row.line) == (origin.execution, origin.file, origin.line)


def _unique(rows: Iterable[Step]) -> list[Step]:
    """One row per (place, variable), and of a non-finite one per place: a statement is told once."""
    out: dict[object, Step] = {}
    for r in rows:
        where = (r.execution, r.file, r.line)
        out.setdefault((*where, r.variable) if r.state != "nonfinite" else where, r)
    return list(out.values())


def _bounded(rows: list[Step]) -> tuple[Step, ...]:
    half = MAX_STEPS // 2
    return tuple(rows if len(rows) <= MAX_STEPS else rows[:half] + rows[-half:])


def statements_of(answer: Answer, lineage: Lineage, code: CodeMap) -> tuple[SourceStatement, ...]:
    """The failing statement, then the earlier ones whose targets it reads, transitively, newest first.

    Inside a function only that function's own statements; at the top level also those of earlier cells.
    """
    origin, run, event = answer.origin, answer.run, answer.event
    if origin is None:
        return ()
    if event is not None and event.site is not None:
        source = code.source_of(event.site.code, event.site.file)
    else:
        source = code.source_of_execution(origin.execution)
    if source is None:
        return ()
    node = source.node_at(origin.line)
    if node is None:
        return ()
    out = [_statement(source, origin, node.lineno, node.end_lineno or node.lineno)]
    wanted = set(source.statement(node).reads)
    for earlier in source.binders(node, MAX_STATEMENTS):
        out.append(_statement(source, origin, earlier.lineno, earlier.end_lineno or earlier.lineno))
        wanted |= source.statement(earlier).reads
    todo = sorted(wanted) if origin.function is None else []
    seen: set[int] = set()
    while todo and len(out) < MAX_STATEMENTS:
        bound = lineage.last_bound.get(todo.pop(0))
        if bound is None or id(bound) in seen or bound.statement is None or bound.execution == origin.execution:
            continue
        if run is not None and bound.order >= run.order:
            continue
        seen.add(id(bound))
        s = bound.statement
        out.append(SourceStatement(bound.execution, s.line, s.end_line, s.text))
        todo += sorted(s.reads)
    return tuple(out)


def _statement(source: Source, origin: Origin, first: int, last: int) -> SourceStatement:
    text = "\n".join(source.lines[first - 1 + source.offset : last + source.offset])
    return SourceStatement(origin.execution, first + source.offset, last + source.offset, text, origin.function)
