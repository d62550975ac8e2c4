"""NG208 growing-product: A product of many factors passed the largest number of its dtype.

## What happened
`prod` or `cumprod` of finite numbers gave Inf: the factors are ordinary, there are too many of them.

## Why it is non-finite
n factors of size p make p**n: 45 factors of 7.5 pass float32's largest number, 352 pass float64's.

## Example
```python torch
import torch
ratio = torch.full((100,), 7.5)
growth = torch.prod(ratio)  # origin: NG208
```
```python tensorflow
import tensorflow as tf
ratio = tf.fill((100,), 7.5)
growth = tf.reduce_prod(ratio)  # origin: NG208
```
```python numpy
import numpy as np
ratio = np.full(400, 7.5)
growth = np.cumprod(ratio)  # origin: NG208
```

## Use instead
Add logarithms, and take the exponential only of what is known to be small: a ratio, a mean, a difference.
```python torch
import torch
ratio = torch.full((100,), 7.5)
log_growth = torch.sum(torch.log(ratio))
```
```python tensorflow
import tensorflow as tf
ratio = tf.fill((100,), 7.5)
log_growth = tf.reduce_sum(tf.math.log(ratio))
```
```python numpy
import numpy as np
ratio = np.full(400, 7.5)
log_growth = np.cumsum(np.log(ratio))
```

## Limits
A loop that multiplies is growing-recurrence (NG702). A factor that is itself huge is huge-operand (NG801).

## References
- https://en.wikipedia.org/wiki/Log_probability
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin

from ._recognise import certain, failing, operand

CATEGORY = Category.C2
PRECEDES = {"NG106", "NG801"}
_LARGE = 1e6  # a factor beyond it is the trouble, not their number


def detect(path: LineagePath) -> Evidence | None:
    """Inf of a product whose factors are finite and ordinary, or of a determinant."""
    determinant = failing(path, {"det"}, ("forward", "update"))
    if determinant is not None:
        return _determinant(determinant)
    origin = failing(path, {"prod", "cumprod"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.absmax is None or wording.num_nonfinite(x) or x.absmax > _LARGE:
        return None
    result = origin.result
    if result is not None and not result.posinf and not result.neginf:
        return None
    text = f"The factors, {wording.tensor(x)}, reach {wording.number(x.absmax)} and there are {x.size} of them"
    return Evidence(f"{text}; their product passes the largest number of its dtype.", certain(origin, 0.92))


def _determinant(origin: Origin) -> Evidence | None:
    """Of logdet an Inf is no overflow: the determinant is 0 there."""
    x, result = operand(origin, 0), origin.result
    is_plain = origin.native_op.lower().endswith(("::det", ".det", "linalg_det", "matrixdeterminant"))
    if not is_plain or x is None or result is None or not (result.posinf or result.neginf) or wording.num_nonfinite(x):
        return None
    text = f"The determinant of {wording.tensor(x)}, whose elements reach {wording.number(x.absmax or 0.0)}"
    return Evidence(f"{text}, passes the largest number of its dtype.", certain(origin, 0.9))
