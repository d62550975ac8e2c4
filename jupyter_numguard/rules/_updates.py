"""How a program updates what it trains, as its source says: the statement, its rate, its sign, what clears gradients."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_numguard.model import LineagePath
from jupyter_numguard.terms import parse

_STEPS = re.compile(r"\.(?:step|apply_gradients|minimize|fit|train_on_batch)\(|\bapply_updates\(")
_CLEARS = re.compile(
    r"zero_grad|\.grad\s*=\s*None|\.grad\.zero_|\.grad\.fill_|\.grad\s*=\s*torch\.zeros|\.grad\s*\*=\s*0"
)
_GRADIENT = re.compile(r"\.grad\b|\bgrad\(|\.gradient\(")
_WRITES = frozenset({"sub_", "assign_sub", "add_", "assign_add"})
_SETS = frozenset({"assign", "copy_"})


@dataclass(frozen=True, slots=True)
class Update:
    """`w -= lr * g`, `w = w - lr * g`, `w.sub_(lr * g)`, `w.assign_sub(lr * g)`, `w.assign(w - lr * g)`, or with a plus.

    Attributes:
        target, change: Source text.
        rate: The first factor of the change, if it is a number or a name: its text and, where known, its value.
        is_sum: It is added, not taken away.
    """

    target: str
    change: str
    rate: str | None
    value: float | None
    is_sum: bool


def updates(path: LineagePath) -> tuple[Update, ...]:
    """The updates that the user wrote out, in the cell of the failing statement and around it."""
    numbers = dict(path.numbers)
    found: dict[tuple[str, str], Update] = {}
    for node in _nodes(path):
        parts = parts_of(node)
        if parts is None:
            continue
        target, change, is_sum = parts
        rate = rate_of(change)
        if rate is None and not _GRADIENT.search(ast.unparse(change)):
            continue
        text = ast.unparse(rate) if rate is not None else None
        value = rate.value if isinstance(rate, ast.Constant) else numbers.get(text or "")
        known = float(value) if isinstance(value, int | float) else None
        found.setdefault((target, ast.unparse(change)), Update(target, ast.unparse(change), text, known, is_sum))
    return tuple(found.values())


def takes_steps(path: LineagePath) -> bool:
    """Whether something is trained: an optimizer's step, or an update that the user wrote out."""
    return bool(_STEPS.search(_text(path))) or any(not u.is_sum or is_gradient(u.change, path) for u in updates(path))


def is_gradient(change: str, path: LineagePath) -> bool:
    """Whether a change is made of what a framework computed as a gradient."""
    if _GRADIENT.search(change):
        return True
    names = set(re.findall(r"[^\W\d]\w*", change))
    return any(
        isinstance(node, ast.Assign)
        and _GRADIENT.search(ast.unparse(node.value))
        and names & {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        for node in _nodes(path)
    )


def never_clears(path: LineagePath) -> bool:
    """Whether one loop of the cell calls backward and steps, and nothing in the cell clears gradients."""
    if not path.source or _CLEARS.search(_text(path)):
        return False
    for node in _nodes(path):
        if isinstance(node, ast.For | ast.While):
            body = "\n".join(ast.unparse(s) for s in node.body)
            if ".backward(" in body and (re.search(r"\.step\(", body) or re.search(r"-=.*\.grad\b", body)):
                return True
    return False


def is_in_training_loop(path: LineagePath) -> bool:
    """Whether the innermost loop around the failing statement takes steps: its runs are steps of the training."""
    if path.origin is None or not path.source:
        return False
    line = path.origin.line
    inner: ast.AST | None = None
    for node in _source_nodes(path):
        if isinstance(node, ast.For | ast.While) and node.lineno <= line <= (node.end_lineno or node.lineno):
            inner = node if inner is None or node.lineno >= inner.lineno else inner  # type: ignore[attr-defined]
    return inner is not None and bool(_STEPS.search(ast.unparse(inner)) or any(parts_of(n) for n in ast.walk(inner)))


def _source_nodes(path: LineagePath) -> Iterator[ast.AST]:
    source = "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in path.source.split("\n"))
    parsed = parse(source)
    for statement in parsed.body if parsed is not None else ():
        yield from ast.walk(statement)


def _text(path: LineagePath) -> str:
    return "\n".join((path.source, *(s.source for s in path.statements), *(s.source for s in path.later)))


def _nodes(path: LineagePath) -> Iterator[ast.AST]:
    yield from _source_nodes(path)
    for around in (*path.statements, *path.later):
        parsed = parse(around.source)
        for statement in parsed.body if parsed is not None else ():
            yield from ast.walk(statement)


def parts_of(node: ast.AST) -> tuple[str, ast.expr, bool] | None:
    """(target, change, whether it is added)."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub | ast.Add):
        return ast.unparse(node.target), node.value, isinstance(node.op, ast.Add)
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.BinOp)
        and isinstance(node.value.op, ast.Sub | ast.Add)
    ):
        target = ast.unparse(node.targets[0])
        if target == ast.unparse(node.value.left):
            return target, node.value.right, isinstance(node.value.op, ast.Add)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _SETS
        and len(node.args) == 1
        and isinstance(node.args[0], ast.BinOp)
        and isinstance(node.args[0].op, ast.Sub | ast.Add)
        and ast.unparse(node.func.value) == ast.unparse(node.args[0].left)
    ):
        return ast.unparse(node.func.value), node.args[0].right, isinstance(node.args[0].op, ast.Add)
    called = node.func if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords else None
    if isinstance(node, ast.Call) and isinstance(called, ast.Attribute) and called.attr in _WRITES:
        return ast.unparse(called.value), node.args[0], "add" in called.attr
    return None


def rate_of(change: ast.expr) -> ast.expr | None:
    """The scalar factor of a product that is the rate: a name before a number, the first of several."""
    factors: list[ast.expr] = []
    node = change
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.MatMult):
        if isinstance(node.op, ast.Mult) and _is_number(node.right):
            factors.insert(0, node.right)
        node = node.left
    if node is not change and (_is_number(node) or isinstance(node, ast.Name | ast.Attribute)):
        factors.insert(0, node)
    named = [f for f in factors if not _is_number(f)]
    return next(iter(named or factors), None)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
