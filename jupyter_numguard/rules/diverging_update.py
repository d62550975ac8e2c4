"""NG701 diverging-update: The values grew by a factor in every training step until they overflowed.

## What happened
The magnitude of a parameter, a loss or an activation rose step after step. The operation that finally overflowed is an
ordinary one (a square, a product, a sum, the update itself).

## Why it is non-finite
With too large a step, each update overshoots by more than it corrects, and the error is multiplied by a factor above 1
every time. Nothing is wrong with the formula; a guard on it would only hide the divergence.

## Example
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros((), requires_grad=True)
for _ in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()  # origin: NG701
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.5 * g
```
```python numpy
import numpy as np
x = np.array([1.0, 2.0, 3.0])
w = 0.0
for _ in range(900):
    error = w * x - 2 * x
    loss = np.mean(error ** 2)  # origin: NG701
    w = w - 1.0 * np.mean(error * x)
```

## Use instead
Lower the learning rate, ten times at first. Clip the gradient's norm, bring the inputs to a scale of about 1, and take the
mean over the batch, not the sum.
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros((), requires_grad=True)
for _ in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.05 * g
```
```python numpy
import numpy as np
x = np.array([1.0, 2.0, 3.0])
w = 0.0
for _ in range(900):
    error = w * x - 2 * x
    loss = np.mean(error ** 2)
    w = w - 0.05 * np.mean(error * x)
```

## Limits
Growth is known from the recorded history, or, without one, from ordinary arithmetic that overflows late in a loop.

## References
- https://stackoverflow.com/questions/43636736
- https://github.com/keras-team/keras/issues/510
"""

from __future__ import annotations

from math import sqrt

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, History, LineagePath

from ._recognise import certain

CATEGORY = Category.C7
PRECEDES = {"NG203", "NG501", "NG801"}
_ARITHMETIC = {
    "add", "sub", "mul", "pow", "matmul", "sum", "mean", "cumsum", "norm", "mse_loss", "update", "addcmul", "var", "std", "conv",
}  # fmt: skip
_GROWING_OPS = _ARITHMETIC | {
    "exp",
    "expm1",
    "cross_entropy",
    "softmax",
    "cast",
    "div",
    "lerp",
    "addcdiv",
    "grad_accumulate",
}
_MIN_POINTS = 5
_MIN_GROWTH = 1e3


def detect(path: LineagePath) -> Evidence | None:
    """A history that grows, or arithmetic that overflows in a late occurrence of its line."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.op not in _GROWING_OPS:
        return None
    grown = _growth(path.history)
    if grown is not None and path.history is not None:
        first, last, steps = grown
        text = f"The largest magnitude of {path.history.variable} grew from {wording.number(first)} to {wording.number(last)}"
        return Evidence(f"{text} in the last {steps} recorded steps.", certain(origin, 0.92))
    result = origin.result
    operands = [x.absmax for x in origin.operands if x.absmax is not None]
    limit = wording.LARGEST.get(wording.dtype_name(result.dtype)) if result is not None else None
    if limit is None or not operands or origin.occurrence < _MIN_POINTS:
        return None
    if origin.op in _ARITHMETIC and max(operands) > sqrt(limit) / 100:
        text = f"At occurrence {origin.occurrence} of this line the operands of {origin.op} reach {wording.number(max(operands))}"
        return Evidence(f"{text}; in its first occurrences the result was finite.", certain(origin, 0.8))
    return None


def _growth(history: History | None) -> tuple[float, float, int] | None:
    """(first, last, number of steps) of the longest rising end of the history; None where that is no growth."""
    if history is None:
        return None
    points = [p for p in history.absmax if p == p and p != float("inf")]
    start = len(points) - 1
    while start > 0 and points[start - 1] <= points[start]:
        start -= 1
    rising = points[max(start, 0) :]
    if len(rising) < _MIN_POINTS or not rising or rising[-1] < _MIN_GROWTH * max(rising[0], 1e-30):
        return None
    return rising[0], rising[-1], len(rising)
