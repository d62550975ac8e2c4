"""The lineage of one finding as rows, and the statements that form its pattern."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable

from .codemap import CodeMap
from .lineage import Answer, Lineage, Version
from .model import Counts, ExecutionRef, Origin, Place, SourceStatement, Step, StepEvent, StepState, TensorSummary
from .oplog import OpEvent
from .source import Source

MAX_STEPS = 40  # newest and oldest are kept: the middle of a longer chain only passes values on
MAX_STATEMENTS = 8
MAX_LATER = 24  # after the failing one: more, because what stands between the readers counts as well


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
    rows += _inputs(origin, answer, lineage, code)
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


def _inputs(origin: Origin | None, answer: Answer, lineage: Lineage, code: CodeMap) -> list[Step]:
    """What the origin's statement read: the statements that bound the names, else the operands as measured."""
    if origin is None or origin.kind == "introduced":
        return []
    measured = {o.variable: o for o in origin.operands if o.variable is not None}
    rows: list[Step] = []
    told: set[str] = set()
    for s in statements_of(answer, lineage, code)[0][1:]:
        name = _bound_by(s.source)
        if name is None or name in told:
            continue
        run = lineage.last_bound.get(name) if s.function is None else None
        looked = [seen for seen in run.seen if seen.root == name] if run is not None else []
        operand = measured.get(name)
        if operand is None and not looked and s.function is None:
            continue  # no tensor: a module, a function, a number of steps
        told.add(name)
        if operand is not None:
            state: StepState = "nonfinite" if operand.nan or operand.posinf or operand.neginf else "finite"
        else:
            state = "unknown" if not looked else "nonfinite" if any(seen.nonfinite for seen in looked) else "finite"
        place = Place(s.execution, origin.file if s.execution is None else None, s.line, s.source.strip(), s.function)
        rows.append(_row(place, name, "bound", state, _counts(operand)))
    for name, operand in measured.items():
        if name not in told and not (operand.nan or operand.posinf or operand.neginf):
            rows.append(_row(_place(origin), name, "read", "finite", _counts(operand)))
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
        where = (r.execution, r.file, r.line)
        out.setdefault(where if r.state == "nonfinite" else (*where, r.variable), r)
    return list(out.values())


def _bounded(rows: list[Step]) -> tuple[Step, ...]:
    half = MAX_STEPS // 2
    return tuple(rows if len(rows) <= MAX_STEPS else rows[:half] + rows[-half:])


def statements_of(
    answer: Answer, lineage: Lineage, code: CodeMap
) -> tuple[tuple[SourceStatement, ...], tuple[SourceStatement, ...]]:
    """The failing statement and the earlier ones whose targets it reads, newest first; its later readers, oldest first.

    Inside a function only that function's own statements; at the top level also those of earlier cells.
    """
    origin, run = answer.origin, answer.run
    if origin is None:
        return (), ()
    source = _source_of(answer, code)
    node = source.node_at(origin.line) if source is not None else None
    if source is None or node is None:
        return (), ()
    earlier = source.binders(node, MAX_STATEMENTS)
    out = [_statement(source, origin, n) for n in (node, *earlier)]
    later = [_statement(source, origin, n) for n in source.following(node)[:MAX_LATER]]
    if origin.function is None and origin.execution is not None:
        later += _in_later_cells(origin.execution, lineage)[:MAX_LATER]
    wanted = {name for n in (node, *earlier) for name in source.statement(n).reads}
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
    return tuple(out), tuple(later)


def source_around(answer: Answer, code: CodeMap) -> str:
    """The whole text of the cell or file that holds the failing statement."""
    source = _source_of(answer, code)
    return source.text if source is not None else ""


def _source_of(answer: Answer, code: CodeMap) -> Source | None:
    event = answer.event
    if event is not None and event.site is not None:
        return code.source_of(event.site.code, event.site.file)
    return code.source_of_execution(answer.origin.execution) if answer.origin is not None else None


def _in_later_cells(execution: ExecutionRef, lineage: Lineage) -> list[SourceStatement]:
    """The statements of later executions that bound a name that still holds, oldest first."""
    runs = {id(r): r for r in lineage.last_bound.values()}
    begun = min((r.order for r in runs.values() if r.execution == execution), default=None)
    if begun is None:
        return []  # nothing of that execution holds any more: what came after it is not known
    return [
        SourceStatement(r.execution, r.statement.line, r.statement.end_line, r.statement.text)
        for r in sorted(runs.values(), key=lambda r: r.order)
        if r.statement is not None and r.order > begun and r.execution != execution
    ]


def _statement(source: Source, origin: Origin, node: ast.stmt) -> SourceStatement:
    first, last = node.lineno, node.end_lineno or node.lineno
    text = "\n".join(source.lines[first - 1 + source.offset : last + source.offset])
    return SourceStatement(origin.execution, first + source.offset, last + source.offset, text, origin.function)
