"""The source texts of what one operation was given: `torch.log(f(a) + b)` was given `f(a) + b`.

A rewrite is tried on copies; an operand that has no name of its own (`policy(state)`, `xs[i]`) has its text, and its value
stood before the recorder when the operation ran. Texts are those of `ast.unparse`, so that spacing does not matter.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .model import Phase
from .opnames import canonical_op

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
}  # fmt: skip
_CONTAINERS = (list, tuple, dict, set, frozenset)
# Backward: operations whose autograd node keeps the first operand itself; of a power and a quotient the second one as well.
_KEEPS_OPERAND = frozenset("pow log log2 log10 log1p acos asin atanh acosh norm".split())
# Of these it keeps the result: the operand is what gives it (0 exactly, other numbers to their last digits).
_FROM_RESULT: dict[str, Callable[[Any], Any]] = {"sqrt": lambda r: r * r, "rsqrt": lambda r: 1 / (r * r)}


def texts_of_operands(
    node: ast.AST | None, op: str, phase: Phase, count: int, is_module: Callable[[str], bool]
) -> Sequence[str | None]:
    """One text per live operand, in their order; None where it is a constant or cannot be told.

    Args:
        node: The expression that ran the operation.
        op: Its canonical name; another operation on the same expression (a library's inner one) has no texts.
        count: How many operands were handed over.
        is_module: Whether a dotted name is a module: `torch.log(x)` is given x, `z.log()` is given z.
    """
    nodes = _given(node, op, is_module)
    if phase == "backward":
        nodes = _kept(nodes, op, count)
        count = len(nodes)
    if isinstance(node, ast.AugAssign) and count == 1:
        nodes = nodes[1:]  # the overwritten one is not among the live ones
    if len(nodes) != count:
        nodes = nodes[: min(count, 1)] if len(nodes) > count else []
    return [None if isinstance(n, ast.Constant) else ast.unparse(n) for n in nodes]


def operand_kept(op: str, phase: Phase, kept: Any) -> Any:
    """The operand itself, of what the backward pass has of it."""
    return _FROM_RESULT[op](kept) if phase == "backward" and op in _FROM_RESULT else kept


def lengths_of(values: Mapping[str, Any]) -> dict[str, int]:
    """How long Python's own containers are, by the text that asks: `len(docs)` is a number, whatever `docs` holds."""
    return {f"len({path})": len(value) for path, value in values.items() if type(value) in _CONTAINERS}


def _kept(nodes: list[ast.expr], op: str, count: int) -> list[ast.expr]:
    """The operands that the autograd node kept, in the order in which they were handed over, before the gradient."""
    if op in ("pow", "div") and count > 2:
        return nodes[:2]
    if op == "div":
        return nodes[1:2]  # only the divisor: the dividend needs no gradient of its own
    return nodes[:1] if op in _KEEPS_OPERAND or op in _FROM_RESULT else []


def _given(node: ast.AST | None, op: str, is_module: Callable[[str], bool]) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and _OPERATORS.get(type(node.op)) == op:
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign) and _OPERATORS.get(type(node.op)) == op:
        return [node.target, node.value]
    if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
        return []
    if isinstance(node.func, ast.Name):
        return list(node.args) if canonical_op(node.func.id) == op else []
    if not isinstance(node.func, ast.Attribute) or canonical_op(node.func.attr) != op:
        return []
    owner = node.func.value
    return list(node.args) if is_module(ast.unparse(owner)) else [owner, *node.args]
