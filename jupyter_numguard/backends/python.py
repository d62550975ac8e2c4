"""Python's own numbers: a float or complex is a tensor of size 1, a list of numbers a one-dimensional tensor.

A list (tuple, deque) is taken as one tensor only if all its elements are `float`, `complex`, `int` or `bool` themselves
and one is of the first two: a history of a million losses is then looked at with one `sum`.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from ..model import Counts, ExponentHistogram, TensorInfo, TensorSummary
from ..opevents import Key
from .base import Backend, Probe

_NUMBERS = frozenset({float, complex, int, bool})
_INEXACT = frozenset({float, complex})
_SEQUENCES = (list, tuple, deque)


class PythonBackend(Backend):
    """Verbs of `float`, `complex` and sequences of them; everything is on the host and known at once."""

    framework_name = "python"
    fingerprint_shows_writes = False  # an element of a list

    def owns(self, value: object) -> bool:
        """A number, or a sequence of numbers. Cost of a sequence: 20 ns per element."""
        cls = type(value)
        if cls is float or cls is complex:
            return True
        if cls is list or cls is tuple or cls is deque:
            try:
                kinds = set(map(type, value))  # type: ignore[call-overload]
            except Exception:  # a metaclass without a hash, or the list grew in another thread
                return False
            return kinds <= _NUMBERS and not kinds.isdisjoint(_INEXACT)
        # numpy's float64 and complex128 are subclasses of Python's: they are numpy's.
        return issubclass(cls, (float, complex)) and getattr(cls, "__module__", "") != "numpy"

    def key(self, tensor: Any) -> Key:
        """The object itself; equal numbers may be one object, which says nothing."""
        return ("py" if type(tensor) in _SEQUENCES else "number", id(tensor))

    def keep_draws(self) -> Callable[[], None] | None:
        """Of the module `random`, if it is in use."""
        random = sys.modules.get("random")
        if random is None:
            return None
        state = random.getstate()
        return lambda: random.setstate(state)

    def fingerprint(self, tensor: Any) -> Hashable:
        """The object and its length; of a list also its last element."""
        if type(tensor) in _SEQUENCES:
            return id(tensor), len(tensor), id(tensor[-1]) if tensor else None
        return id(tensor)

    def info(self, tensor: Any) -> TensorInfo:
        """dtype "float" or "complex"; shape () for a number, (length,) for a sequence."""
        if type(tensor) not in _SEQUENCES:
            return TensorInfo("python", "complex" if issubclass(type(tensor), complex) else "float", (), "cpu")
        dtype = "complex" if complex in set(map(type, tensor)) else "float"
        return TensorInfo("python", dtype, (len(tensor),), "cpu")

    def nbytes(self, tensor: Any) -> int:
        """8 bytes a number, 16 if it is complex."""
        what = self.info(tensor)
        return math.prod(what.shape) * (16 if what.dtype == "complex" else 8)

    def why_unchecked(self, tensor: Any) -> str | None:
        """None: every number can be checked."""
        return None

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Exact flags, at once."""
        flags: list[bool | None] = [_is_nonfinite(t) for t in tensors]
        return Probe(flags, [])

    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """Counts, and the index of the first non-finite element; () for a number."""
        numbers = _numbers(tensor)
        nan = posinf = neginf = 0
        first: tuple[int, ...] = ()
        for i, x in enumerate(numbers):
            kind = _kind(x)
            if kind is None:
                continue
            if not nan + posinf + neginf and type(tensor) in _SEQUENCES:
                first = (i,)
            nan, posinf, neginf = nan + (kind == "nan"), posinf + (kind == "posinf"), neginf + (kind == "neginf")
        return Counts(len(numbers), nan, posinf, neginf), first

    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """Extremes over the finite numbers; of complex ones only the largest magnitude."""
        what, (counts, _) = self.info(tensor), self.count(tensor)
        finite = [(x, m) for x in _numbers(tensor) if _kind(x) is None and (m := _magnitude(x)) is not None]
        magnitudes = [m for _, m in finite]
        real = [float(x) for x, _ in finite] if what.dtype == "float" else []
        return TensorSummary(
            variable, what.dtype, what.shape, what.device, counts.size,
            min(real, default=None), max(real, default=None), max(magnitudes, default=None),
            sum(m == 0 for m in magnitudes), counts.nan, counts.posinf, counts.neginf,
            exponents=_histogram(magnitudes),
        )  # fmt: skip

    def copy_sample(self, tensor: Any, max_bytes: int) -> Any | None:
        """The number itself; a copy of a sequence."""
        if self.nbytes(tensor) > max_bytes:
            return None
        return type(tensor)(tensor) if type(tensor) in _SEQUENCES else tensor


def _numbers(tensor: Any) -> Sequence[Any]:
    return list(tensor) if type(tensor) in _SEQUENCES else [tensor]


def _is_nonfinite(tensor: Any) -> bool:
    if type(tensor) not in _SEQUENCES:
        return _kind(tensor) is not None
    try:
        total = sum(tensor)  # misses nothing; may overflow for large finite numbers, so that each decides
        if total - total == 0:
            return False
    except OverflowError:  # an int that no float can hold
        pass
    return any(_kind(x) is not None for x in tensor)


def _kind(x: Any) -> str | None:
    """ "nan", "posinf", "neginf", or None if finite; of a complex number NaN before +Inf before -Inf of either part."""
    if issubclass(type(x), int):
        return None
    parts: Iterable[float]
    # The slots of the base class, since a subclass may have overridden the operators.
    parts = (complex.real.__get__(x), complex.imag.__get__(x)) if issubclass(type(x), complex) else (float.__pos__(x),)
    if all(map(math.isfinite, parts)):
        return None
    return "nan" if any(map(math.isnan, parts)) else "posinf" if math.inf in parts else "neginf"


def _magnitude(x: Any) -> float | None:
    """|x| of a finite number; None where it is too large for a float."""
    try:
        return float(abs(x))
    except OverflowError:
        return None


def _histogram(magnitudes: Iterable[float]) -> ExponentHistogram | None:
    exponents: dict[int, int] = {}
    for m in magnitudes:
        if m:
            e = math.frexp(m)[1] - 1
            exponents[e] = exponents.get(e, 0) + 1
    if not exponents:
        return None
    first, last = min(exponents), max(exponents)
    return ExponentHistogram(first, tuple(exponents.get(e, 0) for e in range(first, last + 1)))
