"""NG404 nothing-to-average: A mean loss was taken although every target is ignored.

## What happened
All operands are finite, and the loss is NaN: no target counts, because each equals `ignore_index`, or the batch is empty.

## Why it is non-finite
`reduction="mean"` divides by the number (or weight) of the targets that count: 0/0 = NaN.

## Example
```python torch
import torch
import torch.nn.functional as F
logits = torch.zeros(2, 3)
target = torch.tensor([-100, -100])
loss = F.cross_entropy(logits, target)  # origin: NG404
```

## Use instead
Skip such batches, or sum and divide by the number of targets that count, at least one.
```python torch
import torch
import torch.nn.functional as F
logits = torch.zeros(2, 3)
target = torch.tensor([-100, -100])
count = (target != -100).sum().clamp(min=1)
loss = F.cross_entropy(logits, target, reduction="sum") / count
```

## Limits
TensorFlow divides without NaN here.

## References
- https://github.com/pytorch/pytorch/issues/70348
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand

CATEGORY = Category.C4
_OPS = {
    "cross_entropy",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
}


def detect(path: LineagePath) -> Evidence | None:
    """NaN from a mean loss of finite operands of ordinary size."""
    origin = failing(path, _OPS, ("forward",))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or origin.result is None or not origin.result.nan:
        return None
    if any(wording.num_nonfinite(o) or o.nan is None for o in origin.operands):
        return None
    if x.size == 0:
        return Evidence(f"{origin.op} was taken of {wording.tensor(x)}, which has no element.", certain(origin, 0.95))
    if x.absmax is None or x.absmax > 1e15:
        return None  # the squares or exponentials overflowed
    text = f"The operands of {origin.op} are finite (largest magnitude {wording.number(x.absmax)}) and the mean is 0/0."
    return Evidence(text, certain(origin, 0.85))
