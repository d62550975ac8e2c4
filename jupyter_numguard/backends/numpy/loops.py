"""The how-many-th time a line runs, read from the loops around it in all user frames; no counter runs.

A running frame hides its iterators, but their targets are variables: `for i in range(n)` tells the position by `i`,
`for x, y in pairs` by which element of `pairs` the variables are, `while` by a counter that its body steps by a
constant. Nested loops fold: outer position times inner length plus inner position. What cannot be told makes the
answer 0."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from ...frames import is_user_code
from .evaluate import COMPREHENSIONS, NotRepeatable, evaluate
from .expression import Expression, is_top_level

Position = tuple[int | None, int | None]
"""(0-based index, length) of a loop; None for what is not known."""

_UNKNOWN: Position = (None, None)
# A generator expression is last: unlike the others it always has a frame of its own.
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MAX_FRAMES = 16
# What runs a function of the user's many times where no loop of the user's tells: calls into C by name, libraries by frame.
_REPEATERS = frozenset({"map", "filter", "starmap", "reduce"})
_REPEATING_PACKAGES = frozenset("numpy scipy pandas sklearn joblib concurrent timeit".split())
# Wrappers that yield the elements of their first argument in order.
_TRANSPARENT = frozenset("tqdm trange list tuple iter track progress_bar prange notebook_tqdm".split())


def occurrence(frame: FrameType | None, located: Callable[[FrameType], Expression]) -> int:
    """The how-many-th run of the line that `frame` is in, 1-based; 0 if it is not known.

    Args:
        frame: The innermost user frame.
        located: Finds the expression of a frame's present instruction.
    """
    levels: list[Position] = []  # innermost first
    innermost = True
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        if is_user_code(frame.f_code):
            expression = located(frame)
            if not innermost and _repeats(expression.node):
                return 0
            innermost = False
            levels += reversed(positions(expression, frame))
            if is_top_level(frame.f_code):
                break
        elif not innermost and str(frame.f_globals.get("__name__")).split(".")[0] in _REPEATING_PACKAGES:
            return 0
        frame = frame.f_back
    return fold(levels)


def _repeats(node: ast.AST | None) -> bool:
    """Whether a frame is inside a call that runs a function further in many times."""
    if not isinstance(node, ast.Call):
        return False
    calls = [node, *(a for a in node.args if isinstance(a, ast.Call))]
    return any(getattr(c.func, "attr", getattr(c.func, "id", "")) in _REPEATERS for c in calls)


def fold(levels: Sequence[Position]) -> int:
    """1-based position over nested loops, innermost first; 0 if it is not known."""
    total, unit = 0, 1
    unit_known = True
    for index, length in levels:
        if index is None or (index and not unit_known):
            return 0
        total += index * unit
        if length is None:
            unit_known = False
        else:
            unit *= length
    return total + 1


def positions(expression: Expression, frame: FrameType) -> list[Position]:
    """The positions in the loops around an expression inside its own code object, outermost first."""
    out: list[Position] = []
    path = expression.path
    own = _COMPREHENSIONS if frame.f_code.co_name in COMPREHENSIONS else _COMPREHENSIONS[:3]
    for loop, inner in itertools.pairwise(path):
        if isinstance(loop, ast.For | ast.AsyncFor) and inner in loop.body:
            out.append(_position(loop.iter, loop.target, frame))
        elif isinstance(loop, ast.While) and (inner in loop.body or inner is loop.test):
            out.append(_while_position(loop, inner, path, frame))
        elif isinstance(loop, own) and inner not in loop.generators[:1]:
            out += _comprehension(loop, frame)
    return out


def _comprehension(node: Any, frame: FrameType) -> list[Position]:
    first, *rest = node.generators
    source = frame.f_locals.get(".0")
    position = _from_iterator(source) if source is not None else _position(first.iter, first.target, frame)
    if position[0] is None:
        position = _position(first.iter, first.target, frame)
    return [position, *(_position(g.iter, g.target, frame) for g in rest)]


def _from_iterator(iterator: Any) -> Position:
    """The position of a built-in iterator that a comprehension holds."""
    if type(iterator) in (type(iter([])), type(iter(())), type(iter(range(0)))):
        _, (source, *_), index = iterator.__reduce__()
        length = len(source)
        left = iterator.__length_hint__()
        return (length - left - 1, length) if index is not None else _UNKNOWN
    return _UNKNOWN


def _position(source: ast.expr, target: ast.expr, frame: FrameType) -> Position:
    """Where in `source` the loop variable `target` stands."""
    try:
        return _find(source, target, frame)
    except NotRepeatable:
        return _UNKNOWN
    except Exception:  # an `__eq__` or `__getitem__` of the user's data that objects
        return _UNKNOWN


def _find(source: ast.expr, target: ast.expr, frame: FrameType) -> Position:
    if isinstance(source, ast.Call):
        name = getattr(source.func, "attr", getattr(source.func, "id", ""))
        args = source.args
        if name in ("range", "trange", "prange", "arange") and args:
            r = range(*(int(evaluate(a, frame)) for a in args))
            return r.index(int(evaluate(target, frame))), len(r)
        if name == "enumerate" and args and isinstance(target, ast.Tuple):
            start_node = (
                args[1] if len(args) > 1 else next((k.value for k in source.keywords if k.arg == "start"), None)
            )
            start = evaluate(start_node, frame) if start_node is not None else 0
            index = int(evaluate(target.elts[0], frame)) - start
            return index, _length(args[0], target.elts[1], frame)
        if name == "zip" and isinstance(target, ast.Tuple):
            found = [_position(a, t, frame) for a, t in zip(args, target.elts, strict=False)]
            lengths = [n for _, n in found if n is not None]
            return next((i for i, _ in found if i is not None), None), min(lengths, default=None)
        if name == "reversed" and args:
            index_back, length = _position(args[0], target, frame)
            return (None if index_back is None or length is None else length - 1 - index_back), length
        if name in _TRANSPARENT and args:
            return _position(args[0], target, frame)
        if name in ("items", "keys", "values") and isinstance(source.func, ast.Attribute) and not args:
            mapping = evaluate(source.func.value, frame)
            if type(mapping) is dict:
                return _among(list(getattr(mapping, name)()), _target_value(target, frame))
    return _among(evaluate(source, frame), _target_value(target, frame))


def _length(source: ast.expr, target: ast.expr, frame: FrameType) -> int | None:
    length = _position(source, target, frame)[1]
    if length is None:
        try:
            value = evaluate(source, frame)
        except NotRepeatable:
            return None
        if type(value) in (list, tuple, dict, str, np.ndarray, range):
            return len(value)
    return length


class _Elements(tuple):  # type: ignore[type-arg]
    """The values of a target of several names."""


def _target_value(target: ast.expr, frame: FrameType) -> Any:
    if isinstance(target, ast.Tuple | ast.List):
        return _Elements(_target_value(t, frame) for t in target.elts)
    return evaluate(target, frame)


def _among(source: Any, value: Any) -> Position:
    """The position of a loop variable among the elements, by identity; by value where that is unique."""
    if type(source) is range:
        return source.index(value), len(source)
    if type(source) is np.ndarray and source.ndim > 1 and isinstance(value, np.ndarray) and value.base is not None:
        step = source.strides[0]
        offset = value.__array_interface__["data"][0] - source.__array_interface__["data"][0]
        return (offset // step if step and 0 <= offset // step < len(source) else None), len(source)
    if type(source) not in (list, tuple, dict, np.ndarray, str):
        return _UNKNOWN
    elements = list(source)
    same = [i for i, x in enumerate(elements) if _is(x, value)]
    if len(same) != 1:
        same = [i for i, x in enumerate(elements) if _equals(x, value)]
    return (same[0] if len(same) == 1 else None), len(elements)


def _is(element: Any, value: Any) -> bool:
    if isinstance(value, _Elements):
        return isinstance(element, list | tuple) and len(element) == len(value) and all(map(_is, element, value))
    return element is value


def _equals(element: Any, value: Any) -> bool:
    if isinstance(value, _Elements):
        return isinstance(element, list | tuple) and len(element) == len(value) and all(map(_equals, element, value))
    simple = isinstance(value, int | float | str | np.number) and isinstance(element, int | float | str | np.number)
    return element is value or (simple and type(element) is type(value) and bool(element == value))


def _while_position(loop: ast.While, inner: ast.AST, path: tuple[ast.AST, ...], frame: FrameType) -> Position:
    """The position in a `while`, from a counter that its body steps by a constant and that starts at one before it."""
    for at, statement in enumerate(loop.body):
        step = _step(statement)
        if step is None:
            continue
        name, by = step
        start = _start_of(name, loop, path, frame)
        if start is None:
            continue
        try:
            value = evaluate(ast.Name(name, ast.Load()), frame)
        except NotRepeatable:
            continue
        stepped = inner in loop.body and loop.body.index(inner) > at
        index = (value - start) // by - (1 if stepped else 0)
        return (index if index >= 0 else None), None
    return _UNKNOWN


def _step(statement: ast.stmt) -> tuple[str, int] | None:
    """(counter, step) of `i += 1` or `i = i + 1`."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=ast.Constant(value=int(by))) if by > 0:
            return name, by
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.BinOp(left=ast.Name(id=left), op=ast.Add(), right=ast.Constant(value=int(by))),
        ) if by > 0 and name == left:
            return name, by
    return None


def _start_of(name: str, loop: ast.While, path: tuple[ast.AST, ...], frame: FrameType) -> int | None:
    """The constant that the counter is set to by the last assignment before the loop; 0 is no guess."""
    found: int | None = None
    outer = path[path.index(loop) - 1] if path.index(loop) else None
    blocks = [getattr(outer, f, []) for f in ("body", "orelse", "finalbody")] if outer is not None else []
    siblings = next((b for b in blocks if loop in b), None)
    if siblings is None:
        siblings = _body_of(loop, frame)
    for statement in siblings:
        if statement is loop:
            break
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                pairs = (
                    zip(target.elts, statement.value.elts, strict=False)
                    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
                    else [(target, statement.value)]
                )
                for t, v in pairs:
                    if isinstance(t, ast.Name) and t.id == name:
                        found = v.value if isinstance(v, ast.Constant) and isinstance(v.value, int) else None
    return found


def _body_of(loop: ast.While, frame: FrameType) -> list[ast.stmt]:
    """The block that holds a loop which stands directly in its function or module."""
    from .expression import _tree  # the parsed file is there

    tree = _tree(frame.f_code.co_filename)
    for node in ast.walk(tree) if tree is not None else ():
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and loop in block:
                return block
    return []
