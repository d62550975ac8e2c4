"""What an operation was given: its tensors, and the non-finite numbers that are no tensors."""

from __future__ import annotations

import cmath
import math
import sys
from collections.abc import Iterator
from typing import Any

import torch

from ...model import NonFiniteState, TensorSummary

Tensor = torch.Tensor
_PLAIN_VALUES = frozenset((int, float, bool, str, type(None)))  # hold no tensor


def tensors_in(value: Any, out: list[Any] | None = None) -> list[Any]:
    """The tensors in (nested) arguments or results, in order."""
    if out is None:
        out = []
    if isinstance(value, Tensor):
        out.append(value)
    elif isinstance(value, dict):
        if value:
            tensors_in([*value.values()], out)
    elif isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, Tensor):  # most: without a call each
                out.append(item)
            elif type(item) not in _PLAIN_VALUES:
                tensors_in(item, out)
    return out


def is_float(t: Any) -> bool:
    """Whether its dtype can hold a NaN."""
    return bool(t.is_floating_point() or t.is_complex())


def nonfinite_numbers(value: Any) -> Iterator[tuple[Any, NonFiniteState]]:
    """The non-finite Python and numpy numbers and arrays in (nested) arguments. Cost: a pass over each array."""
    if isinstance(value, (float, complex)):
        if not cmath.isfinite(value):
            yield value, NonFiniteState(cmath.isnan(value), cmath.isinf(value))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from nonfinite_numbers(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from nonfinite_numbers(item)
    elif (
        (np := sys.modules.get("numpy")) is not None
        and isinstance(value, (np.ndarray, np.generic))
        and value.dtype.kind in "fc"
    ):
        state = NonFiniteState(bool(np.isnan(value).any()), bool(np.isinf(value).any()))
        if any(state):
            yield value, state


def memory_of_array(array: Any) -> tuple[str, str, int] | None:
    """The key of a numpy array's memory, as the numpy backend gives it: the address of the owner's first byte."""
    np = sys.modules.get("numpy")
    if np is None or not isinstance(array, np.ndarray):
        return None
    while isinstance(array.base, np.ndarray):
        array = array.base
    return ("mem", "cpu", array.__array_interface__["data"][0])


def summary_of_number(number: float) -> TensorSummary:
    """A plain number that is an operand like a tensor: the 0 in `x / 0`."""
    value = float(number)
    finite = value if math.isfinite(value) else None
    return TensorSummary(
        variable=None, dtype=type(number).__name__, shape=(), device="cpu", size=1, min=finite, max=finite,
        absmax=None if finite is None else abs(finite), zeros=int(value == 0), nan=int(math.isnan(value)),
        posinf=int(value == math.inf), neginf=int(value == -math.inf),
    )  # fmt: skip


def unknown_summary(facts: tuple[str, tuple[int, ...], str]) -> TensorSummary:
    """dtype, shape and device of a tensor whose values can no longer be read."""
    return TensorSummary(None, *facts)
