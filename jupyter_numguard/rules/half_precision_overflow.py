"""NG501 half-precision-overflow: The result is an ordinary number, but too large for the dtype that holds it.

## What happened
All operands are finite. The result passed the largest number of a narrow dtype (65504 in float16), in a product, a sum,
an exponential or a cast, and became ±Inf.

## Why it is non-finite
float16 has five exponent bits. 300**2, or the sum of 4096 elements of 20, is already larger than 65504.

## Example
```python torch
import torch
x = torch.full((4096,), 20.0).half()
total = x.sum()  # origin: NG501
```
```python numpy
import numpy as np
x = np.array([300.0], dtype=np.float16)
energy = x * x  # origin: NG501
```

## Use instead
Compute this step in float32: reductions with `dtype=torch.float32`, attention scores, norms, softmax and losses. Scale
before the product (`q / sqrt(d)`), not after it. bfloat16 has float32's range.
```python torch
import torch
x = torch.full((4096,), 20.0).half()
total = x.sum(dtype=torch.float32)
```
```python numpy
import numpy as np
x = np.array([300.0], dtype=np.float16)
energy = x.astype(np.float32) * x
```

## Limits
A dtype that numguard has no limit for is not judged.

## References
- https://github.com/idiap/fast-transformers/issues/32
- https://github.com/huggingface/transformers/issues/382
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin

from ._recognise import certain

CATEGORY = Category.C5
PRECEDES = {"NG203", "NG801"}
_FLOAT32_EXP_LIMIT = 88.72
_LARGEST_HALF, _LARGEST_SINGLE = 65504.0, 3.4e38


def detect(path: LineagePath) -> Evidence | None:
    """Inf in a float16 result of finite operands, or a cast beyond the range of the narrower dtype."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.result is None or origin.phase not in ("forward", "update"):
        return None
    result = origin.result
    dtype = wording.dtype_name(result.dtype)
    limit = wording.LARGEST.get(dtype)
    if limit is None or not ((result.posinf or 0) + (result.neginf or 0)) or not origin.operands:
        return None
    largest = max((x.absmax for x in origin.operands if x.absmax is not None), default=None)
    if largest is None or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    if origin.op == "cast" and largest > limit:
        text = f"The cast to {dtype} received up to {wording.number(largest)}; {dtype} ends at {wording.number(limit)}."
        return Evidence(text, certain(origin, 0.95))
    if dtype == "float16" and origin.op == "div" and (quotient := _quotient(origin)) is not None:
        text = f"The quotient reaches {wording.number(quotient)} and passes 65504, float16's largest number."
        return Evidence(text, certain(origin, 0.92))
    if dtype != "float16" or origin.op in ("div", "log", "log2", "log10", "rsqrt", "data"):
        return None
    if origin.op in ("exp", "expm1") and largest > _FLOAT32_EXP_LIMIT:
        return None  # overflows in float32 as well
    text = f"The operands of {origin.op} reach {wording.number(largest)} and the result passes 65504, float16's largest number."
    return Evidence(text, certain(origin, 0.92))


def _quotient(origin: Origin) -> float | None:
    """The largest quotient there can be, where the divisor is away from 0 and float32 holds it."""
    if len(origin.operands) != 2:
        return None
    above, below = origin.operands
    if above.absmax is None or below.min is None or below.max is None or below.zeros or below.min * below.max <= 0:
        return None
    quotient = above.absmax / min(abs(below.min), abs(below.max))
    return quotient if _LARGEST_HALF < quotient < _LARGEST_SINGLE else None
