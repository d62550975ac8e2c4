"""NG202 log-of-sigmoid: A sigmoid saturated at 0 or 1, and its logarithm, or that of one minus it, was taken.

## What happened
The argument of `log` is `sigmoid(x)` or `1 - sigmoid(x)`, and some of its elements are 0. A binary cross entropy written
by hand has both.

## Why it is non-finite
In float32 sigmoid(x) is exactly 1 from about x = 17, and exactly 0 below about -104. log(1 - 1) and log(0) are -Inf. The
wanted number is about -|x|.

## Example
```python torch
import torch
x = torch.tensor([40.0, -3.0])
t = torch.tensor([1.0, 0.0])
p = torch.sigmoid(x)
loss = -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()  # origin: NG202
```
```python tensorflow
import tensorflow as tf
x = tf.constant([-200.0])
logp = tf.math.log(tf.sigmoid(x))  # origin: NG202
```
```python numpy
import numpy as np
x = np.array([-800.0, 1.0])
with np.errstate(over="ignore"):
    logp = np.log(1 / (1 + np.exp(-x)))  # origin: NG202
```

## Use instead
Use the function that computes the logarithm of the sigmoid directly, or the binary cross entropy that takes logits.
log(1 - sigmoid(x)) is the log-sigmoid of -x.
```python torch
import torch
import torch.nn.functional as F
x = torch.tensor([40.0, -3.0])
t = torch.tensor([1.0, 0.0])
loss = F.binary_cross_entropy_with_logits(x, t)
```
```python tensorflow
import tensorflow as tf
x = tf.constant([-200.0])
logp = tf.math.log_sigmoid(x)
```
```python numpy
import numpy as np
x = np.array([-800.0, 1.0])
logp = -np.logaddexp(0, -x)
```

## Limits
The sigmoid must be visible in the source: in the statement, in one that bound its argument, or as what the user's own model
returns.

## References
- https://pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html
- https://pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.terms import CONSTANT, Term

from ._recognise import certain, failing, operand, producers

CATEGORY = Category.C2
PRECEDES = {"NG101", "NG203", "NG206", "NG502"}


def detect(path: LineagePath) -> Evidence | None:
    """Zeros in the argument of a logarithm, and a sigmoid, named or written out, that made it."""
    origin = failing(path, {"log", "log2", "log10"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or not x.zeros:
        return None
    made_by = producers(path)
    if not any(t.op == "sigmoid" or _is_written_out(t) for t in made_by):
        return None
    side = "1 minus a sigmoid" if made_by[0].op == "sub" else "a sigmoid"
    return Evidence(
        f"{wording.share(x.zeros, x)}, {side} whose logarithm is taken, saturated to 0.", certain(origin, 0.95)
    )


def _is_written_out(term: Term) -> bool:
    """1 / (1 + exp(…))."""
    below = term.argument("y") if term.op == "div" else None
    if below is None or below.op != "add":
        return False
    ops = {t.op for _, t in below.arguments}
    return ops == {CONSTANT, "exp"}
