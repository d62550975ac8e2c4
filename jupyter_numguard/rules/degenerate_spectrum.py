"""NG303 degenerate-spectrum: The gradient of singular vectors or eigenvectors was taken where two values are equal.

## What happened
`svd` or `eigh` is finite. The gradient through its vectors is NaN or Inf, because two singular values (or eigenvalues)
coincide.

## Why it is non-finite
The derivative of the vectors divides by the differences of the (squared) values. Where two are equal, the vectors are not
even unique.

## Example
```python torch
import torch
x = torch.eye(2, requires_grad=True)
u, s, v = torch.linalg.svd(x)  # origin: NG303
u.sum().backward()
g = x.grad
```

## Use instead
Use the values alone where they are enough, or break the tie with a small perturbation that is not symmetric.
```python torch
import torch
x = torch.eye(2, requires_grad=True)
s = torch.linalg.svdvals(x).sum()
s.backward()
g = x.grad
```

## Limits
The distance of the values is not measured; that they coincide follows from the non-finite gradient.

## References
- https://github.com/pytorch/pytorch/issues/49886
- https://pytorch.org/docs/stable/generated/torch.linalg.svd.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand

CATEGORY = Category.C3


def detect(path: LineagePath) -> Evidence | None:
    """A backward creation by a decomposition of finite operands."""
    origin = failing(path, {"svd", "eigh"}, ("backward",))
    if origin is None:
        return None
    x = operand(origin, 0)
    of = f" of {wording.tensor(x)}" if x is not None else ""
    return Evidence(f"The gradient of {origin.op}{of} is not finite: two of its values coincide.", certain(origin, 0.6))
