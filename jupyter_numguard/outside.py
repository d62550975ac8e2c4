"""Which code of the notebook most likely wrote a variable that no followed statement changed.

Two kinds of code run where no statement is followed: cells that ran while numguard was off or not loaded yet, and the
user's functions when a thread or a callback calls them. A place is named only where there is no second candidate.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType

from .access import access_of
from .codemap import CodeMap
from .model import ExecutionRef, Place
from .reach import functions_of
from .source import Source

_Compound = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
             ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # fmt: skip


def writer_of(
    name: str, unfollowed: Mapping[int, tuple[str, str]], values: Iterable[object], code: CodeMap
) -> Place | None:
    """The statement that most likely wrote the variable `name`; None where none or several may have.

    Args:
        unfollowed: Number of an execution that was not followed -> its text as the user sees it, and as it was compiled.
        values: Of the notebook's variables: functions, classes and bound methods among them.
    """
    for count, (raw, compiled) in sorted(unfollowed.items(), reverse=True):
        source = Source(raw, compiled)
        body = source.tree.body if source.tree is not None else []
        for node in reversed(body):
            if _writes(node, name):
                s = source.statement(node)
                return Place(ExecutionRef(count), None, s.line, s.code)
    found = {
        (p.execution, p.file, p.line): p for v in values for f in functions_of(v) for p in _in_function(name, f, code)
    }
    functions = {p.function for p in found.values()}
    return next(iter(found.values())) if len(functions) == 1 else None


def _in_function(name: str, function: FunctionType, code: CodeMap) -> Iterator[Place]:
    own = function.__code__
    if name not in own.co_names:  # a local of that name, or none
        return
    source = code.source_of(own, own.co_filename)
    cell = code.cell_of(own, own.co_filename)
    node = code.definition_of(own)
    if source is None or node is None:
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.stmt) and not isinstance(inner, _Compound) and _writes(inner, name):
            s = source.statement(inner)
            ref = cell.ref if cell is not None else None
            yield Place(ref, None if cell is not None else own.co_filename, s.line, s.code, own.co_name)


def _writes(node: ast.stmt, name: str) -> bool:
    """Whether a statement binds a name, stores into it, or calls a method of it for its effect (`x.fill_(0)`)."""
    access = access_of(node)
    if name in access.binds or any(path[0] == name for path in access.stores):
        return True
    for inner in ast.walk(node):
        if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            owner: ast.expr = inner.value.func
            while isinstance(owner, (ast.Attribute, ast.Subscript)):
                owner = owner.value
            if isinstance(owner, ast.Name) and owner.id == name and isinstance(inner.value.func, ast.Attribute):
                return True
    return False
