"""The last turn of a loop that cannot be run again as a whole: which statements of its body make one variable anew.

    for batch in loader:                    a generator: nobody can run it twice
        scores = model_of_someone(batch)    not run either; `scores` still holds what this turn computed
        loss = torch.log(scores).mean()     NaN, and made again from `scores`

What a turn bound is what its names hold after the loop, unless the same turn bound or changed them once more; what one turn
leaves for the next is gone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .closed_world import Judged, RefusedError


@dataclass(frozen=True, slots=True)
class Turn:
    """What makes a variable as the last turn did.

    Attributes:
        statements: In order.
        own: Names whose values are those of this turn: they are copied as they are now.
        outer: Names that the loop does not bind.
    """

    statements: tuple[ast.stmt, ...]
    own: frozenset[str]
    outer: frozenset[str]


def last_turn(loop: ast.For | ast.While, target: str, judge: Callable[[ast.stmt], Judged]) -> Turn:
    """The part of the last turn that `target` rests on.

    Args:
        judge: As `closed_world.judge`.

    Raises:
        RefusedError: It was not made in the body itself, or from what the turn before left.
    """
    body = loop.body
    binds = [_bound(node) for node in body]
    made = [i for i, node in enumerate(body) if isinstance(node, ast.Assign | ast.AnnAssign) and target in binds[i]]
    if not made or any(isinstance(n, ast.Break | ast.Continue) for node in body[: made[-1]] for n in ast.walk(node)):
        raise RefusedError("the loop does not make it in every turn")
    first = _bound(loop.target) if isinstance(loop, ast.For) else frozenset()
    steps: set[int] = set()
    own: set[str] = set()
    outer: set[str] = set()
    todo = [made[-1]]
    while todo:
        at = todo.pop()
        if at in steps:
            continue
        steps.add(at)
        for name in judge(body[at]).loads:
            before = [i for i in range(at) if name in binds[i]]
            if before and _is_judged(body[before[-1]], judge):
                todo.append(before[-1])
            elif before or name in first:
                since = body[before[-1] + 1 if before else 0 :]
                if any(name in b for b in binds[before[-1] + 1 if before else 0 :]) or _changes(since, name):
                    raise RefusedError(f"`{name}` is not what it was")
                own.add(name)
            elif any(name in b for b in binds):
                raise RefusedError(f"`{name}` is of the turn before")
            else:
                outer.add(name)
    return Turn(tuple(body[i] for i in sorted(steps)), frozenset(own), frozenset(outer))


def _is_judged(node: ast.stmt, judge: Callable[[ast.stmt], Judged]) -> bool:
    try:
        judge(node)
    except RefusedError:
        return False
    return True


def _bound(node: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))


def _changes(body: Sequence[ast.stmt], name: str) -> bool:
    """Whether a statement may change what the name leads to: writes below it, calls a method for its effect alone."""
    for node in (n for statement in body for n in ast.walk(statement)):
        if (
            isinstance(node, ast.Subscript | ast.Attribute)
            and not isinstance(node.ctx, ast.Load)
            and name in _roots([node])
        ):
            return True
        if isinstance(node, ast.Call):
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if (method.endswith("_") or any(k.arg == "out" for k in node.keywords)) and name in _names(node):
                return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name in _roots([node.value.func]):
            return True
    return False


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _roots(nodes: Iterable[ast.expr]) -> set[str]:
    out = set()
    for node in nodes:
        while isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name):
            out.add(node.id)
    return out
