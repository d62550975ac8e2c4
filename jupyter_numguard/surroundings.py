"""What stands around a failing statement as plain data for the rules: named tensors, numbers, optimizers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from .backends import loaded_backends
from .model import LineagePath, Optimizer, TensorSummary

_WORD = re.compile(r"[^\W\d]\w*")
_PATH = re.compile(r"""[\w.\[\]'"]+""")  # an operand without a name is no named tensor
MAX_NAMED = 16


def with_surroundings(path: LineagePath, samples: Mapping[str, object], roots: Mapping[str, object]) -> LineagePath:
    """The path with what its statements name. Cost: one summary per sample.

    Args:
        samples: Private copies, taken at the failure, of what the failing statements name.
        roots: The notebook's variables.
    """
    words = {w for s in (*path.statements, *path.later) for w in _WORD.findall(s.source)}
    numbers = {
        name: float(value)
        for name, value in {**{n: roots[n] for n in words & roots.keys()}, **samples}.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return dataclasses.replace(
        path,
        named=tuple(_summaries(samples))[:MAX_NAMED],
        numbers=tuple(sorted(numbers.items())),
        optimizers=tuple(_optimizers(roots)),
    )


def _summaries(samples: Mapping[str, object]) -> Iterator[TensorSummary]:
    backends = loaded_backends()
    for name, value in samples.items():
        if isinstance(value, (int, float, complex, bool, str)) or not _PATH.fullmatch(name):
            continue
        owner = next((b for b in backends if b.owns(value)), None)
        try:
            if owner is not None:
                yield dataclasses.replace(owner.summarize(value, name), measured="sample")
        except Exception:  # a tensor that can be copied but not measured
            continue


def _optimizers(roots: Mapping[str, object]) -> Iterator[Optimizer]:
    for value in roots.values():
        for held in (value, getattr(value, "optimizer", None) if _is_of(value, "keras.") else None):
            rate = learning_rate(held)
            if rate is not None:
                yield Optimizer(type(held).__name__, rate, _epsilon(held))


def learning_rate(value: object) -> float | None:
    """The largest learning rate of a torch or Keras optimizer; None for anything else."""
    try:
        if _is_of(value, "torch.optim"):
            groups = object.__getattribute__(value, "__dict__")["param_groups"]
            return max(float(group["lr"]) for group in groups)
        if _is_of(value, "keras.", ".optimizers"):
            return float(value.learning_rate)  # type: ignore[attr-defined]
    except Exception:  # a schedule, an optimizer that was never built, a subclass with other ideas
        return None
    return None


def _epsilon(value: object) -> float | None:
    try:
        if _is_of(value, "torch.optim"):
            groups = object.__getattribute__(value, "__dict__")["param_groups"]
            return min(float(group["eps"]) for group in groups)
        return float(value.epsilon)  # type: ignore[attr-defined]
    except Exception:  # an optimizer that has none
        return None


def _is_of(value: object, package: str, part: str = "") -> bool:
    """Whether the object's class, or one that it inherits from, is a library's."""
    return any(c.__module__.startswith(package) and part in c.__module__ for c in type(value).__mro__)
