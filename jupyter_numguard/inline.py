"""What the user wrote as the expression that it means: a small function's call as what it returns, a product without its sign.

`softmax(z)` is then `e / e.sum()`, written in its body. Only functions that bind names and then return: no loop, no branch,
no default that the call leaves open but a constant.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping

from .terms import Parsed


def function_named(name: str, parsed: Parsed | None) -> ast.FunctionDef | ast.Lambda | None:
    """The function that a statement binds to this name: `def name(…)` or `name = lambda …`."""
    for statement in parsed.body if parsed is not None else ():
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return statement
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Lambda)
            and any(isinstance(t, ast.Name) and t.id == name for t in statement.targets)
        ):
            return statement.value
    return None


def inlined(call: ast.Call, function: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    """What the call computes, in the caller's names; None where the function is more than an expression.

    The caller's arguments stand in it as the very nodes of the call; everything else is a copy, marked by `is_made`.
    """
    given = _arguments(call, function.args)
    if given is None or getattr(function, "decorator_list", []):
        return None
    if isinstance(function, ast.Lambda):
        return _put(function.body, given)
    for statement in function.body:
        match statement:
            case ast.Expr(value=ast.Constant()):  # a docstring
                continue
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                given = {**given, name: _put(value, given)}
            case ast.Return(value=ast.expr() as value):
                return _put(value, given)
            case _:
                return None
    return None


def is_made(node: ast.AST) -> bool:
    """Whether a node was made here and stands nowhere in the user's source: the 2 of `square(x)`, a body written out."""
    return getattr(node, "numguard_made", False) or not hasattr(node, "lineno")


def negated(node: ast.expr) -> ast.expr | None:
    """What a product, quotient or difference is the negative of: `k * x` of `-k * x`, `x - c` of `c - x`."""
    match node:
        case ast.BinOp(left=ast.UnaryOp(op=ast.USub(), operand=left), op=ast.Mult() | ast.Div() as op, right=right):
            made = ast.BinOp(left, op, right)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=ast.UnaryOp(op=ast.USub(), operand=right)):
            made = ast.BinOp(left, op, right)
        case ast.BinOp(left=left, op=ast.Sub() as op, right=right):
            made = ast.BinOp(right, op, left)
        case _:
            return None
    made.numguard_made = True  # type: ignore[attr-defined]
    return made


def _arguments(call: ast.Call, parameters: ast.arguments) -> dict[str, ast.expr] | None:
    if parameters.vararg or parameters.kwarg or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    names = [p.arg for p in (*parameters.posonlyargs, *parameters.args)]
    defaults = dict(zip(reversed(names), reversed(parameters.defaults), strict=False))
    names += [p.arg for p in parameters.kwonlyargs]
    defaults |= {p.arg: d for p, d in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if d is not None}
    given = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in names or keyword.arg in given:
            return None
        given[keyword.arg] = keyword.value
    if len(call.args) > len(names):
        return None
    for name in set(names) - set(given):
        if name not in defaults:
            return None
        given[name] = _put(defaults[name], {})
    return given


class _Put(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.given.get(node.id, node)


def _put(body: ast.expr, given: Mapping[str, ast.expr]) -> ast.expr:
    body = copy.deepcopy(body)
    for node in ast.walk(body):
        node.numguard_made = True  # type: ignore[attr-defined]
    made: ast.expr = _Put(given).visit(body)
    return made
