"""pandas: a DataFrame, Series or Index is a container of numpy arrays, named as the user types them.

Nothing is copied where pandas can show its own memory. Only what can hold a non-finite number is shown: floating,
complex and object columns. A missing value of an extension dtype (`pd.NA`) is no number and counts as finite; the
arrays under a mask come as masked arrays. Whether a NaN is a missing marker that was loaded is for the lineage to
say."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .base import spell_index
from .digest import digest
from .numpy import NumpyBackend

_HASHED = 100_000  # elements of a column without numbers that are hashed


class PandasBackend(NumpyBackend):
    """Shows what is inside pandas' containers; the arrays themselves are `NumpyBackend`'s."""

    def owns(self, value: object) -> bool:
        """False: pandas has containers only. (A `Timestamp` or `pd.NA` is no tensor.)"""
        return False

    def children(self, value: object) -> Iterable[tuple[str, object]] | None:
        """The float columns of a frame (`["a"]`), the values of a series or index (an empty suffix), the `.index`."""
        if isinstance(value, pd.DataFrame):
            return _of_frame(value)
        if isinstance(value, pd.Series):
            return [*_own_values(value), *_of_index(value.index)]
        if isinstance(value, pd.Index):
            return _own_values(value)
        return None

    def content(self, value: object, limit: int) -> Mapping[str, Hashable] | None:
        """A digest for each column, the index and the labels."""
        if isinstance(value, pd.DataFrame):
            found = {path: _digest(value.iloc[:, i], limit) for i, path in enumerate(_column_paths(value))}
            return {**found, ".index": _digest(value.index, limit), ".columns": _digest(value.columns, limit)}
        if isinstance(value, pd.Series):
            return {"": _digest(value, limit), ".index": _digest(value.index, limit), ".name": repr(value.name)}
        if isinstance(value, pd.Index):
            return {"": _digest(value, limit)}
        return None

    def intercept(self, log: object) -> None:  # type: ignore[override]
        """None: what pandas computes, numpy signals."""
        return None

    keep_watch = intercept  # type: ignore[assignment]


def _digest(column: Any, limit: int) -> Hashable:
    """Of a series or index; None where it is larger than the limit."""
    dtype = column.dtype
    if isinstance(column, pd.RangeIndex):
        return (column.start, column.stop, column.step)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        values = column.to_numpy(copy=False)
        return (str(dtype), len(column), digest(values)) if values.nbytes <= limit else None
    if len(column) > _HASHED:
        return None
    hashed = pd.util.hash_pandas_object(column, index=False) if not isinstance(column, pd.MultiIndex) else None
    return (str(dtype), len(column), digest(hashed.to_numpy()) if hashed is not None else hash(tuple(column)))


def _column_paths(frame: pd.DataFrame) -> Iterator[str]:
    """How the user types each column: `["a"]`, or by position where the label does not tell it."""
    unique = frame.columns.is_unique
    for i, label in enumerate(frame.columns):
        index = spell_index(label) if unique else None
        yield f"[{index}]" if index is not None else f".iloc[:, {i}]"


def _of_frame(frame: pd.DataFrame) -> Iterator[tuple[str, object]]:
    for i, path in enumerate(_column_paths(frame)):
        if _can_be_nonfinite(frame.dtypes.iloc[i]):
            for _, values in _own_values(frame.iloc[:, i]):
                yield path, values
    yield from _of_index(frame.index)


def _of_index(index: pd.Index) -> list[tuple[str, object]]:
    return [(".index", values) for _, values in _own_values(index)]


def _own_values(column: Any) -> list[tuple[str, object]]:
    """The values of a series or index as one array; none where they cannot be non-finite."""
    dtype = column.dtype
    if not _can_be_nonfinite(dtype):
        return []
    if isinstance(dtype, np.dtype):
        return [("", _apart(column.to_numpy(copy=False)))]
    if isinstance(dtype, pd.SparseDtype):
        return [("", np.asarray(column.array))]
    data, mask = getattr(column.array, "_data", None), getattr(column.array, "_mask", None)
    if isinstance(data, np.ndarray) and isinstance(mask, np.ndarray):
        return [("", np.ma.MaskedArray(data, mask=mask))]
    return [("", column.to_numpy(dtype=np.float64, na_value=0.0))]  # arrow: a null is no number


def _can_be_nonfinite(dtype: Any) -> bool:
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, pd.SparseDtype):
        return _can_be_nonfinite(dtype.subtype)
    return kind in "fc" or (isinstance(dtype, np.dtype) and kind == "O")


def _apart(values: Any) -> Any:
    """The same memory with a base that is no array: columns share one block, yet each is a variable of its own."""
    if values.dtype.kind not in "fc" or values.dtype.itemsize > 16 or values.size == 0:
        return values
    return np.asarray(memoryview(values))
