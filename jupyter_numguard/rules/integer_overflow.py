"""NG505 integer-overflow: A product or a power of integers passed the largest of their dtype and wrapped round to below zero.

## What happened
Samples of audio, pixels or counts in int8, int16 or int32 were squared or multiplied, and the result was kept in that dtype.

## Why it is non-finite
int16 ends at 32767: 200 ** 2 is -25536 there. The mean of such squares may be negative, and its root is NaN.

## Example
```python torch
import torch
samples = torch.tensor([200, -210], dtype=torch.int16)
level = torch.sqrt((samples ** 2).float())  # origin: NG505
```
```python numpy
import numpy as np
samples = np.array([200, -210], np.int16)
level = np.sqrt(np.mean(samples ** 2))  # origin: NG505
```

## Use instead
Convert before the product, not after it.
```python torch
import torch
samples = torch.tensor([200, -210], dtype=torch.int16)
level = torch.sqrt(samples.double() ** 2)
```
```python numpy
import numpy as np
samples = np.array([200, -210], np.int16)
level = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
```

## Limits
The product must be visible in the source, and its operand must have a name.

## References
- https://numpy.org/doc/stable/user/basics.types.html#overflow-errors
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.wrapped import wrapped_product

from ._recognise import certain, failing, operand

CATEGORY = Category.C5
PRECEDES = {"NG101", "NG103", "NG104", "NG301"}


def detect(path: LineagePath) -> Evidence | None:
    """A negative operand of a root or a logarithm that is made of a product of integers too large for their dtype."""
    origin = failing(path, {"log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.min is None or x.min >= 0:
        return None
    found = wrapped_product(Reader(path))
    if found is None:
        return None
    term, factor, largest = found
    text = f"`{Reader(path).text(term)}` is computed in {wording.dtype_name(factor.dtype)}, which ends at {largest}"
    reached = f"`{factor.variable}` reaches {wording.number(factor.absmax or 0.0)}"
    return Evidence(
        f"{text}; {reached}, and what is made of it goes down to {wording.number(x.min)}.", certain(origin, 0.93)
    )
