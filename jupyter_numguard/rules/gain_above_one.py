"""NG803 gain-above-one: Every application of a weight multiplies the magnitude, because its entries are too large.

## What happened
Layers one after the other, or one layer applied in every time step, made their input larger each time, until a product
overflowed. No update had time to do that: the weights came so.

## Why it is non-finite
A product with an n x n matrix whose entries have the standard deviation s multiplies a magnitude by about s * sqrt(n).
Above 1 this is exponential growth with the depth.

## Example
```python torch
import torch
torch.manual_seed(0)
W = torch.randn(64, 64)
h = torch.ones(1, 64)
for _ in range(100):
    h = h @ W  # origin: NG803
```

## Use instead
Initialise so that each layer keeps the variance: Xavier or Kaiming (`nn.init`), orthogonal for a recurrence; or put a
normalisation between the layers.
```python torch
import torch
torch.manual_seed(0)
W = torch.nn.init.orthogonal_(torch.empty(64, 64))
h = torch.ones(1, 64)
for _ in range(100):
    h = h @ W
```

## Limits
Growth is known where the line was recorded from run to run, in a trace. Where a training made the weights large it is
diverging-update (NG701).

## References
- https://proceedings.mlr.press/v9/glorot10a.html
- https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath, TensorSummary

from ._growth import described, diverged
from ._recognise import certain, failing

CATEGORY = Category.C8
PRECEDES = {"NG702", "NG801"}
_PRODUCTS = {"matmul", "linear", "conv", "bmm", "einsum", "addmm"}


def detect(path: LineagePath) -> Evidence | None:
    """A product with a finite weight, whose results rose from run to run; the parameters themselves did not."""
    origin = failing(path, _PRODUCTS, ("forward",))
    if origin is None or len(origin.operands) < 2:
        return None
    weight = _weight(origin.operands)
    grown = diverged(path)
    if weight is None or any(trend.role in ("parameter", "gradient", "loss") for trend, _ in grown):
        return None
    result = next(((trend, end) for trend, end in grown if trend.role == "result"), None)
    if result is None or result[1].factor < 1.2:
        return None
    entries = f"the entries of {wording.tensor(weight)} reach {wording.number(weight.absmax or 0.0)}"
    return Evidence(f"{described(*result)}; {entries}.", certain(origin, 0.88))


def _weight(operands: tuple[TensorSummary, ...]) -> TensorSummary | None:
    """The smaller of the matrices: the state has grown, the weight has not."""
    matrices = [x for x in operands if len(x.shape) >= 2 and x.absmax is not None and not wording.num_nonfinite(x)]
    matrices = [x for x in matrices if (x.absmax or 0.0) < 1e6]
    return min(matrices, key=lambda x: x.absmax or 0.0, default=None)
