"""NG101 log-of-zero: A logarithm was taken of an element that is zero.

## What happened
`log`, `log2` or `log10` received at least one 0 (`log1p` a -1), or a number that rounding left just below. It returned
-Inf or NaN there.

## Why it is non-finite
log(x) falls without bound as x approaches 0 from above, and IEEE 754 defines log(±0) = -Inf. Probabilities reach 0 by
underflow, counts and widths by the data.

## Example
```python torch
import torch
p = torch.tensor([0.9, 0.1, 0.0])
nll = -torch.log(p)  # origin: NG101
```
```python tensorflow
import tensorflow as tf
width = tf.constant([4.0, 0.0])
target = tf.math.log(width / 8.0)  # origin: NG101
```
```python numpy
import numpy as np
p = np.array([0.9, 0.1, 0.0])
nll = -np.log(p)  # origin: NG101
```

## Use instead
Give the logarithm a positive number: repair the data where zero cannot be right (a width, a count, a label), or bound the
argument from below where it can. The bound decides how large the result may get.
```python torch
import torch
p = torch.tensor([0.9, 0.1, 0.0])
nll = -torch.log(p.clamp(min=1e-12))
```
```python tensorflow
import tensorflow as tf
width = tf.constant([4.0, 0.0])
target = tf.math.log(tf.maximum(width, 1e-6) / 8.0)
```
```python numpy
import numpy as np
p = np.array([0.9, 0.1, 0.0])
nll = -np.log(np.clip(p, 1e-12, None))
```

## Limits
Says nothing where the operand could not be measured.

## References
- IEEE 754-2019, section 9.2.1
- https://stackoverflow.com/questions/33712178
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, operand

CATEGORY = Category.C1
ROUNDING = 1e-6  # what float32 may lose in a sum of numbers of size 1
POLE = {"log": 0.0, "log2": 0.0, "log10": 0.0, "log1p": -1.0}


def detect(path: LineagePath) -> Evidence | None:
    """The elements of the argument that are at the pole or below it."""
    origin = failing(path, set(POLE), ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None:
        return None
    pole = POLE[origin.op]
    if x.min is None or x.min < pole - ROUNDING * max(1.0, x.absmax or 0.0):
        return None  # far below: NG104
    count = x.zeros if pole == 0.0 and x.min == pole else None
    what = f"the argument of {origin.op}"
    if count:
        whole = f"{what[0].upper()}{what[1:]}, {wording.tensor(x)}, is 0."
        many = f"{wording.share(count, x)}, {what}, {wording.be(count, x)} 0."
        return Evidence(whole if x.size == 1 else many, certain(origin, 0.9))
    if x.min <= pole:
        text = f"{what[0].upper()}{what[1:]}, {wording.tensor(x)}, goes down to {wording.number(x.min)}"
        return Evidence(f"{text}; it must stay above {wording.number(pole)}.", certain(origin, 0.9))
    return None
