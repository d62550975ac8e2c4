"""The user's small functions as syntax: those that only bind names and return, of modules, numbers and one another.

`score = d / unit(v)` calls one: what it computes can be written in its place (`inline.py`) and run on copies, piece by
piece, so that nothing but what `purity.py` knows is run. The function itself is never called.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .purity import BUILTINS

SmallFunction = ast.FunctionDef | ast.Lambda
FunctionNamed = Callable[[str], SmallFunction | None]
"""The small function that a name means; None where it means anything else."""


def functions_of(roots: Mapping[str, object]) -> FunctionNamed:
    """The small functions of a notebook's namespace."""

    def named(name: str) -> SmallFunction | None:
        try:
            return small_function(roots.get(name), roots)
        except Exception:  # source that cannot be had or read: it is not known
            return None

    return named


def small_function(function: Any, roots: Mapping[str, object]) -> SmallFunction | None:
    """The syntax of a small function, its numbers from outside written into it; None of any other object.

    Args:
        roots: What the names of modules and functions mean where it shall be written out: it must mean the same by them.
    """
    node = _syntax(function)
    if node is None or not _is_straight(node):
        return None
    made = copy.deepcopy(node)
    own = {n.id for n in ast.walk(made) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {a.arg for a in ast.walk(made.args) if isinstance(a, ast.arg)}
    numbers: dict[str, ast.expr] = {}
    for name in {n.id for n in ast.walk(made) if isinstance(n, ast.Name)} - own:
        outside = function.__globals__.get(name, BUILTINS.get(name))
        if type(outside) in (int, float, bool):
            numbers[name] = ast.Constant(outside)
        elif outside is None or roots.get(name, BUILTINS.get(name)) is not outside:
            return None
    return _Numbers(numbers).visit(made)  # type: ignore[no-any-return]


def _syntax(function: Any) -> SmallFunction | None:
    """The definition, if its source is what was compiled; None without source, of a closure, of what is decorated."""
    if type(function) is not types.FunctionType or function.__closure__:
        return None
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    kind = ast.Lambda if function.__name__ == "<lambda>" else ast.FunctionDef
    found = [n for n in ast.walk(tree) if isinstance(n, kind)]
    if len(found) != 1 or getattr(found[0], "decorator_list", []):
        return None
    codes = [c for c in _codes(compile(tree, "<numguard>", "exec")) if c.co_name == function.__name__]
    ours, theirs = codes[0] if len(codes) == 1 else None, function.__code__
    is_same = ours is not None and (ours.co_code, ours.co_names) == (theirs.co_code, theirs.co_names)
    return found[0] if is_same else None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _is_straight(node: SmallFunction) -> bool:
    """Whether it binds names and then returns: no branch, no loop, no effect."""
    if isinstance(node, ast.Lambda):
        return True
    *before, last = node.body
    for statement in before:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()):
                continue
            case _:
                return False
    return isinstance(last, ast.Return) and last.value is not None


class _Numbers(ast.NodeTransformer):
    def __init__(self, numbers: Mapping[str, ast.expr]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.numbers.get(node.id, node)
