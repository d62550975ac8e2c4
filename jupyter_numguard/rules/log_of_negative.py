"""NG104 log-of-negative: A logarithm was taken of a negative number.

## What happened
`log`, `log2`, `log10` or `log1p` received elements that lie clearly below its domain and returned NaN for them.

## Why it is non-finite
The real logarithm of a negative number does not exist. What should be positive (a width, a count, a variance, a price, a
probability) is not: the data, an integer that wrapped around, or a step before this one is wrong.

## Example
```python torch
import torch
width = torch.tensor([4.0, -30.0])
target = torch.log(width / 8.0)  # origin: NG104
```
```python tensorflow
import tensorflow as tf
width = tf.constant([4.0, -30.0])
target = tf.math.log(width / 8.0)  # origin: NG104
```
```python numpy
import numpy as np
width = np.array([4.0, -30.0])
target = np.log(width / 8.0)  # origin: NG104
```

## Use instead
Find out why it is negative, and drop or repair such elements where they come in: boxes with their corners exchanged,
labels, unsigned integers that wrapped, raw scores that were taken for probabilities. A clamp would only hide them.
```python torch
import torch
width = torch.tensor([4.0, -30.0])
target = torch.log(width[width > 0] / 8.0)
```
```python tensorflow
import tensorflow as tf
width = tf.constant([4.0, -30.0])
target = tf.math.log(tf.boolean_mask(width, width > 0) / 8.0)
```
```python numpy
import numpy as np
width = np.array([4.0, -30.0])
target = np.log(width[width > 0] / 8.0)
```

## Limits
There is no rewrite: only the author knows what the number should have been.

## References
- https://github.com/broadinstitute/keras-rcnn/issues/133
- IEEE 754-2019, section 9.2.1
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand
from jupyter_numguard.rules.log_of_zero import POLE, ROUNDING

CATEGORY = Category.C1


def detect(path: LineagePath) -> Evidence | None:
    """The smallest element of the argument, below the domain by more than rounding."""
    origin = failing(path, set(POLE), ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.min is None:
        return None
    pole = POLE[origin.op]
    if x.min >= pole - ROUNDING * max(1.0, x.absmax or 0.0):
        return None
    text = f"The argument of {origin.op}, {wording.tensor(x)}, goes down to {wording.number(x.min)}"
    return Evidence(f"{text}; below {wording.number(pole)} there is no logarithm.", certain(origin, 0.92))
