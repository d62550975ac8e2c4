"""What a traced cell began with: copies of what its code may read, to run it once more with another setting or a rewrite.

    net, opt    as they were before the first step: afterwards they are NaN, and nobody can go back
    X, y        of a cell before

At most `MAX_BYTES`, and gone with the cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType

from .backends import loaded_backends
from .closed_world import RefusedError
from .reach import library_names, reach, words_of
from .twins import Twins

MAX_BYTES = 16 << 20
_TRAINS = re.compile(
    r"\.backward\(|\.step\(|apply_gradients|assign_sub|\.sub_\(|\bgrad|\b(?:for|while)\b.*(?:-|step|train|update)",
    re.DOTALL,
)
_TRAINING_WORDS = frozenset("backward step apply_gradients assign_sub sub_ gradient grad".split())
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(slots=True)
class Beginning:
    """Copies by name, and why others are none.

    Attributes:
        draws: Put the random generators back to where they were when the cell began.
    """

    twins: dict[str, object] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    draws: list[Callable[[], None]] = field(default_factory=list)


def beginning_of(raw: str, roots: Mapping[str, object], home: object) -> Beginning:
    """Copies of what a cell's code may read. Cost: the copies.

    Args:
        raw: The cell's text.
        roots: The user's names before the cell runs.
        home: The globals of the user's functions.
    """
    names, _ = _reached(raw, roots, home)
    out = Beginning()
    libraries = library_names(roots)
    twins = Twins(libraries, trains=True, limit=MAX_BYTES)
    for name in sorted(names - libraries.keys()):
        try:
            out.twins[name] = twins.of(name, roots[name], with_gradient=True)
        except RefusedError as refused:
            out.reasons[name] = str(refused)
        except Exception as error:  # whatever a strange value raises
            out.reasons[name] = f"`{name}` cannot be copied: {type(error).__name__}"
    out.draws = keep_draws()
    return out


def looks_like_training(raw: str, roots: Mapping[str, object], home: object) -> bool:
    """Whether a cell, or a function that it reaches, takes steps; by their words."""
    functions = _reached(raw, roots, home)[1]
    return bool(_TRAINS.search(raw)) or any(not _TRAINING_WORDS.isdisjoint(words_of(f.__code__)) for f in functions)


def _reached(raw: str, roots: Mapping[str, object], home: object) -> tuple[set[str], list[FunctionType]]:
    names, functions = reach(set(_WORD.findall(raw)) & roots.keys(), roots, home)
    wrapped = [f for name in names if (f := function_behind(roots[name])) is not None]
    inner = {w for f in wrapped for w in words_of(f.__code__)} & roots.keys()
    more, others = reach(inner - names, roots, home)
    return names | more, [*functions, *wrapped, *others]


def function_behind(value: object) -> FunctionType | None:
    """The user's function that a `tf.function` wraps."""
    if not type(value).__module__.startswith("tensorflow."):
        return None
    found = getattr(value, "python_function", None)
    return found if isinstance(found, FunctionType) else None


def keep_draws() -> list[Callable[[], None]]:
    """What puts all random generators back to where they are now."""
    kept = (b.keep_draws() for b in loaded_backends())
    return [back for back in kept if back is not None]
