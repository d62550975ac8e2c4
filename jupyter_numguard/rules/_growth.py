"""What the rules of divergence ask: did something grow from step to step, by how much, and is it a training that runs?"""

from __future__ import annotations

import ast
import math
import re

from jupyter_numguard import wording
from jupyter_numguard.growth import Growth, rising_end
from jupyter_numguard.model import LineagePath, Trend
from jupyter_numguard.terms import parse

_STEPS = re.compile(r"\.(?:step|apply_gradients|minimize|sub_|assign_sub|fit|train_on_batch)\(|\bapply_updates\(")
# A rise that is no accident: three decades over four points, or six between any two, to a size that no healthy value has.
_LONG = (4, math.log(1e3), 1e3)
_STEEP = (2, math.log(1e6), 1e6)


_ROLES = ("loss", "parameter", "gradient", "result")


def diverged(path: LineagePath) -> tuple[tuple[Trend, Growth], ...]:
    """The trends that rose beyond anything healthy: a loss first, then the parameter that rose most."""
    found = []
    for trend in path.trends:
        end = rising_end(trend.history)
        if end is not None and any(
            end.points >= points and end.log_ratio >= ratio and end.last >= size
            for points, ratio, size in (_LONG, _STEEP)
        ):
            found.append((trend, end))
    return tuple(sorted(found, key=lambda hit: (_ROLES.index(hit[0].role), -hit[1].log_ratio)))


def is_training(path: LineagePath) -> bool:
    """Whether something is being updated: an optimizer, a gradient that was asked for, `w -= rate * g`."""
    if any(trend.role in ("parameter", "gradient", "loss") for trend in path.trends):
        return True
    return update_rate(path) is not None or any(_STEPS.search(s.source) for s in (*path.statements, *path.later))


def update_rate(path: LineagePath) -> tuple[str, float | None] | None:
    """(text, value) of the rate of an update that the user wrote out; None where none is seen.

    `w -= lr * g` and `w = w - lr * g`, with a number or a name.
    """
    for statement in (*path.statements, *path.later):
        parsed = parse(statement.source)
        for node in parsed.body if parsed is not None else ():
            for inner in ast.walk(node):
                change = _change(inner)
                rate = _rate(change) if change is not None else None
                if rate is not None:
                    text = ast.unparse(rate)
                    return text, _value(rate, path)
    return None


def _value(rate: ast.expr, path: LineagePath) -> float | None:
    if isinstance(rate, ast.Constant):
        return float(rate.value) if isinstance(rate.value, int | float) else None
    return dict(path.numbers).get(ast.unparse(rate))


def _change(node: ast.AST) -> ast.expr | None:
    """What is taken away from a variable."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
        return node.value
    value = node.value if isinstance(node, ast.Assign) else None
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub) and isinstance(node, ast.Assign):
        return value.right if ast.unparse(node.targets[0]) == ast.unparse(value.left) else None
    return None


def _rate(change: ast.expr) -> ast.Constant | ast.Name | ast.Attribute | None:
    """The first factor of a product, if it is a number or a name."""
    while isinstance(change, ast.BinOp) and isinstance(change.op, ast.Mult | ast.Div):
        if isinstance(change.op, ast.Mult) and _is_number(change.right) and not _is_number(change.left):
            return change.right  # type: ignore[return-value]
        change = change.left
        if isinstance(change, ast.Constant | ast.Name | ast.Attribute):
            return None if isinstance(change, ast.Constant) and not isinstance(change.value, int | float) else change
    return None


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def described(trend: Trend, end: Growth) -> str:
    """ "`loss` grew from 1.1 at step 1 to 8.6e+35 at step 16, by a factor of 280 per step"."""
    what = {"parameter": "The parameter", "gradient": "The gradient", "loss": "The loss", "result": "The magnitude of"}
    text = f"{what[trend.role]} `{end.variable}` grew from {wording.number(end.first)} to {wording.number(end.last)}"
    if end.steps == 1:
        return f"{text} in one step"
    return f"{text} in {end.steps} steps, by a factor of {wording.number(end.factor)} per step"
