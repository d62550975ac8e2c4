"""NG504 unsigned-wrap: A difference of unsigned integers went below zero and wrapped round to a huge number.

## What happened
Two arrays of an unsigned integer dtype (pixels, box corners, counters) were subtracted, and the smaller one stood first.

## Why it is non-finite
uint8 has no -1: 0 - 1 is 255, in uint16 65535. The huge number then leaves the domain of a later operation.

## Example
```python numpy
import numpy as np
x1, x2 = np.array([5, 9], np.uint16), np.array([3, 12], np.uint16)
t = np.log(12.0 - (x2 - x1))  # origin: NG504
```

## Use instead
Make one operand signed before the subtraction.
```python numpy
import numpy as np
x1, x2 = np.array([5, 9], np.uint16), np.array([3, 12], np.uint16)
t = np.log(12.0 - (x2.astype(np.int64) - x1))
```

## Limits
The subtraction must be visible in the source, and its operands must have names.

## References
- https://github.com/jwyang/faster-rcnn.pytorch/issues/594
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, operand, unsigned_difference

CATEGORY = Category.C5
PRECEDES = {"NG101", "NG102", "NG103", "NG104", "NG603"}


def detect(path: LineagePath) -> Evidence | None:
    """A failing operation of the domain kind whose operand is made of a difference of unsigned integers."""
    ops = {"log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow", "acos", "asin", "atanh", "exp", "div"}
    origin = failing(path, ops, ("forward", "update"))
    x = operand(origin, -1 if origin is not None and origin.op == "div" else 0) if origin is not None else None
    found = unsigned_difference(path) if origin is not None and x is not None else None
    if origin is None or x is None or found is None or x.min is None:
        return None
    text, dtype = found
    return Evidence(
        f"`{text}` subtracts {dtype} from {dtype}, which holds nothing below 0; {wording.tensor(x)}, made of it, goes from "
        f"{wording.number(x.min)} to {wording.number(x.max or 0.0)}.",
        certain(origin, 0.9),
    )
