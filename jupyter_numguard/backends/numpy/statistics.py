"""Numbers of one array: counts, extremes, exponents; piece by piece, so that temporaries stay small."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model import Counts, ExponentHistogram, NonFiniteState, TensorSummary
from .dense import Array, as_numbers, can_be_nonfinite, finite_flags, is_known, mask_of, plain
from .state import silence


def dtype_name(value: Any) -> str:
    """The dtype as numpy names it; that some elements are masked out is said."""
    name = plain(value).dtype
    text = name.name if name.names is None else "structured"
    return text + " (masked)" if isinstance(value, np.ma.MaskedArray) else text


def count(value: Any) -> tuple[Counts, tuple[int, ...]]:
    """Counts of NaN, +Inf and -Inf, and the index of the first non-finite element; () for a scalar or a finite array.

    A complex element counts once, NaN before +Inf before -Inf of either part. Of a masked array the unmasked elements
    count. Of a structured array the elements of all float fields count; the index is that in the field.
    """
    a, mask = plain(value), mask_of(value)
    nan = posinf = neginf = 0
    first: int | None = None
    size, position, shape = a.size, 0, a.shape
    if a.dtype.names is not None:
        shape = next((a[n].shape for n in a.dtype.names if can_be_nonfinite(a[n].dtype)), a.shape)
    if a.size and can_be_nonfinite(a.dtype):
        for is_finite, piece in finite_flags(a, mask):
            if not is_finite.all():
                hits = np.flatnonzero(~is_finite)
                if first is None:
                    first = position + int(hits[0])
                tally = _kinds(as_numbers(piece[hits]))
                nan, posinf, neginf = nan + tally[0], posinf + tally[1], neginf + tally[2]
            position += piece.size
        size = max(size, position)
    index = () if first is None or not shape else np.unravel_index(first % max(int(np.prod(shape)), 1), shape)
    return Counts(size, nan, posinf, neginf), tuple(int(i) for i in index)


def state(value: Any) -> NonFiniteState:
    """Which kinds of non-finite values an array or number holds."""
    counts, _ = count(value)
    return NonFiniteState(counts.nan > 0, counts.posinf + counts.neginf > 0)


def _kinds(x: Array) -> tuple[int, int, int]:
    """How many of some non-finite numbers are NaN, +Inf and -Inf."""
    with silence():
        parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
        nan = np.logical_or.reduce([np.isnan(p) for p in parts])
        posinf = np.logical_or.reduce([np.isposinf(p) for p in parts]) & ~nan
    return int(nan.sum()), int(posinf.sum()), x.size - int(nan.sum()) - int(posinf.sum())


def summarize(value: Any, variable: str | None = None) -> TensorSummary:
    """Counts, extremes over the finite values, zeros and binary exponents of the array now (measured="at_op").

    Complex: extremes are of the magnitude only. What is no number has no numbers.
    """
    a, mask = plain(value), mask_of(value)
    facts = TensorSummary(variable, dtype_name(value), a.shape, "cpu")
    if a.dtype.names is not None or a.dtype.kind not in "biufcOV" or not is_known(a.dtype):
        return facts
    if mask is not None:
        a = a[~mask]
    low = high = absmax = None
    zeros = 0
    exponents: dict[int, int] = {}
    with silence():
        for is_finite, piece in finite_flags(a):
            x = as_numbers(piece)[is_finite]
            if x.size == 0:
                continue
            magnitude = np.abs(x)
            absmax = max(float(magnitude.max()), absmax or 0.0)
            if x.dtype.kind != "c":
                low = float(x.min()) if low is None else min(low, float(x.min()))
                high = float(x.max()) if high is None else max(high, float(x.max()))
            nonzero = magnitude[magnitude != 0]
            zeros += x.size - nonzero.size
            for exponent, number in zip(*np.unique(np.frexp(nonzero)[1] - 1, return_counts=True), strict=True):
                exponents[int(exponent)] = exponents.get(int(exponent), 0) + int(number)
    counts, _ = count(value)
    return TensorSummary(
        variable, facts.dtype, facts.shape, facts.device, counts.size, low, high, absmax, zeros,
        counts.nan, counts.posinf, counts.neginf, exponents=_histogram(exponents),
    )  # fmt: skip


def _histogram(exponents: dict[int, int]) -> ExponentHistogram | None:
    if not exponents:
        return None
    first, last = min(exponents), max(exponents)
    return ExponentHistogram(first, tuple(exponents.get(e, 0) for e in range(first, last + 1)))
