"""NG102 division-by-zero: A divisor is exactly zero.

## What happened
A division received a divisor that is 0, or a power with a negative exponent a base that is 0. The result is ±Inf, or NaN
where the dividend is 0 too.

## Why it is non-finite
IEEE 754 defines x/0 = ±Inf for x ≠ 0 and 0/0 = NaN.

## Example
```python torch
import torch
distance = torch.tensor([2.0, 0.0])
weight = 1.0 / distance  # origin: NG102
```
```python tensorflow
import tensorflow as tf
a = tf.constant([1.0, 0.0])
b = tf.constant([2.0, 0.0])
ratio = a / b  # origin: NG102
```
```python numpy
import numpy as np
a = np.array([1.0, 0.0])
b = np.array([2.0, 0.0])
ratio = a / b  # origin: NG102
```

## Use instead
Decide what the quotient shall be where the divisor is 0. Keep the divisor away from 0 where it is a length or a scale, or
choose the value with a selection whose unused branch is safe as well.
```python torch
import torch
distance = torch.tensor([2.0, 0.0])
weight = 1.0 / distance.clamp(min=1e-6)
```
```python tensorflow
import tensorflow as tf
a = tf.constant([1.0, 0.0])
b = tf.constant([2.0, 0.0])
ratio = tf.math.divide_no_nan(a, b)
```
```python numpy
import numpy as np
a = np.array([1.0, 0.0])
b = np.array([2.0, 0.0])
ratio = np.divide(a, b, out=np.zeros_like(a), where=b != 0)
```

## Limits
Says nothing where the divisor could not be measured.

## References
- IEEE 754-2019, section 7.3
- https://www.tensorflow.org/api_docs/python/tf/math/divide_no_nan
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin

from ._recognise import certain, failing, operand

CATEGORY = Category.C1


def detect(path: LineagePath) -> Evidence | None:
    """The zeros of the divisor, the last operand; of a power to a negative exponent those of its base."""
    origin = failing(path, {"div", "mod", "rsqrt", "addcdiv", "pow"}, ("forward", "update"))
    if origin is not None and origin.op == "pow":
        return _negative_power(origin)
    divisor = operand(origin, -1) if origin is not None else None
    if origin is None or divisor is None:
        return None
    if divisor.zeros is None and origin.op == "div":
        return _unmeasured(origin)
    if not divisor.zeros:
        return None
    if divisor.size == 1:
        return Evidence(f"The divisor {wording.tensor(divisor)} is 0.", certain(origin, 0.9))
    return Evidence(
        f"{wording.share(divisor.zeros, divisor)}, the divisor, {wording.be(divisor.zeros, divisor)} 0.",
        certain(origin, 0.9),
    )


def _unmeasured(origin: Origin) -> Evidence | None:
    """`v /= norm(v)`: the divisor was computed from memory that the quotient was written over."""
    result = origin.result
    if result is None or not result.nan:
        return None  # an Inf may be an overflow
    return Evidence(
        f"{result.nan} of the {result.size} elements of the quotient are NaN although nothing that was divided is: 0 / 0. "
        "The divisor itself could not be measured any more.",
        0.6,
    )


def _negative_power(origin: Origin) -> Evidence | None:
    base, exponent = operand(origin, 0), operand(origin, 1)
    if base is None or exponent is None or not base.zeros or exponent.min is None or exponent.min >= 0:
        return None
    which = (
        f"The base {wording.tensor(base)}"
        if base.size == 1
        else f"{wording.share(base.zeros, base)}, the base of a power,"
    )
    text = f"{which} {wording.be(base.zeros, base)} 0 and the exponent goes down to {wording.number(exponent.min)}."
    return Evidence(text, certain(origin, 0.9))
