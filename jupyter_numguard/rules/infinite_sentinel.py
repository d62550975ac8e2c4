"""NG403 infinite-sentinel: An infinite marker met an operation that has no answer for it: 0 · Inf or Inf - Inf.

## What happened
±Inf was used as a mark ("impossible", "not yet", "masked"), and the mark was multiplied by 0, or subtracted from itself,
or divided by itself.

## Why it is non-finite
IEEE 754 defines 0 · Inf, Inf - Inf and Inf/Inf as NaN. Comparing or taking the maximum would have been fine.

## Example
```python torch
import torch
value = torch.tensor([1.0, float("-inf")])
chosen = torch.tensor([1.0, 0.0])
total = (value * chosen).sum()  # origin: NG403
```
```python numpy
import numpy as np
best = np.array([np.inf, 2.0])
gain = best - best  # origin: NG403
```

## Use instead
Mark with the lowest finite number of the dtype, or select with a mask instead of multiplying by one.
```python torch
import torch
value = torch.tensor([1.0, torch.finfo(torch.float32).min])
chosen = torch.tensor([1.0, 0.0])
total = (value * chosen).sum()
```
```python numpy
import numpy as np
best = np.array([np.finfo(np.float64).max, 2.0])
gain = best - best
```

## Limits
Where the Inf was computed from finite numbers, that operation is the origin, not this one.

## References
- https://github.com/ray-project/ray/issues/10165
- IEEE 754-2019, section 7.2
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing

CATEGORY = Category.C4
_OPS = {
    "mul",
    "sub",
    "add",
    "div",
    "sum",
    "mean",
    "matmul",
    "cumsum",
    "var",
    "std",
    "lerp",
    "addcmul",
    "sin",
    "cos",
    "tan",
    "mod",
}


def detect(path: LineagePath) -> Evidence | None:
    """NaN from arithmetic whose operands hold ±Inf and no NaN."""
    origin = failing(path, _OPS, ("forward", "update"))
    if origin is None or (origin.result is not None and not origin.result.nan):
        return None
    if any(x.nan for x in origin.operands):
        return None
    marked = [x for x in origin.operands if (x.posinf or 0) + (x.neginf or 0)]
    if not marked:
        return None
    counted = [f"{(x.posinf or 0) + (x.neginf or 0)} ±Inf in {wording.tensor(x)}" for x in marked]
    text = f"{origin.op} met {' and '.join(counted)}"
    zeros = [x for x in origin.operands if x.zeros and x not in marked] if origin.op in ("mul", "matmul") else []
    if zeros:
        text += f" and {zeros[0].zeros} zeros in {wording.tensor(zeros[0])}"
    return Evidence(f"{text}: the result is NaN.", certain(origin, 0.92))
