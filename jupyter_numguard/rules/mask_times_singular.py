"""NG304 mask-times-singular: A mask was multiplied onto a result that is not finite where the mask is 0.

## What happened
A function with a singular point is computed for every element and the unwanted ones are multiplied by 0 afterwards.

## Why it is non-finite
0 · Inf and 0 · NaN are NaN, so the product does not remove them. Where the value is finite and only the derivative is
not (sqrt at 0), the backward pass multiplies the same 0 by the same Inf.

## Example
```python torch
import torch
x = torch.tensor([0.0, 2.0], requires_grad=True)
mask = (x > 0).float()
loss = (mask * torch.log(x)).sum()  # origin: NG304
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 2.0])
mask = tf.cast(x > 0, tf.float32)
loss = tf.reduce_sum(mask * tf.math.log(x))  # origin: NG304
```
```python numpy
import numpy as np
x = np.array([0.0, 2.0])
mask = x > 0
loss = np.sum(mask * np.log(x))  # origin: NG304
```

## Use instead
Make the input safe where the mask is 0; what comes out there is multiplied by 0 anyway.
```python torch
import torch
x = torch.tensor([0.0, 2.0], requires_grad=True)
mask = (x > 0).float()
loss = (mask * torch.log(torch.where(mask != 0, x, 1.0))).sum()
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 2.0])
mask = tf.cast(x > 0, tf.float32)
loss = tf.reduce_sum(mask * tf.math.log(tf.where(mask != 0, x, 1.0)))
```
```python numpy
import numpy as np
x = np.array([0.0, 2.0])
mask = x > 0
loss = np.sum(mask * np.log(np.where(mask != 0, x, 1.0)))
```

## Limits
That a factor is a mask is read from its name or from the comparison that made it.

## References
- https://github.com/pytorch/pytorch/issues/68425
"""

from __future__ import annotations

import re

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, is_mask, weights

CATEGORY = Category.C3
PRECEDES = {"NG101", "NG102", "NG103", "NG104", "NG203", "NG206", "NG301", "NG403", "NG502"}
_SINGULAR = {
    "log", "log2", "log10", "log1p", "div", "sqrt", "rsqrt", "pow", "exp", "acos", "asin", "atanh", "acosh", "logit", "xlogy",
}  # fmt: skip


def detect(path: LineagePath) -> Evidence | None:
    """A singular operation, or its derivative, whose result is multiplied by a mask."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.op not in _SINGULAR:
        return None
    for _, weight, reader in weights(path):
        if is_mask(reader, weight) and not _is_label(origin.code, reader.text(weight)):
            facts = f"{origin.op} is computed for every element, also where the factor `{reader.text(weight)}` is 0"
            for x in origin.operands:
                if x.zeros:
                    text = f"{facts}; {wording.share(x.zeros, x)} {wording.be(x.zeros, x)} 0."
                    return Evidence(text, certain(origin, 0.92))
            for x in origin.operands:
                if x.min is not None and x.max is not None:
                    span = f"from {wording.number(x.min)} to {wording.number(x.max)}"
                    return Evidence(f"{facts}; {wording.tensor(x)} goes {span}.", certain(origin, 0.9))
            return Evidence(f"{facts}.", certain(origin, 0.8))
    return None


def _is_label(code: str, weight: str) -> bool:
    """A factor that stands beside its complement, `y * log(p) + (1 - y) * log(1 - p)`: nothing is masked."""
    return re.search(rf"\(\s*1(?:\.0*)?\s*-\s*{re.escape(weight)}\s*\)", code) is not None
