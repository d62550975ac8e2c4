"""NG904 ascending-update: The gradient is added to the parameter, so every step makes the loss larger.

## What happened
An update that the source writes out adds the gradient (`w += lr * w.grad`), and the recorded loss rose from the first step
on.

## Why it is non-finite
The gradient points where the loss grows. Going along it is exact ascent: with a quadratic loss each step multiplies the
error by 1 + rate * curvature, at any rate, until it overflows. A smaller rate only makes it slower.

## Example
```python torch
import torch
torch.manual_seed(0)
x, y = torch.rand(50, 3), torch.ones(50)
w = torch.zeros(3, requires_grad=True)
for step in range(2000):
    loss = ((x @ w - y) ** 2).mean()  # origin: NG904
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w += 0.5 * g
```

## Use instead
Take the gradient away: `w -= lr * g`, or an optimizer. To maximise something on purpose, minimise its negative and bound
it.
```python torch
import torch
torch.manual_seed(0)
x, y = torch.rand(50, 3), torch.ones(50)
w = torch.zeros(3, requires_grad=True)
for step in range(2000):
    loss = ((x @ w - y) ** 2).mean()
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.5 * g
```

## Limits
Only gradients that a framework computed are recognised: of one that was derived by hand nobody knows the sign.

## References
- https://pytorch.org/tutorials/beginner/pytorch_with_examples.html
"""

from __future__ import annotations

from jupyter_numguard.model import Category, Evidence, LineagePath

from ._growth import described, diverged
from ._recognise import certain
from ._updates import is_gradient, updates

CATEGORY = Category.C9
PRECEDES = {"NG203", "NG701", "NG801"}
SETTINGS = ("sign",)


def detect(path: LineagePath) -> Evidence | None:
    """A gradient that is added without a minus, and a loss that rose from its first recorded step."""
    origin = path.origin
    if origin is None or origin.kind != "op":
        return None
    wrong = next(
        (
            u
            for u in updates(path)
            if u.is_sum and "-" not in u.change and is_gradient(u.change, path) and (u.value or 1) > 0
        ),
        None,
    )
    loss = next(((t, end) for t, end in diverged(path) if t.role == "loss"), None)
    if wrong is None or loss is None or loss[1].start > loss[0].history.step[0] + 1:
        return None
    text = f"`{wrong.target}` gets `{wrong.change}` added, not taken away. {described(*loss)}"
    return Evidence(f"{text}.", certain(origin, 0.93))
