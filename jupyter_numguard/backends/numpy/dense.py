"""How the elements of any ndarray can be looked at: which dtypes can hold a non-finite value, and exact flags for
them.

| dtype | looked at as |
|---|---|
| float32, float64, longdouble, complex | `isfinite`; float32/64 after a screen (`dot.py`) |
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
from ..dot import SMALL, is_proved_finite, unproved
from .state import silence

Array = np.ndarray[Any, np.dtype[Any]]

_CHUNK = 1 << 20  # elements looked at together, so that temporaries stay small whatever the size
_MAX_DEPTH = 4  # of arrays inside object arrays
_TURN = 1 << 26  # elements between two chances for a KeyboardInterrupt


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
    flags = [False] * len(values)
    small: dict[Any, list[int]] = {}
    rest: list[int] = []
    unsure: list[int] = []  # their screen told something
    for i, a in enumerate(values):
        if type(a) is np.ndarray and (dtype := a.dtype).char in "fd" and dtype.isnative:
            if a.size <= SMALL:
                small.setdefault(dtype.char, []).append(i)
                continue
            if a.flags.forc:
                if not _is_sum_finite(a):
                    unsure.append(i)
                continue
        rest.append(i)
    for group in small.values():
        arrays = [a if a.ndim == 1 else a.reshape(-1) for a in map(values.__getitem__, group)]
        rest += [group[i] for i in unproved(arrays)]
    if rest or unsure:
        with silence():
            for i in rest:
                flags[i] = _is_nonfinite(values[i])
            for i in unsure:
                flags[i] = _has_nonfinite(values[i], None)
    return flags


def is_nonfinite(value: Any) -> bool:
    """`are_nonfinite` of one."""
    return are_nonfinite([value])[0]


def _is_nonfinite(value: Any) -> bool:
    mask = mask_of(value)
    a = plain(value)
    if a.size == 0 or not can_be_nonfinite(a.dtype):
        return False
    if mask is None and a.dtype.isnative:
        if a.dtype.char in "fd" and a.size > SMALL and _is_sum_finite(a):
            return False
        if a.dtype.name in HALVES:
            return has_nonfinite(a.ravel("K") if a.flags.forc else a, a.dtype.name)
    return _has_nonfinite(a, mask)


def _has_nonfinite(a: Array, mask: Array | None) -> bool:
    return any(bool((~is_finite).any()) for is_finite, _ in finite_flags(a, mask))


def _is_sum_finite(a: Array) -> bool:
    """A screen: True means finite for sure. No non-finite element can make a finite sum, of squares or not."""
    if not a.flags.forc:
        return bool(np.isfinite(np.add.reduce(a, axis=None)))
    return all(map(is_proved_finite, _turns(a.ravel("K"))))  # a view: the memory in its own order


def _turns(flat: Array) -> Iterator[Array]:
    return (flat[i : i + _TURN] for i in range(0, flat.size, _TURN))


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
