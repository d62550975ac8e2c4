"""Which names a statement reads from before it: what a loop binds in each round before it reads it does not come from there."""

from __future__ import annotations

import ast
from collections.abc import Iterable

Flow = tuple[set[str], set[str]]  # names read from before, names bound for certain once it ended normally


def bound_first(node: ast.stmt) -> frozenset[str]:
    """Names that `node` loads, but never with the value that they had before it.

    Only a compound statement has such names. In doubt a name is left out: a branch that may be skipped binds nothing for
    certain, and neither does a loop, which may have no round.
    """
    return frozenset(_loaded(ast.walk(node)) - _flow(node)[0])


def _flow(node: ast.stmt) -> Flow:
    match node:
        case ast.For() | ast.AsyncFor():
            reads = _in_turn(node.body, _stored(node.target))[0] | _in_turn(node.orelse)[0]
            return _loaded(ast.walk(node.iter)) | _loaded(ast.walk(node.target)) | reads, set()
        case ast.While():
            return _loaded(ast.walk(node.test)) | _in_turn(node.body)[0] | _in_turn(node.orelse)[0], set()
        case ast.If():
            (reads, bound), (other_reads, other_bound) = _in_turn(node.body), _in_turn(node.orelse)
            return _loaded(ast.walk(node.test)) | reads | other_reads, bound & other_bound
        case ast.With() | ast.AsyncWith():
            targets = {name for item in node.items if item.optional_vars for name in _stored(item.optional_vars)}
            reads, bound = _in_turn(node.body, targets)
            return {name for item in node.items for name in _loaded(ast.walk(item))} | reads, bound | targets
        case ast.Try() | ast.TryStar():
            parts = [node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody]
            types = {name for h in node.handlers if h.type is not None for name in _loaded(ast.walk(h.type))}
            return types.union(*(_in_turn(part)[0] for part in parts)), _in_turn(node.finalbody)[1]
        case ast.Match():
            return _loaded(ast.walk(node)), set()
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return _loaded(ast.walk(node)), {node.name}
    return _loaded(ast.walk(node)), _bound_by(node)


def _in_turn(body: Iterable[ast.stmt], bound: Iterable[str] = ()) -> Flow:
    """Statements one after another, with `bound` bound before the first."""
    reads: set[str] = set()
    known = set(bound)
    for statement in body:
        more, binds = _flow(statement)
        reads |= more - known
        known |= binds
    return reads, known


def _bound_by(node: ast.stmt) -> set[str]:
    match node:
        case ast.Assign():
            return {name for target in node.targets for name in _stored(target)}
        case ast.AnnAssign() if node.value is not None:
            return _stored(node.target)
        case ast.Import() | ast.ImportFrom():
            return {(a.asname or a.name).split(".")[0] for a in node.names}
    return set()


def _stored(target: ast.expr) -> set[str]:
    """Names that an assignment to `target` binds: not those of an element or an attribute."""
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _loaded(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for n in nodes:
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
            names.add(n.id)
        elif isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
            names.add(n.target.id)
    return names
