"""NG103 outside-domain: A root, a power or an inverse function was taken of an element outside its domain.

## What happened
`sqrt` or `rsqrt` of a negative number, a negative number to a fractional power, `acos` or `asin` beyond ±1, `atanh` or
`logit` at or beyond the ends of their interval. Often the true value lies on the edge and rounding pushed it over.

## Why it is non-finite
These functions have no real value there: the result is NaN, or ±Inf exactly at a pole.

## Example
```python torch
import torch
cosine = torch.tensor([1.0000001, 0.5])
angle = torch.acos(cosine)  # origin: NG103
```
```python tensorflow
import tensorflow as tf
variance = tf.constant([-1e-8, 4.0])
spread = tf.sqrt(variance)  # origin: NG103
```
```python numpy
import numpy as np
x = np.array([-0.25, 2.0])
y = x ** 1.5  # origin: NG103
```

## Use instead
Bound the operand to the domain where only rounding left it, before the operation. Where the sign matters, treat it apart.
For an `acos` that is differentiated stay inside the ends, not on them.
```python torch
import torch
cosine = torch.tensor([1.0000001, 0.5])
angle = torch.acos(cosine.clamp(-1, 1))
```
```python tensorflow
import tensorflow as tf
variance = tf.constant([-1e-8, 4.0])
spread = tf.sqrt(tf.maximum(variance, 0.0))
```
```python numpy
import numpy as np
x = np.array([-0.25, 2.0])
y = np.sign(x) * np.abs(x) ** 1.5
```

## Limits
Complex tensors have no such edge and are not judged.

## References
- https://github.com/TorchIO-project/torchio/issues/306
- IEEE 754-2019, section 9.2.1
"""

from __future__ import annotations

from math import inf

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand

CATEGORY = Category.C1
# Per operation: the interval of operands with a finite result, and whether its ends belong to it. From the definitions.
_DOMAIN = {
    "sqrt": (0.0, inf, True),
    "rsqrt": (0.0, inf, False),
    "pow": (0.0, inf, True),
    "acos": (-1.0, 1.0, True),
    "asin": (-1.0, 1.0, True),
    "acosh": (1.0, inf, True),
    "atanh": (-1.0, 1.0, False),
    "logit": (0.0, 1.0, False),
}

# Of these a finite operand outside the domain is the only way to a non-finite result.
_ONLY_DOMAIN = frozenset({"sqrt", "acos", "asin", "acosh"})


def detect(path: LineagePath) -> Evidence | None:
    """The smallest or largest element of the operand, outside the operation's interval."""
    origin = failing(path, set(_DOMAIN), ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is not None and origin.op == "logit" and x is None:
        return Evidence("The argument of logit lies at or beyond 0 or 1; it was not measured.", 0.6)
    if origin is not None and x is not None and x.min is None and origin.op in _ONLY_DOMAIN:
        low, high, _ = _DOMAIN[origin.op]
        ends = f"[{wording.number(low)}, {wording.number(high)}]"
        text = f"{origin.op} of a number gives NaN only outside {ends}; its argument could not be measured."
        return Evidence(text, 0.6)
    if origin is None or x is None or x.min is None or x.max is None:
        return None
    low, high, closed = _DOMAIN[origin.op]
    if origin.op == "rsqrt" and x.min == low:
        return None  # 1 / sqrt(0): NG102
    if origin.op == "pow" and not (origin.result is not None and origin.result.nan):
        return None  # a negative base with an integer exponent overflows, it does not leave the domain
    text = f"The argument of {origin.op}, {wording.tensor(x)},"
    if x.min < low or (not closed and x.min == low):
        return Evidence(
            f"{text} goes down to {x.min!r}; the domain begins at {wording.number(low)}.", certain(origin, 0.92)
        )
    if x.max > high or (not closed and x.max == high):
        return Evidence(f"{text} reaches {x.max!r}; the domain ends at {wording.number(high)}.", certain(origin, 0.92))
    return None
