"""The forward line of a gradient whose forward pass ran before anybody listened: by its operation, if only one line has it.

The backward pass tells which operation's gradient was non-finite (`SqrtBackward0`), not where that operation stands. The
statements that the differentiated value was made by are known, functions and classes that they used included. Where exactly
one line of them holds that operation, it is named, as likely; else the statement that called backward stays.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from .codemap import CodeMap
from .lineage import Answer
from .model import Origin, Span
from .opnames import canonical_op
from .statements import StatementRun
from .versions import Version, ancestors

MAX_RUNS = 64
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Div: "div", ast.Pow: "pow", ast.Mult: "mul", ast.Add: "add", ast.Sub: "sub", ast.MatMult: "matmul",
}  # fmt: skip


def placed(answer: Answer, code: CodeMap) -> Answer:
    """The answer with the forward line, where it had only the statement that called backward and one line fits."""
    origin = answer.origin
    if origin is None or origin.kind != "op" or answer.run is None or not _is_unplaced(origin):
        return answer
    found = {
        (v.run.execution.ref, v.run.statement.line + node.lineno - 1): (v, node, function)
        for v in _made_by(answer.run)
        if v.run.statement is not None
        for node, function in _holding(v.run.statement.text, origin.op)
    }
    if len(found) != 1:
        return answer
    ((execution, line), (made, node, function)) = next(iter(found.items()))
    source = code.source_of_execution(execution)
    statement = source.node_at(line) if source is not None else None
    if source is None or statement is None:
        return answer
    shift = line - node.lineno
    end = (node.end_lineno or node.lineno) + shift
    text = source.text_at(line, node.col_offset, end, node.end_col_offset or 0)
    moved = dataclasses.replace(
        origin, execution=execution, file=None, line=line, code=source.statement(statement).code, function=function,
        span=Span(line, node.col_offset, end, node.end_col_offset or 0, text), confidence="likely",
    )  # fmt: skip
    event = dataclasses.replace(answer.event, site=None) if answer.event is not None else None
    run = dataclasses.replace(answer.run, execution=execution, statement=made.run.statement, past=made.parents)
    return dataclasses.replace(answer, origin=moved, event=event, run=run)


def _is_unplaced(origin: Origin) -> bool:
    """Whether its line is only that of the backward call."""
    back = origin.backward
    return (
        origin.phase == "backward"
        and back is not None
        and origin.native_op != "AccumulateGrad"
        and (origin.execution, origin.file, origin.line) == (back.execution, back.file, back.line)
    )


def _made_by(run: StatementRun) -> list[Version]:
    """What `run` read and what that was made by, definitions of functions and classes included; one per statement."""
    out = {id(v.run): v for v in ancestors(run.past) if v.change == "bound" and v.run.statement is not None}
    return list(out.values())[:MAX_RUNS]


def _walk(text: str) -> Iterator[ast.AST]:
    try:
        yield from ast.walk(ast.parse(text))
    except (SyntaxError, ValueError):  # a magic, a line that shares its statement with others
        return


def _holding(text: str, op: str) -> Iterator[tuple[ast.expr, str | None]]:
    """(expression, function it stands in) of every place that computes `op`."""
    functions = [n for n in _walk(text) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in _walk(text):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            is_it = canonical_op(called) == op
        else:
            is_it = isinstance(node, ast.BinOp) and _OPERATORS.get(type(node.op)) == op
        if is_it and isinstance(node, ast.expr):
            around = [f.name for f in functions if f.lineno <= node.lineno <= (f.end_lineno or f.lineno)]
            yield node, around[-1] if around else None
