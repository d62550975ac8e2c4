"""NG401 degenerate-reduction: A statistic of too few elements, or a division by a count, sum or spread that is zero.

## What happened
A mean or median of no element, a standard deviation of one, or a quotient whose divisor is a count, a sum or a standard
deviation that came out as 0: an empty mask, a constant column, an empty batch.

## Why it is non-finite
The mean of nothing is 0/0. The unbiased variance of n elements divides by n - 1. A sum over an empty mask is 0, and
0/0 = NaN.

## Example
```python torch
import torch
loss = torch.tensor([0.3, 0.7])
mask = torch.tensor([0.0, 0.0])
mean = (loss * mask).sum() / mask.sum()  # origin: NG401
```
```python tensorflow
import tensorflow as tf
x = tf.constant([], dtype=tf.float32)
mean = tf.reduce_mean(x)  # origin: NG401
```
```python numpy
import numpy as np
column = np.array([3.0, 3.0, 3.0])
scaled = (column - column.mean()) / column.std()  # origin: NG401
```

## Use instead
Guard the count, or skip the term where there is nothing to average. For a spread, treat a constant column as one of
spread 1.
```python torch
import torch
loss = torch.tensor([0.3, 0.7])
mask = torch.tensor([0.0, 0.0])
mean = (loss * mask).sum() / mask.sum().clamp(min=1)
```
```python tensorflow
import tensorflow as tf
x = tf.constant([], dtype=tf.float32)
mean = tf.math.divide_no_nan(tf.reduce_sum(x), tf.cast(tf.size(x), tf.float32))
```
```python numpy
import numpy as np
column = np.array([3.0, 3.0, 3.0])
spread = column.std()
scaled = (column - column.mean()) / (spread if spread > 0 else 1.0)
```

## Limits
That a divisor is a count or a spread must be visible in the source; otherwise it is division-by-zero.

## References
- https://github.com/lhwcv/mlsd_pytorch/issues/9
- https://github.com/fastai/fastai/issues/889
- https://github.com/nasa/delta/pull/115
"""

from __future__ import annotations

import re

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin
from jupyter_numguard.terms import CONSTANT, Term

from ._recognise import certain, failing, operand, producers

CATEGORY = Category.C4
PRECEDES = {"NG102", "NG502"}
_MAX_DEPTH = 6
_REDUCTIONS = {"mean", "median", "std", "var"}
_COUNT = re.compile(r"(?:^|_)(?:n|num|number|count|counts|cnt|len|length|size|total)(?:_|$)")
# A norm, a maximum and a product are no statistics: they are 0 because the operand is (NG102).
_DIVISORS = {"sum": "a sum", "mean": "a mean", "std": "a standard deviation", "var": "a variance"}


def detect(path: LineagePath) -> Evidence | None:
    """Too few elements in a reduction, or a zero divisor that the source shows to be a reduction."""
    origin = failing(path, _REDUCTIONS, ("forward", "update"))
    if origin is not None:
        return _too_few(origin)
    origin = failing(path, {"corrcoef"}, ("forward",))
    if origin is not None:
        return _constant_column(origin)
    origin = failing(path, {"div"}, ("forward", "update"))
    divisor = operand(origin, -1) if origin is not None else None
    if origin is None or divisor is None or not divisor.zeros:
        return None
    makers = producers(path, "y")
    made, sure = _statistic(path), 0.95
    if made is None and not makers and _COUNT.search(divisor.variable or ""):
        made, sure = "by its name a count", 0.7  # a name proves nothing
    if made is None:
        return None
    what = f"The divisor {wording.tensor(divisor)}, {made}," if divisor.size == 1 else (
        f"{wording.share(divisor.zeros, divisor)}, the divisor, {made},"
    )  # fmt: skip
    return Evidence(f"{what} {wording.be(divisor.zeros, divisor)} 0.", certain(origin, sure))


def _statistic(path: LineagePath) -> str | None:
    """What the divisor is, where the source shows it to be a statistic or a sum of statistics (`a.sum() + b.sum()`)."""
    made = next((t for t in producers(path, "y") if t.op in _DIVISORS), None)
    if made is not None:
        return _DIVISORS[made.op]
    reader = Reader(path)
    divisors = (guilty.argument("y") for guilty in reader.guilty())
    return "a sum of sums" if any(d is not None and _is_sum(reader, d, 0) for d in divisors) else None


def _is_sum(reader: Reader, term: Term, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    for t in reader.expansions(term):
        if t.op == "sum":
            return True
        if t.op in ("add", "sub", "mul"):
            inside = [a for _, a in t.arguments if a.op != CONSTANT]
            return bool(inside) and all(_is_sum(reader, a, depth + 1) for a in inside)
    return False


def _constant_column(origin: Origin) -> Evidence | None:
    x, result = operand(origin, 0), origin.result
    if x is None or wording.num_nonfinite(x) or (result is not None and not result.nan):
        return None
    made = "not finite" if result is None else f"NaN in {result.nan} of {result.size} elements"
    text = f"The correlation of {wording.tensor(x)}, which is finite, is {made}"
    return Evidence(f"{text}: it divides by the spread of each variable, and one is constant.", certain(origin, 0.9))


def _too_few(origin: Origin) -> Evidence | None:
    x = operand(origin, 0)
    if x is None or wording.num_nonfinite(x):
        return None
    if origin.result is not None and not wording.num_nonfinite(origin.result):
        return None
    if x.size == 0 or 0 in x.shape:
        return Evidence(f"{origin.op} was taken of {wording.tensor(x)}, which has no element.", certain(origin, 0.95))
    if origin.op in ("std", "var") and (x.size == 1 or 1 in x.shape):
        text = f"{origin.op} was taken over one element of {wording.tensor(x)}; the unbiased form divides by 0."
        return Evidence(text, certain(origin, 0.95))
    return None
