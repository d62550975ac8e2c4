"""double_where: `where` computes both branches for every element; a selection inside keeps the other branch's operand safe.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0. The operand may
stand anywhere in the branch, also where an earlier statement computed the branch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, compared, is_known_at, reached
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, Term, targets

FIXES = {"NG302", "NG601"}
EXAMPLES = {
    "torch": (
        "y = torch.where(x > 0, torch.log(x), b)",
        "y = torch.where(x > 0, 2 * torch.sqrt(x) + 1, b)",
        "y = torch.where(x <= 0, b, b / x)",
        "y = torch.where(x != 0, torch.exp(1 / x), b)",
    ),
    "tensorflow": ("y = tf.where(x > 0, tf.math.log(x), b)", "y = tf.where(x <= 0, b, b / x)"),
}
_UNDEFINED_AT_ZERO = ("y", "x")


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The operand of the failing operation (or the loaded value), where a branch of `where` holds it."""
    if framework == "numpy":
        return  # has no gradient: what was not selected is gone
    for home in range(reader.failing, -1, -1):
        for term in reader.terms(home):
            condition = term.argument("condition")
            if term.op != "where" or condition is None:
                continue
            for slot in ("x", "y"):
                branch = term.argument(slot)
                if branch is not None:
                    yield from _guarded(reader, term, condition, branch, slot == "x", framework)


def _guarded(
    reader: Reader, whole: Term, condition: Term, branch: Term, is_first: bool, framework: Framework
) -> Iterator[Change]:
    where = reader.spelled(f"{framework}.where")
    if where is None:
        return
    inside = list(reached(reader, branch.node, branch.home))
    for node, home in _operands(reader, inside):
        if not is_known_at(reader, condition.node, condition.home, home):
            continue
        one: ast.expr = ast.Constant(1.0)
        branches = [node, one] if is_first else [one, node]
        safe = ast.Call(ast.parse(where, mode="eval").body, [condition.node, *branches], [])
        pair = compared(reader, whole.node, whole.home, node, safe)
        yield Change(home, node, ast.unparse(safe), pair, framework)


def _operands(reader: Reader, inside: list[tuple[ast.expr, int]]) -> Iterator[tuple[ast.expr, int]]:
    """What to keep safe: the failing operation's operands, or the name that a loaded non-finite value has."""
    there = {id(node) for node, _ in inside}
    for guilty in reader.guilty():
        if id(guilty.node) in there:
            for slot in _UNDEFINED_AT_ZERO:
                operand = guilty.argument(slot)
                if operand is not None and operand.op != CONSTANT:
                    yield operand.node, operand.home
    if reader.path.origin is not None and reader.path.origin.kind == "introduced":
        names = targets(reader.sequence[reader.failing])
        for node, home in inside:
            if isinstance(node, ast.Name) and node.id in names and home < reader.failing:
                yield node, home
