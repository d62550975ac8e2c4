"""NG905 gradients-never-cleared: backward adds to `.grad` in every step, and nothing sets it to zero.

## What happened
A loop calls `backward` and updates the parameters; no statement of the cell clears the gradients between two steps, and the
recorded values grew.

## Why it is non-finite
Each update goes along the sum of all gradients so far. Like a mass on a spring without friction it overshoots further and
further, until a product overflows.

## Example
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.5)
for step in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()  # origin: NG905
    loss.backward()
    opt.step()
```

## Use instead
Call `optimizer.zero_grad()` in every step, before `backward`. To accumulate on purpose, divide the loss by the number of
accumulated batches and clear after each update.
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)
for step in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
```

## Limits
That nothing clears them is read from the source of the cell. The rate may be too large besides.

## References
- https://pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
"""

from __future__ import annotations

from jupyter_numguard.model import Category, Evidence, LineagePath

from ._growth import described, diverged
from ._recognise import certain
from ._updates import never_clears

CATEGORY = Category.C9
PRECEDES = {"NG203", "NG701", "NG801"}
SETTINGS = ("clear",)


def detect(path: LineagePath) -> Evidence | None:
    """A loop with backward and a step, nothing that clears, and growth."""
    origin = path.origin
    if origin is None or origin.kind != "op" or path.framework not in (None, "torch", "python", "numpy"):
        return None
    grown = diverged(path)
    if not grown or not never_clears(path):
        return None
    text = f"No statement of the cell clears `.grad` between the steps. {described(*grown[0])}"
    return Evidence(f"{text}.", certain(origin, 0.9))
