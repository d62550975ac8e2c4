"""NG302 where-trap: `where` hides a singular branch in the forward pass, but not in the backward pass.

## What happened
Both branches of a `where` are computed for every element. One of them is non-finite, or has a non-finite derivative,
where it is not selected. The forward result is fine; the gradient is NaN.

## Why it is non-finite
The backward pass gives the branch that was not selected a gradient of 0 and multiplies it by the derivative there:
0 · Inf = NaN, whatever was selected.

## Example
```python torch
import torch
x = torch.tensor([0.0, 2.0], requires_grad=True)
y = torch.where(x > 0, torch.sqrt(x), x)  # origin: NG302
y.sum().backward()
g = x.grad
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 2.0])
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.where(x > 0, 1.0 / x, x)  # origin: NG302
g = tape.gradient(y, x)
```

## Use instead
Make the operand of the singular branch safe first, with a selection of its own, then select the result
("double where").
```python torch
import torch
x = torch.tensor([0.0, 2.0], requires_grad=True)
y = torch.where(x > 0, torch.sqrt(torch.where(x > 0, x, torch.ones_like(x))), x)
y.sum().backward()
g = x.grad
```
```python tensorflow
import tensorflow as tf
x = tf.constant([0.0, 2.0])
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.where(x > 0, 1.0 / tf.where(x > 0, x, tf.ones_like(x)), x)
g = tape.gradient(y, x)
```

## Limits
A product with a mask (`mask * f(x)`) has the same trap and is seen as the singular operation itself.

## References
- https://www.tensorflow.org/api_docs/python/tf/where
- https://github.com/pytorch/pytorch/issues/68425
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, is_gradient, is_selected

CATEGORY = Category.C3
PRECEDES = {"NG101", "NG102", "NG103", "NG104", "NG204", "NG203", "NG301", "NG403"}

_SINGULAR_AT_ZERO = {"log", "log2", "log10", "div", "sqrt", "rsqrt", "pow", "norm", "xlogy"}


def detect(path: LineagePath) -> Evidence | None:
    """A gradient whose origin is a branch of `where`."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.op == "where" or not is_gradient(path) or not is_selected(path):
        return None
    facts = f"{origin.op} is computed for every element, also where `where` takes the other branch"
    for x in origin.operands:
        if wording.num_nonfinite(x):
            return Evidence(
                f"{facts}; {wording.tensor(x)} holds {wording.num_nonfinite(x)} ±Inf or NaN.", certain(origin, 0.9)
            )
        if x.zeros and origin.op in _SINGULAR_AT_ZERO:
            return Evidence(f"{facts}; {wording.share(x.zeros, x)} {wording.be(x.zeros, x)} 0.", certain(origin, 0.95))
        if x.min is not None and x.max is not None and x.size != 1:
            span = f"from {wording.number(x.min)} to {wording.number(x.max)}"
            return Evidence(f"{facts}; {wording.tensor(x)} goes {span}.", certain(origin, 0.9))
    return Evidence(f"{facts}.", certain(origin, 0.8))
