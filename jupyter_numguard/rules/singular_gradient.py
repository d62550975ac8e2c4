"""NG301 singular-gradient: The value is finite, but the derivative of the operation is not at this operand.

## What happened
The forward pass was finite. In the backward pass the derivative of one operation was ±Inf or NaN, because its operand
lies where the function has a vertical tangent: 0 for `sqrt`, powers below 1 and norms, ±1 for `acos` and `asin`.

## Why it is non-finite
The derivative of sqrt(x) is 1/(2·sqrt(x)), which is Inf at 0. Multiplied by a gradient of 0 it is NaN. The same holds
for x**p with p < 1 (p·x**(p-1)), log, and 1/x.

## Example
```python torch
import torch
x = torch.tensor([0.0, 4.0], requires_grad=True)
y = torch.sqrt(x).sum()  # origin: NG301
y.backward()
g = x.grad
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 4.0])
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.reduce_sum(tf.sqrt(x))  # origin: NG301
g = tape.gradient(y, x)
```

## Use instead
Keep the operand away from the singular point before the operation. A clamp or a selection after it is too late: the
backward pass still goes through the singular derivative.
```python torch
import torch
x = torch.tensor([0.0, 4.0], requires_grad=True)
y = torch.sqrt(x + 1e-12).sum()
y.backward()
g = x.grad
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 4.0])
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.reduce_sum(tf.sqrt(x + 1e-12))
g = tape.gradient(y, x)
```

## Limits
numpy takes no gradients.

## References
- https://github.com/chaddy1004/sobel-operator-pytorch/issues/1
- https://github.com/tensorflow/tensorflow/issues/12071
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing

CATEGORY = Category.C3
# Where the derivative is infinite, per operation: from the derivative's formula.
_SINGULAR = {
    "sqrt": 0.0, "rsqrt": 0.0, "pow": 0.0, "norm": 0.0, "normalize": 0.0, "log": 0.0, "log2": 0.0, "log10": 0.0,
    "div": 0.0, "xlogy": 0.0, "atan2": 0.0, "cdist": 0.0, "std": 0.0, "cosine_similarity": 0.0,
    "acos": 1.0, "asin": 1.0, "atanh": 1.0, "acosh": 1.0,
}  # fmt: skip


def detect(path: LineagePath) -> Evidence | None:
    """A backward creation by an operation with a singular point, and an operand on it."""
    origin = failing(path, set(_SINGULAR), ("backward",))
    if origin is None:
        return None
    point = _SINGULAR[origin.op]
    for x in origin.operands:
        if point == 0.0 and x.zeros:
            found = f"The operand {wording.tensor(x)}" if x.size == 1 else wording.share(x.zeros, x)
            return Evidence(
                f"{found} {wording.be(x.zeros, x)} 0, where the derivative of {origin.op} is not finite.",
                certain(origin, 0.95),
            )
        if point == 1.0 and x.absmax is not None and x.absmax >= 1.0:
            return Evidence(
                f"The operand {wording.tensor(x)} reaches {wording.number(x.absmax)}, where the derivative of "
                f"{origin.op} is not finite.",
                certain(origin, 0.95),
            )
    # An operation that only the source names (a watched cell) is a guess: without a measured operand nothing is claimed.
    was_recorded = origin.native_op != origin.op
    if was_recorded and (not origin.operands or any(x.zeros is None or x.absmax is None for x in origin.operands)):
        where = "0" if point == 0.0 else "±1"
        return Evidence(f"The derivative of {origin.op} is not finite at {where}; its operand was not measured.", 0.6)
    return None
