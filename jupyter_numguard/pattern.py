"""The statements that form a finding's pattern: the failing one, those that bound what it reads, and its later readers."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Sequence

from .codemap import CodeMap
from .lineage import Answer
from .model import CallingScope, ExecutionRef, Origin, SourceStatement
from .source import Source, called, is_definition
from .statements import StatementRun
from .versions import Run, Version

MAX_STATEMENTS = 12
MAX_LATER = 24  # after the failing one: more, because what stands between the readers counts as well


def statements_of(
    answer: Answer, run: StatementRun | None, bindings: Sequence[Run], code: CodeMap
) -> tuple[tuple[SourceStatement, ...], tuple[SourceStatement, ...]]:
    """The failing statement and the earlier ones whose targets it reads, newest first; its later readers, oldest first.

    Inside a function only that function's own statements; at the top level also those of earlier cells, in the version
    that was read.

    Args:
        run: The statement behind the origin, as `lineage.run_of_origin` knows it.
        bindings: The statements that last bound each name that is there now, oldest first.
    """
    origin = answer.origin
    if origin is None or origin.kind == "external":
        return (), ()
    source = _source_of(answer, code)
    node = source.node_at(origin.line) if source is not None else None
    if source is None or node is None:
        return (), ()
    following = source.following(node)[:MAX_LATER]
    earlier = source.binders(node, following, MAX_STATEMENTS)
    out = [_statement(source, origin, n) for n in (node, *earlier)]
    later = [_statement(source, origin, n) for n in following]
    wanted = sorted({name for n in (node, *earlier, *following) for name in source.statement(n).reads})
    if origin.function is None and origin.execution is not None:
        later += _in_later_cells(origin.execution, bindings)[:MAX_LATER]
        if run is not None:
            out += _in_earlier_cells(run, wanted)[: MAX_STATEMENTS - len(out)]
    out += _functions(source, wanted, origin, bindings)
    return tuple(out), tuple(later)


def callers_of(
    answer: Answer, run: StatementRun | None, bindings: Sequence[Run], code: CodeMap
) -> tuple[CallingScope, ...]:
    """The scopes that called the failing function, nearest first, as far as their source is a cell's.

    Args:
        run, bindings: As for `statements_of`.
    """
    out: list[CallingScope] = []
    for frame in reversed(answer.origin.called_from if answer.origin is not None else ()):
        source = code.source_of_execution(frame.execution)
        node = source.node_at(frame.line) if source is not None else None
        if source is None or node is None or answer.origin is None:
            break
        around = dataclasses.replace(answer.origin, execution=frame.execution, line=frame.line, function=frame.function)
        nodes = source.binders(node, limit=MAX_STATEMENTS)
        wanted = sorted({name for n in (node, *nodes) for name in source.statement(n).reads})
        earlier = [_statement(source, around, n) for n in nodes]
        if frame.function is None and run is not None:
            earlier += _in_earlier_cells(run, wanted)[:MAX_STATEMENTS]
        earlier += _functions(source, wanted, around, bindings)
        out.append(CallingScope(_statement(source, around, node), tuple(earlier), source.text))
    return tuple(out)


def _functions(
    source: Source, names: Sequence[str], origin: Origin, bindings: Sequence[Run]
) -> Iterator[SourceStatement]:
    """The user's functions and classes that the statements call: of the same source; from inside a function, of other cells."""
    inside = origin.function is not None
    for n in source.definitions(names, origin.line):
        if inside or not isinstance(n, ast.Assign):  # at the top level they are among the binders
            yield dataclasses.replace(_statement(source, origin, n), function=None)
    todo = set(names)
    for run in reversed(bindings if inside else ()):
        s = run.statement
        if s is None or not s.binds & todo or run.execution.ref == origin.execution:
            continue
        body = ast.parse(s.text).body if s.text[:1].strip() else []
        if len(body) == 1 and is_definition(body[0]):
            todo |= set(called(body[0]))
            yield SourceStatement(run.execution.ref, s.line, s.end_line, s.text)


def source_around(answer: Answer, code: CodeMap) -> str:
    """The whole text of the cell or file that holds the failing statement."""
    source = _source_of(answer, code)
    return source.text if source is not None else ""


def _source_of(answer: Answer, code: CodeMap) -> Source | None:
    event = answer.event
    if event is not None and event.site is not None:
        return code.source_of(event.site.code, event.site.file)
    return code.source_of_execution(answer.origin.execution) if answer.origin is not None else None


def _in_earlier_cells(run: StatementRun, wanted: list[str]) -> list[SourceStatement]:
    """The statements of earlier executions that bound what was read, as it was then."""
    out: dict[int, SourceStatement] = {}
    todo = [(name, run.past) for name in wanted]
    while todo and len(out) < MAX_STATEMENTS:
        name, past = todo.pop(0)
        bound = _binding(name, past)
        if bound is None or bound.run.statement is None or id(bound.run) in out:
            continue
        ref, statement = bound.run.execution.ref, bound.run.statement
        todo += [(n, bound.parents) for n in sorted(statement.reads)]
        if ref != run.execution:
            out[id(bound.run)] = SourceStatement(ref, statement.line, statement.end_line, statement.text)
    return list(out.values())


def _binding(name: str, past: Sequence[Version]) -> Version | None:
    return max((v for v in past if v.change == "bound" and v.name == name), key=lambda v: v.order, default=None)


def _in_later_cells(execution: ExecutionRef, bindings: Sequence[Run]) -> list[SourceStatement]:
    """The statements of later executions that bound a name that still holds, oldest first."""
    begun = min((r.execution.order for r in bindings if r.execution.ref == execution), default=None)
    if begun is None:
        return []  # nothing of that execution holds any more: what came after it is not known
    return [
        SourceStatement(r.execution.ref, r.statement.line, r.statement.end_line, r.statement.text)
        for r in bindings
        if r.statement is not None and r.execution.order > begun
    ]


def _statement(source: Source, origin: Origin, node: ast.stmt) -> SourceStatement:
    first, last = node.lineno, node.end_lineno or node.lineno
    text = "\n".join(source.lines[first - 1 + source.offset : last + source.offset])
    return SourceStatement(origin.execution, first + source.offset, last + source.offset, text, origin.function)
