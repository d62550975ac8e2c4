"""NG906 zero-epsilon: An optimizer divides by the root of its gradients' squares, with nothing added to it.

## What happened
An adaptive optimizer (Adam, RMSprop, Adagrad) was made with `eps=0`, and the gradient has elements that are exactly 0: a
row of an embedding that no batch used, a dead unit.

## Why it is non-finite
Its step is g / (sqrt(mean of g**2) + eps). Where all gradients so far are 0 and eps is 0, that is 0/0 = NaN.

## Example
```python torch
import torch
w = torch.nn.Parameter(torch.ones(3))
opt = torch.optim.Adam([w], lr=0.1, eps=0)
loss = (w[:2] ** 2).sum()
loss.backward()
opt.step()  # origin: NG906
```

## Use instead
Leave eps at its default (1e-8), or larger: 1e-4 where parameters are float16.
```python torch
import torch
w = torch.nn.Parameter(torch.ones(3))
opt = torch.optim.Adam([w], lr=0.1)
loss = (w[:2] ** 2).sum()
loss.backward()
opt.step()
```

## Limits
The optimizer must be a variable of the notebook.

## References
- https://pytorch.org/docs/stable/generated/torch.optim.Adam.html
"""

from __future__ import annotations

import re

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing, operand

CATEGORY = Category.C9


def detect(path: LineagePath) -> Evidence | None:
    """NaN from an update, zeros in its gradient, and an optimizer whose eps is 0."""
    origin = failing(path, {"update"}, ("update",))
    gradient = operand(origin, 0) if origin is not None else None
    if origin is None or gradient is None or not gradient.zeros or wording.num_nonfinite(gradient):
        return None
    name = re.split(r"[./\s(]", origin.native_op.lower())
    guilty = next((o for o in path.optimizers if o.epsilon == 0.0 and o.name.lower() in name), None)
    if guilty is None:
        return None
    share, be = wording.share(gradient.zeros, gradient), wording.be(gradient.zeros, gradient)
    if origin.native_op.startswith("RealDiv"):  # TensorFlow's graphs show the division itself
        text = f"{share}, the step before its division, {be} 0"
        return Evidence(f"{text}, and {guilty.name} has epsilon = 0: the step there is 0/0.", certain(origin, 0.95))
    text = f"{share}, the gradient, {be} 0"
    return Evidence(f"{text}, and {guilty.name} has eps = 0: its step there is 0/0.", certain(origin, 0.95))
