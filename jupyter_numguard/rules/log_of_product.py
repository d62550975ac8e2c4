"""NG205 log-of-product: A product of many factors, or a determinant, underflowed to zero, and its logarithm was taken.

## What happened
`log` received exactly 0, and the 0 is the product of numbers none of which needs to be 0: of a tensor's elements, or of a
matrix's eigenvalues, whose product its determinant is.

## Why it is non-finite
A product of n numbers below 1 shrinks like p**n: 150 factors of 0.5 are below float32's smallest number, 1075 below
float64's. The logarithm of what is left is -Inf, though the logarithm of the true product is an ordinary number.

## Example
```python torch
import torch
p = torch.full((400,), 0.5)
log_likelihood = torch.log(torch.prod(p))  # origin: NG205
```
```python tensorflow
import tensorflow as tf
p = tf.fill((400,), 0.5)
log_likelihood = tf.math.log(tf.reduce_prod(p))  # origin: NG205
```
```python numpy
import numpy as np
p = np.full(4000, 0.5)
log_likelihood = np.log(np.prod(p))  # origin: NG205
```

## Use instead
Add the logarithms; never form the product. Of a determinant take `slogdet`, which adds them.
```python torch
import torch
p = torch.full((400,), 0.5)
log_likelihood = torch.sum(torch.log(p))
```
```python tensorflow
import tensorflow as tf
p = tf.fill((400,), 0.5)
log_likelihood = tf.reduce_sum(tf.math.log(p))
```
```python numpy
import numpy as np
p = np.full(4000, 0.5)
log_likelihood = np.sum(np.log(p))
```

## Limits
The product must be visible in the source. A loop that multiplies is seen as log-of-zero.

## References
- https://en.wikipedia.org/wiki/Log_probability
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, operand, producers

CATEGORY = Category.C2
PRECEDES = {"NG101", "NG502"}
_MAKERS = {"prod": "a product", "cumprod": "a product", "det": "a determinant"}


def detect(path: LineagePath) -> Evidence | None:
    """Zeros in the argument of a logarithm, and a product that made it."""
    origin = failing(path, {"log", "log2", "log10"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    made = next((_MAKERS[t.op] for t in producers(path) if t.op in _MAKERS), None)
    if origin is None or x is None or not x.zeros or made is None:
        return None
    return Evidence(
        f"{wording.share(x.zeros, x)}, {made} whose logarithm is taken, {wording.be(x.zeros, x)} 0.",
        certain(origin, 0.92),
    )
