"""How the elements of any ndarray can be looked at: which dtypes can hold a non-finite value, and exact flags for
them.

| dtype | looked at as |
|---|---|
| float32, float64, longdouble, complex | `isfinite`; large contiguous float32/64 after a `dot(a, a)` screen |
| float16, bfloat16 | their bits: `isfinite` is about 25 times slower on float16 and absent for bfloat16 |
| one-byte floats and other one-byte dtypes of ml_dtypes | a table of their 256 values |
| structured | their float fields |
| object | the floats and arrays among the elements |
| integer, boolean, text, time (NaT is no number) | finite |
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..bits import HALVES, has_nonfinite
from .state import silence

Array = np.ndarray[Any, np.dtype[Any]]

SCREEN_ABOVE = 16_384  # elements; below, the dot product and its error state cost more than isfinite
_CHUNK = 1 << 20  # elements looked at together, so that temporaries stay small whatever the size
_MAX_DEPTH = 4  # of arrays inside object arrays
_TURN = 1 << 26  # elements between two chances for a KeyboardInterrupt
_SMALL = 4096  # elements; below it a call costs more than its memory traffic: such arrays are looked at together
_BUFFER = 1 << 18  # elements that are copied together at most


def plain(value: Any) -> Array:
    """The memory of an array or scalar as an exact ndarray: no code of a subclass runs, nothing is copied of an array."""
    if isinstance(value, np.ndarray):
        return value if type(value) is np.ndarray else np.ndarray.view(value, np.ndarray)
    return np.asarray(value)


def mask_of(value: Any) -> Array | None:
    """The mask of a masked array, True where an element does not count; None if all count."""
    if not isinstance(value, np.ma.MaskedArray):
        return None
    mask = np.ma.getmask(value)
    return None if mask is np.ma.nomask else plain(mask)


def can_be_nonfinite(dtype: np.dtype[Any]) -> bool:
    """Whether a value of this dtype can be NaN or Inf."""
    if dtype.subdtype is not None:
        return can_be_nonfinite(dtype.subdtype[0])
    if dtype.names is not None:
        return any(can_be_nonfinite(dtype.fields[n][0]) for n in dtype.names) if dtype.fields else False
    return dtype.kind in "fcO" or _is_extension(dtype)


def _is_extension(dtype: np.dtype[Any]) -> bool:
    """A number type that another package registered (ml_dtypes): kind V, but no void."""
    return dtype.kind == "V" and dtype.names is None and not issubclass(dtype.type, np.void)


def is_known(dtype: np.dtype[Any]) -> bool:
    """Whether the dtype can be checked: every dtype of numpy, and those of ml_dtypes."""
    return not _is_extension(dtype) or dtype.itemsize == 1 or dtype.name in HALVES


def are_nonfinite(values: Sequence[Any]) -> list[bool]:
    """Whether any element that counts is NaN or Inf, exactly, of each. No warning is made or lost."""
    with silence():
        flags = [False] * len(values)
        small: dict[Any, list[int]] = {}
        held = 0
        for i, a in enumerate(values):
            if type(a) is np.ndarray and a.dtype.char in "fd" and 0 < a.size <= _SMALL:
                small.setdefault(a.dtype, []).append(i)
                held += a.size
                if held > _BUFFER:
                    _look_together(small, values, flags)
                    held = 0
            else:
                flags[i] = _is_nonfinite(a)
        _look_together(small, values, flags)
        return flags


def _look_together(groups: dict[Any, list[int]], values: Sequence[Any], flags: list[bool]) -> None:
    """One look at a copy of all; only where it is non-finite one at each."""
    for group in groups.values():
        arrays = [values[i] for i in group]
        together = arrays[0] if len(group) == 1 else np.concatenate([a.reshape(-1) for a in arrays])
        if not np.isfinite(together).all():
            for i, a in zip(group, arrays, strict=True):
                flags[i] = not np.isfinite(a).all()
    groups.clear()


def is_nonfinite(value: Any) -> bool:
    """`are_nonfinite` of one."""
    return are_nonfinite([value])[0]


def _is_nonfinite(value: Any) -> bool:
    mask = mask_of(value)
    a = plain(value)
    if a.size == 0 or not can_be_nonfinite(a.dtype):
        return False
    if mask is None and a.dtype.isnative:
        if a.dtype.char in "fd" and a.size > SCREEN_ABOVE and not _may_be_nonfinite(a):
            return False
        if a.dtype.name in HALVES:
            return has_nonfinite(a.ravel("K") if a.flags.forc else a, a.dtype.name)
    return any(bool((~is_finite).any()) for is_finite, _ in finite_flags(a, mask))


def _may_be_nonfinite(a: Array) -> bool:
    """The screen: False means finite for sure. No non-finite element can make a finite sum, of squares or not."""
    if not a.flags.forc:
        return not np.isfinite(np.add.reduce(a, axis=None))
    flat = a.ravel("K")  # a view: the memory in its own order
    pieces = (flat[i : i + _TURN] for i in range(0, flat.size, _TURN))
    return not all(np.isfinite(np.dot(piece, piece)) for piece in pieces)


def finite_flags(a: Array, mask: Array | None = None) -> Iterator[tuple[Array, Array]]:
    """(flags, elements) piece by piece in C order, both one-dimensional; masked elements are flagged finite.

    Structured arrays come field by field, flattened: indices are then those of the field.
    """
    if a.dtype.names is not None:
        for name in a.dtype.names:
            field = a[name]
            if can_be_nonfinite(field.dtype):
                yield from finite_flags(field, None if mask is None else plain(mask[name]))
        return
    flat = a.reshape(-1) if a.flags.c_contiguous else a.flat
    flat_mask = None if mask is None else mask.reshape(-1)
    for start in range(0, a.size, _CHUNK):
        piece = flat[start : start + _CHUNK]
        flags = _flags_of(piece)
        if flat_mask is not None:
            flags = flags | flat_mask[start : start + _CHUNK]
        yield flags, piece


def _flags_of(piece: Array) -> Array:
    dtype = piece.dtype
    if dtype.kind == "O":
        return np.fromiter((not _holds_nonfinite(x) for x in piece), bool, piece.size)
    if dtype.name in HALVES:
        positive, negative = HALVES[dtype.name]
        bits = piece.astype(dtype.newbyteorder("="), copy=False).view(np.uint16)
        return np.asarray((bits < positive) | ((bits >= 0x8000) & (bits < negative)))
    if dtype.itemsize == 1 and (dtype.kind == "f" or _is_extension(dtype)):
        return np.asarray(_finite_bytes(dtype)[piece.view(np.uint8)])
    if not can_be_nonfinite(dtype) or not is_known(dtype):
        return np.ones(piece.shape, bool)
    with silence():  # a signalling NaN raises "invalid" in some builds
        return np.asarray(np.isfinite(piece))


def _holds_nonfinite(element: object, depth: int = 0) -> bool:
    kind = type(element)
    if issubclass(kind, float):
        return not -_LARGEST <= element <= _LARGEST  # type: ignore[operator]  # NaN compares as False
    if issubclass(kind, complex):
        return _holds_nonfinite(element.real) or _holds_nonfinite(element.imag)  # type: ignore[attr-defined]
    if issubclass(kind, np.ndarray | np.generic) and depth < _MAX_DEPTH:
        a = plain(element)
        if a.dtype.kind == "O":
            return any(_holds_nonfinite(x, depth + 1) for x in a.flat)
        return is_nonfinite(element)
    return False


_LARGEST = float(np.finfo(np.float64).max)


@functools.cache
def _finite_bytes(dtype: np.dtype[Any]) -> Array:
    """Which of the 256 one-byte values are finite."""
    with silence():
        return np.isfinite(np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32))


def as_numbers(piece: Array) -> Array:
    """A piece as something that numpy can compute with exactly: float32, float64, longdouble or complex."""
    if piece.dtype.kind == "O":
        return np.array([_number(x) for x in piece], dtype=np.float64)
    if piece.dtype.kind == "c" or (piece.dtype.kind == "f" and piece.dtype.itemsize > 2):
        return piece
    if piece.dtype.itemsize <= 2 and (piece.dtype.kind == "f" or _is_extension(piece.dtype)):
        with silence():
            return piece.astype(np.float32)
    return piece.astype(np.float64)


def _number(element: object) -> float:
    """The element of an object array as a number; what is none counts as 1: finite, not zero."""
    if isinstance(element, float | int) and not isinstance(element, bool):
        try:
            return float(element)
        except OverflowError:  # an int that no float holds
            return _LARGEST
    if isinstance(element, np.floating | np.integer):
        return float(element)
    return float("nan") if _holds_nonfinite(element) else 1.0
