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
    return lambda name: small_function(roots.get(name), roots)


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
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (
        OSError,
        TypeError,
        SyntaxError,
    ):  # none to be had; a lambda in the middle of an expression of several lines
        return None
    kind = ast.Lambda if function.__name__ == "<lambda>" else ast.FunctionDef
    found = [n for n in ast.walk(tree) if isinstance(n, kind)]
    if len(found) != 1 or getattr(found[0], "decorator_list", []):
        return None
    codes = [c for c in _codes(compile(tree, "<numguard>", "exec")) if c.co_name == function.__name__]
    is_same = len(codes) == 1 and _facts(codes[0]) == _facts(function.__code__)
    return found[0] if is_same and _defaults(found[0].args) == _values(function) else None


def _facts(code: types.CodeType) -> tuple[object, ...]:
    """What a function does: an edit of the file since it was imported may change a number only."""
    constants = [(type(c), repr(c)) for c in code.co_consts if not isinstance(c, types.CodeType)]
    return code.co_code, code.co_names, code.co_varnames, constants


def _defaults(arguments: ast.arguments) -> list[str] | None:
    """The defaults as they are written; None where one is no plain value: it was worked out when the function was made."""
    nodes = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    try:
        return [repr(ast.literal_eval(node)) for node in nodes]
    except ValueError:
        return None


def _values(function: types.FunctionType) -> list[str]:
    return [repr(value) for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())]


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
