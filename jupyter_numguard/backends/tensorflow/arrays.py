"""The values of a tensor that lie in host memory: exact finite test, counts and statistics of an ndarray.

Every dtype that TensorFlow hands to numpy is taken, ml_dtypes' bfloat16 and float8 included. Only operations that raise
no floating point signal are used: numpy's error state belongs to the user.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model import Counts, ExponentHistogram, NonFiniteState, TensorSummary
from ..dot import is_proved_finite

_PIECE = 1 << 18  # elements looked at together: the temporaries stay in the cache
_HALF = {"float16": 0x7C00, "bfloat16": 0x7F80}  # exponent bits all set: NaN or Inf


def is_finite(array: Any) -> bool:
    """Whether no element is NaN or Inf. Exact; no warning. Cost: 1 µs and one pass (16-bit: two integer passes)."""
    a = np.asarray(array)
    if a.dtype.char in "fd" and is_proved_finite(a):
        return True
    if a.size == 0 or a.dtype.kind in "biuSUOM":
        return True
    mask = _HALF.get(a.dtype.name) if a.dtype.itemsize == 2 else None
    if mask is not None:
        # As signed integers the positive non-finite ones are the largest, as unsigned the negative ones.
        return int(a.view(np.int16).max()) < mask and int(a.view(np.uint16).max()) < mask | 0x8000
    if a.size <= _PIECE:
        return bool(np.isfinite(a).all())
    flat = a.reshape(-1)
    return all(bool(np.isfinite(flat[i : i + _PIECE]).all()) for i in range(0, flat.size, _PIECE))


def state_of(array: Any) -> NonFiniteState:
    """Which kinds of non-finite values there are."""
    a = np.asarray(array)
    if is_finite(a):
        return NonFiniteState(False, False)
    return NonFiniteState(bool(np.isnan(a).any()), bool(np.isinf(a).any()))


def _kinds(a: Any) -> tuple[Any, Any, Any]:
    """Masks of NaN, +Inf and -Inf that do not overlap; a complex element is NaN before +Inf before -Inf."""
    nan = np.isnan(a)
    if a.dtype.kind != "c":
        return nan, a == np.inf, a == -np.inf
    posinf = ((a.real == np.inf) | (a.imag == np.inf)) & ~nan
    return nan, posinf, np.isinf(a) & ~nan & ~posinf


def _computable(a: Any) -> Any:
    """The same values in a dtype that numpy has every function for."""
    return a.astype(np.float32) if a.dtype.kind == "V" or a.dtype.itemsize < 4 else a


def count(array: Any) -> tuple[Counts, tuple[int, ...]]:
    """Counts of NaN, +Inf and -Inf, and the index of the first non-finite element; () for a scalar or a finite array."""
    a = np.asarray(array)
    if a.size == 0 or a.dtype.kind in "biuSUOM":
        return Counts(int(a.size), 0, 0, 0), ()
    nan, posinf, neginf = _kinds(_computable(a))
    nonfinite = np.asarray(nan | posinf | neginf)
    index: tuple[int, ...] = ()
    if nonfinite.any():
        index = tuple(int(i) for i in np.unravel_index(int(nonfinite.argmax()), a.shape))
    return Counts(int(a.size), int(np.sum(nan)), int(np.sum(posinf)), int(np.sum(neginf))), index


def summarize(array: Any, dtype: str, device: str, variable: str | None = None) -> TensorSummary:
    """Counts, extremes over the finite values (complex: of the magnitude), zeros and binary exponents."""
    a = np.asarray(array)
    counts, _ = count(a)
    if a.dtype.kind in "SUOM":
        return TensorSummary(variable, dtype, a.shape, device, counts.size)
    is_complex = a.dtype.kind == "c"
    real = _computable(a)
    if is_complex:
        real = np.abs(real[np.isfinite(real)].astype(np.complex128))
    elif a.dtype.kind in "biu":
        real = real.astype(np.float64)
    finite = np.asarray(real[np.isfinite(real)])
    if finite.size == 0:
        return TensorSummary(
            variable,
            dtype,
            a.shape,
            device,
            counts.size,
            zeros=0,
            nan=counts.nan,
            posinf=counts.posinf,
            neginf=counts.neginf,
        )
    low, high = float(finite.min()), float(finite.max())
    return TensorSummary(
        variable, dtype, a.shape, device, counts.size,
        None if is_complex else low, None if is_complex else high, max(abs(low), abs(high)),
        int(np.sum(finite == 0)), counts.nan, counts.posinf, counts.neginf, exponents=_exponents(finite[finite != 0]),
    )  # fmt: skip


def _exponents(nonzero: Any) -> ExponentHistogram | None:
    if nonzero.size == 0:
        return None
    exponents = np.frexp(nonzero)[1].astype(np.int64) - 1
    first = int(exponents.min())
    return ExponentHistogram(first, tuple(int(n) for n in np.bincount(exponents - first)))


def address_of(array: Any) -> int | None:
    """Where the memory of an ndarray begins, as numpy's own tensors are known by; None if it is no ndarray."""
    if not isinstance(array, np.ndarray):
        return None
    while isinstance(array.base, np.ndarray):
        array = array.base
    return int(array.__array_interface__["data"][0])
