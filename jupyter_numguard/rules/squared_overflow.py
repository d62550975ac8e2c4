"""NG207 squared-overflow: A square overflowed, though only the root of the sum of squares is wanted.

## What happened
An operand was squared, the square passed the largest number of its dtype, and a square root follows.

## Why it is non-finite
The square of 1e20 is 1e40; float32 ends at 3.4e38. The length itself, 1e20, would fit.

## Example
```python torch
import torch
x, y = torch.tensor([1e30, 3.0]), torch.tensor([1e30, 4.0])
r = torch.sqrt(x**2 + y**2)  # origin: NG207
```
```python tensorflow
import tensorflow as tf
x, y = tf.constant([1e30, 3.0]), tf.constant([1e30, 4.0])
r = tf.sqrt(x**2 + y**2)  # origin: NG207
```
```python numpy
import numpy as np
x, y = np.array([1e200, 3.0]), np.array([1e200, 4.0])
r = np.sqrt(x**2 + y**2)  # origin: NG207
```

## Use instead
The fused form scales first. If the operands have no reason to be so large, look for where they grew.
```python torch
import torch
x, y = torch.tensor([1e30, 3.0]), torch.tensor([1e30, 4.0])
r = torch.hypot(x, y)
```
```python tensorflow
import tensorflow as tf
x, y = tf.constant([1e30, 3.0]), tf.constant([1e30, 4.0])
r = tf.abs(tf.complex(x, y))
```
```python numpy
import numpy as np
x, y = np.array([1e200, 3.0]), np.array([1e200, 4.0])
r = np.hypot(x, y)
```

## Limits
The root must be visible in the source, in the statement of the square or one that it reaches.

## References
- https://docs.pytorch.org/docs/stable/generated/torch.hypot.html
"""

from __future__ import annotations

from math import sqrt

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, reaches

CATEGORY = Category.C2
PRECEDES = {"NG701", "NG801"}


def detect(path: LineagePath) -> Evidence | None:
    """Overflow of a square whose root is taken."""
    origin = failing(path, {"pow", "mul"}, ("forward", "update"))
    if origin is None or origin.result is None or wording.num_nonfinite(origin.operands[0]):
        return None
    limit = wording.LARGEST.get(wording.dtype_name(origin.result.dtype))
    largest = max((x.absmax for x in origin.operands if x.absmax is not None), default=0.0)
    if limit is None or limit < 1e6 or largest <= sqrt(limit) or not reaches(path, {"sqrt"}, through={"add"}):
        return None
    text = f"The squared operand reaches {wording.number(largest)}; the square passes {wording.number(limit)}"
    return Evidence(f"{text}, and its root is taken afterwards.", certain(origin, 0.92))
