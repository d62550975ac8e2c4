"""Numbers of one tensor: counts, extremes, exponents. They read from the device: for tensors known to be of interest.

Large tensors are looked at piece by piece, so that temporaries stay near 64 MB whatever the size.
"""

from __future__ import annotations

from typing import Any

import torch

from ...model import Counts, ExponentHistogram, TensorInfo, TensorSummary
from .dense import (
    COMPRESSED,
    INTEGERS,
    as_computable,
    can_be_nonfinite,
    hidden,
    pieces,
    plain,
    values_of,
    why_unreadable,
)

_INF = float("inf")
_EXPONENT_OF_ZERO = -1  # frexp(0) is (0, 0), of C


def info(t: Any) -> TensorInfo:
    """Framework, dtype, shape and device; a nested tensor's shape is that of its `values()`."""
    with hidden():
        try:
            found = plain(t)
            shape = found.values().shape if found.is_nested else found.shape
            return TensorInfo("torch", str(found.dtype).removeprefix("torch."), tuple(shape), str(found.device))
        except Exception:  # a class that not even torch can describe
            return TensorInfo("torch", type(t).__name__, (), "")


def count(t: Any) -> tuple[Counts, tuple[int, ...]]:
    """Counts of NaN, +Inf and -Inf, and the index of the first non-finite element; () for a scalar or a finite tensor.

    A complex element counts once, NaN before +Inf before -Inf of either part. Of a sparse tensor the stored elements
    count and the index is the dense one; of a nested tensor the index goes into its `values()`.
    """
    with hidden():
        if why_unreadable(t) is not None:
            return Counts(0, 0, 0, 0), ()
        owner, values = plain(t), values_of(t)
        size = values.numel() if owner.is_nested else owner.numel()
        if not can_be_nonfinite(values.dtype) or values.numel() == 0:
            return Counts(size, 0, 0, 0), ()
        nan = posinf = neginf = 0
        first: tuple[int, ...] | None = None
        for start, piece in pieces(values):
            is_nan, is_posinf, is_neginf = _kinds(as_computable(piece))
            tally = torch.stack((is_nan.sum(), is_posinf.sum(), is_neginf.sum())).tolist()
            nan, posinf, neginf = nan + tally[0], posinf + tally[1], neginf + tally[2]
            if first is None and any(tally):
                flat = int((is_nan | is_posinf | is_neginf).reshape(-1).to(torch.uint8).argmax())
                first = tuple(s + i for s, i in zip(start, _unravel(flat, tuple(piece.shape)), strict=True))
        repeats = _repeats(owner, values)
        if first is not None and (owner.is_sparse or owner.layout in COMPRESSED):
            first = _first_dense_index(owner)
        return Counts(size, nan * repeats, posinf * repeats, neginf * repeats), first or ()


def _kinds(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Masks of NaN, +Inf and -Inf that do not overlap."""
    if not x.is_complex():
        return x != x, x == _INF, x == -_INF
    parts = torch.view_as_real(x.resolve_conj())
    real, imag = parts[..., 0], parts[..., 1]
    nan = (real != real) | (imag != imag)
    posinf = ((real == _INF) | (imag == _INF)) & ~nan
    neginf = ((real == -_INF) | (imag == -_INF)) & ~nan & ~posinf
    return nan, posinf, neginf


def _unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        flat, rest = divmod(flat, size)
        index.append(rest)
    return tuple(reversed(index))


def _first_dense_index(t: torch.Tensor) -> tuple[int, ...]:
    """The row-major first index of a non-finite element of a sparse tensor."""
    coo = t if t.layout is torch.sparse_coo else t.to_sparse_coo()
    nan, posinf, neginf = _kinds(as_computable(coo._values()))
    hits = (nan | posinf | neginf).nonzero()
    rows = torch.cat((coo._indices().t()[hits[:, 0]], hits[:, 1:]), dim=1)
    return min(tuple(row) for row in rows.tolist())


def summarize(t: Any, variable: str | None = None) -> TensorSummary:
    """Counts, extremes over the finite values, zeros and binary exponents of the tensor now (measured="at_op").

    Complex: extremes are of the magnitude only. Sparse: of the stored values. What cannot be read has no numbers.
    """
    what = info(t)
    plain_facts = TensorSummary(variable, what.dtype, what.shape, what.device)
    with hidden():
        if why_unreadable(t) is not None:
            return plain_facts
        owner, values = plain(t), values_of(t)
        if not can_be_nonfinite(values.dtype) and values.dtype not in INTEGERS:
            return plain_facts  # sub-byte and bit formats: nothing converts them
        facts = _Facts()
        for _, piece in pieces(values, limit=1 << 22):  # float64 and mask temporaries: about 100 MB
            if piece.device.type not in ("cpu", "cuda"):
                piece = piece.cpu()  # no frexp, or no float64 there
            facts.add(as_computable(piece))
        repeats = _repeats(owner, values)
    counts, _ = count(t)
    return TensorSummary(
        variable, what.dtype, what.shape, what.device, counts.size,
        facts.low, facts.high, facts.absmax, facts.zeros * repeats, counts.nan, counts.posinf, counts.neginf,
        exponents=facts.histogram(repeats),
    )  # fmt: skip


def _repeats(owner: torch.Tensor, values: torch.Tensor) -> int:
    """How many elements each value stands for: more than one where dimensions have stride 0."""
    if owner.layout is not torch.strided or owner.is_nested or not values.numel():
        return 1
    return int(owner.numel() // values.numel())


class _Facts:
    """Running extremes, zeros and exponent counts over the pieces of a tensor."""

    def __init__(self) -> None:
        self.low: float | None = None
        self.high: float | None = None
        self.absmax: float | None = None
        self.zeros = 0
        self._exponents: dict[int, int] = {}

    def add(self, piece: torch.Tensor) -> None:
        """Take in one piece of any computable dtype."""
        if piece.is_complex():
            values = piece.to(torch.complex128).abs()
        else:
            exact = torch.float32 if piece.dtype in (torch.float16, torch.bfloat16, torch.float32) else torch.float64
            values = piece.to(exact)
        is_finite = values.isfinite()
        finite = values if bool(is_finite.all()) else values.masked_select(is_finite)
        if finite.numel() == 0:
            return
        low, high = (float(x) for x in torch.aminmax(finite))
        if not piece.is_complex():
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)
        absmax = max(abs(low), abs(high))
        self.absmax = absmax if self.absmax is None else max(absmax, self.absmax)
        zeros = finite.numel() - int(torch.count_nonzero(finite))
        self.zeros += zeros
        exponents = torch.frexp(finite).exponent.reshape(-1) - 1
        least = int(exponents.amin())
        numbers = torch.bincount(exponents - least).tolist()
        if zeros:
            numbers[_EXPONENT_OF_ZERO - least] -= zeros
        for i, number in enumerate(numbers):
            if number:
                self._exponents[least + i] = self._exponents.get(least + i, 0) + number

    def histogram(self, repeats: int) -> ExponentHistogram | None:
        """The exponents between the smallest and the largest that occur; None if all values are zero."""
        if not self._exponents:
            return None
        first, last = min(self._exponents), max(self._exponents)
        return ExponentHistogram(first, tuple(self._exponents.get(e, 0) * repeats for e in range(first, last + 1)))
