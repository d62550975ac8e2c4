"""Where the value of an earlier signal went: into a variable that lives, into nothing but its own target, or nowhere.

numpy's signals have no tensor identity, and most of them are harmless: `1 / (1 + exp(-x))` overflows at every step
and is finite at every step. So at each new signal the earlier ones of the same top-level statement are asked: is the
statement that signalled still being evaluated (then its value is in no name yet); else, is anything non-finite in the
user's live frames that was finite when it signalled?"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ...frames import is_user_code
from .dense import is_nonfinite
from .evaluate import NotRepeatable, evaluate, is_pandas
from .expression import Expression, is_top_level
from .loops import Position, positions
from .operands import as_array, is_numeric

_MAX_FRAMES = 16
_MAX_OBJECTS = 500  # looked at in one scan
_MAX_DEPTH = 3

Where = tuple[int, str]
"""(level of the frame counted from the outermost, name)."""


@dataclass(frozen=True, slots=True)
class Level:
    """One user frame of a signal's call chain, without the frame."""

    code: CodeType
    lasti: int
    expression: Expression
    positions: tuple[Position, ...]


Chain = tuple[Level, ...]
"""The levels of a signal, outermost first."""


def user_frames(frame: FrameType | None) -> list[FrameType]:
    """The user frames from the running cell (or script) inward to `frame`, outermost first."""
    out: list[FrameType] = []
    while frame is not None and len(out) < _MAX_FRAMES:
        if is_user_code(frame.f_code):
            out.append(frame)
            if is_top_level(frame.f_code):
                break
        frame = frame.f_back
    return out[::-1]


def chain_of(frames: list[FrameType], located: Callable[[FrameType], Expression]) -> Chain:
    """What must be remembered of the frames at a signal."""
    return tuple(Level(f.f_code, f.f_lasti, e, tuple(positions(e, f))) for f in frames for e in (located(f),))


def is_in_progress(earlier: Chain, now: Chain) -> bool:
    """Whether the statement of an earlier signal is still being evaluated, so that its value is in no name yet."""
    for before, after in zip(earlier, now, strict=False):
        if before.code is not after.code or before.expression.statement is not after.expression.statement:
            return False
        if before.positions != after.positions or after.lasti < before.lasti:
            return False  # a later round of a loop
        if after.lasti > before.lasti:
            return True
    return len(earlier) != len(now)


def own_targets(earlier: Chain, now: Chain) -> set[Where]:
    """The names that hold the earlier signal's own value, as far as nothing reads them any more from here on."""
    out: set[Where] = set()
    for i, (before, after) in enumerate(zip(earlier, now, strict=False)):
        if before.code is not after.code:
            break
        targets = before.expression.targets
        out.update((i, name) for name in targets - after.expression.reads - after.expression.reads_later(targets))
        if before.lasti != after.lasti or before.positions != after.positions:
            break  # the frames further in are others
    return out


def nonfinite_names(frames: list[FrameType]) -> set[Where]:
    """The names in the frames from which a non-finite array or number can be reached (other frameworks' tensors are not
    looked at: their recorders see them come in)."""
    return {
        (i, name) for i, frame in enumerate(frames) for name, value in _names_of(frame) if _reaches_nonfinite(value)
    }


def _names_of(frame: FrameType) -> Iterator[tuple[str, Any]]:
    if not is_top_level(frame.f_code):
        yield from list(frame.f_locals.items())
    for name in frame.f_code.co_names:
        if name in frame.f_globals and not name.startswith("__"):
            yield name, frame.f_globals[name]


def _reaches_nonfinite(value: Any) -> bool:
    todo: list[tuple[Any, int]] = [(value, 0)]
    for _ in range(_MAX_OBJECTS):
        if not todo:
            return False
        item, depth = todo.pop()
        if isinstance(item, np.ndarray | np.generic | float | complex):
            if is_nonfinite(item):
                return True
        elif depth < _MAX_DEPTH:
            todo += ((x, depth + 1) for x in _inside(item))
    return False


def _inside(item: Any) -> list[Any]:
    kind = type(item)
    if kind in (list, tuple, set):
        return [x for x in list(item)[-_MAX_OBJECTS:] if not isinstance(x, str | int)]
    if kind is dict:
        return list(item.values())[-_MAX_OBJECTS:]
    if is_pandas(item, "DataFrame"):
        return [item.iloc[:, i].to_numpy() for i, d in enumerate(item.dtypes) if getattr(d, "kind", "O") in "fc"]
    if is_pandas(item, "Series", "Index"):
        return [as_array(item)] if getattr(item.dtype, "kind", "O") in "fc" else []
    if (
        isinstance(item, type)
        or callable(item)
        or kind.__module__ in ("builtins", "torch")
        or kind.__module__.startswith(("torch.", "tensorflow.", "keras.", "numpy", "pandas"))
    ):
        return []
    try:
        inside = object.__getattribute__(item, "__dict__")
    except AttributeError:
        return []
    return list(inside.values()) if type(inside) is dict else []


def is_absorbed_at_once(expression: Expression, frame: FrameType, result: Any) -> bool:
    """Whether an expression around the operation, evaluated once more, is finite: `np.where(x > 0, np.log(x), 0)`.

    Goes outward as far as the expressions can be repeated; call under `state.silence()`.
    """
    path = expression.path
    for node in reversed(path[:-1]):
        if not isinstance(node, ast.expr):
            if isinstance(node, ast.stmt):
                return False
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            return False
        try:
            value = as_array(evaluate(node, frame))
        except NotRepeatable:
            if isinstance(node, ast.Attribute | ast.Tuple | ast.List):  # the call or statement around it may do
                continue
            return False
        if is_numeric(value) and not is_nonfinite(value):
            return True
    return False
