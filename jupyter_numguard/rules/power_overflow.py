"""NG209 power-overflow: A power of ordinary numbers passed the largest number of its dtype.

## What happened
`x ** n` of a finite base and a finite exponent, neither of them large, gave Inf.

## Why it is non-finite
A power grows like an exponential of its exponent: 900 ** 105 passes float64's largest number, 50 ** 23 float32's.

## Example
```python torch
import torch
rate = torch.tensor([2.0, 900.0])
weight = rate ** 40  # origin: NG209
```
```python tensorflow
import tensorflow as tf
rate = tf.constant([2.0, 900.0])
weight = rate ** 40.0  # origin: NG209
```
```python numpy
import numpy as np
rate = np.array([2.0, 900.0])
weight = rate ** 400  # origin: NG209
```

## Use instead
Work with its logarithm, `n * log(x)`, add and subtract there what it is multiplied with and divided by, and take the
exponential only of what is known to be small.
```python torch
import torch
rate = torch.tensor([2.0, 900.0])
log_weight = 40 * torch.log(rate)
```
```python tensorflow
import tensorflow as tf
rate = tf.constant([2.0, 900.0])
log_weight = 40.0 * tf.math.log(rate)
```
```python numpy
import numpy as np
rate = np.array([2.0, 900.0])
log_weight = 400 * np.log(rate)
```

## Limits
There is no rewrite: what the power is combined with decides the form. A square of a number that is itself huge is
huge-operand (NG801), or divergence (NG701) where it grew.

## References
- https://en.wikipedia.org/wiki/Log_probability
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, operand

CATEGORY = Category.C2
PRECEDES = {"NG801"}
_LARGE = 1e6  # a base or an exponent beyond it is the trouble itself


def detect(path: LineagePath) -> Evidence | None:
    """Inf of a power whose base and exponent are finite and ordinary."""
    origin = failing(path, {"pow"}, ("forward", "update"))
    base, exponent = (operand(origin, 0), operand(origin, 1)) if origin is not None else (None, None)
    if origin is None or base is None or base.absmax is None or wording.num_nonfinite(base) or base.absmax > _LARGE:
        return None
    if origin.result is None or not (origin.result.posinf or origin.result.neginf) or base.zeros:
        return None
    text = f"The base of the power, {wording.tensor(base)}, reaches {wording.number(base.absmax)}"
    if exponent is not None:
        if exponent.absmax is None or wording.num_nonfinite(exponent) or exponent.absmax > _LARGE:
            return None
        text += f" and the exponent, {wording.tensor(exponent)}, {wording.number(exponent.absmax)}"
    return Evidence(f"{text}; the power passes the largest number of its dtype.", certain(origin, 0.85))
