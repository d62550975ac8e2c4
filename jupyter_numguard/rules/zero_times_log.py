"""NG206 zero-times-log: A logarithm of zero was weighted by zero: 0 · -Inf is NaN, though the term should be 0.

## What happened
`log` received an element that is exactly 0 and returned -Inf; the result is then multiplied by a weight (a probability, a
target, a count), or handed to a divergence that does so.

## Why it is non-finite
The limit of p · log(p) at 0 is 0, but IEEE 754 has 0 · -Inf = NaN. Entropies, cross-entropies and divergences written
out by hand meet it at every class of probability 0.

## Example
```python torch
import torch
p = torch.tensor([0.0, 0.4, 0.6])
entropy = -(p * torch.log(p)).sum()  # origin: NG206
```
```python tensorflow
import tensorflow as tf
p = tf.constant([0.0, 0.4, 0.6])
entropy = -tf.reduce_sum(p * tf.math.log(p))  # origin: NG206
```
```python numpy
import numpy as np
p = np.array([0.0, 0.4, 0.6])
entropy = -np.sum(p * np.log(p))  # origin: NG206
```

## Use instead
The fused form knows the limit. Where a gradient is taken it has none at 0 either: bound the argument of the logarithm.
```python torch
import torch
p = torch.tensor([0.0, 0.4, 0.6])
entropy = -torch.xlogy(p, p).sum()
```
```python tensorflow
import tensorflow as tf
p = tf.constant([0.0, 0.4, 0.6])
entropy = -tf.reduce_sum(tf.math.xlogy(p, p))
```
```python numpy
import numpy as np
p = np.array([0.0, 0.4, 0.6])
entropy = -np.sum(p * np.log(np.where(p == 0, 1.0, p)))
```

## Limits
A weight of another name than the argument is believed to be 0 there only where NaN came of it.

## References
- https://docs.pytorch.org/docs/stable/special.html#torch.special.xlogy
- https://github.com/huggingface/trl/issues/7221
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, is_mask, operand, weighting_call, weights

CATEGORY = Category.C2
PRECEDES = {"NG101", "NG502"}


def detect(path: LineagePath) -> Evidence | None:
    """Zeros in the argument of a logarithm that is a factor of a product, and NaN or the same factor."""
    origin = failing(path, {"log", "log2", "log10"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or not x.zeros or (x.min is not None and x.min < 0):
        return None
    counts = path.steps[0].counts if path.steps else None
    became_nan = counts is not None and counts.nan > 0
    for guilty, weight, reader in weights(path):
        argument = guilty.argument("x")
        same = argument is not None and any(
            a.key == b.key for a in reader.expansions(argument) for b in reader.expansions(weight)
        )
        if (same or became_nan) and not is_mask(reader, weight):
            text = f"{wording.share(x.zeros, x)} {wording.be(x.zeros, x)} 0, and the logarithm is multiplied by"
            return Evidence(f"{text} `{reader.text(weight)}`: 0 · -Inf is NaN.", certain(origin, 0.92))
    called = weighting_call(path)
    if called is not None and became_nan:
        text = f"{wording.share(x.zeros, x)} {wording.be(x.zeros, x)} 0, and {called} weights the logarithm"
        return Evidence(f"{text}: 0 · -Inf is NaN.", certain(origin, 0.9))
    return None
