"""NG106 singular-matrix: A determinant, an inverse or a solution was taken of a matrix that has none.

## What happened
`logdet`, `slogdet`, an inverse or a solution is not finite, and the matrix is: its rows are multiples of each other, or its
determinant is negative where a logarithm is taken.

## Why it is non-finite
The determinant of a singular matrix is 0 and its logarithm -Inf; the inverse divides by it. A covariance is singular where
there are fewer samples than variables, or where one variable is a multiple of others.

## Example
```python torch
import torch
cov = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
value = torch.logdet(cov)  # origin: NG106
```

## Use instead
Add a small multiple of the identity (a ridge) to the matrix, drop the variables that repeat others, or use a
pseudo-inverse or least squares.
```python torch
import torch
cov = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
value = torch.logdet(cov + 1e-3 * torch.eye(2))
```

## Limits
Most routines raise an error of their own on an exactly singular matrix. The rank is not computed; how singular it is, is
not said.

## References
- https://docs.pytorch.org/docs/stable/generated/torch.logdet.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, failing

CATEGORY = Category.C1
_OPS = {"det", "inverse", "solve", "cholesky"}


def detect(path: LineagePath) -> Evidence | None:
    """A non-finite result of a finite square matrix."""
    origin = failing(path, _OPS, ("forward", "update"))
    if origin is None:
        return None
    square = [x for x in origin.operands if len(x.shape) >= 2 and x.shape[-1] == x.shape[-2] and x.absmax is not None]
    if not square or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    matrix, result = square[0], origin.result
    what = f"{origin.native_op.split('::')[-1]} of {wording.tensor(matrix)}, which is finite,"
    if result is not None and result.nan and origin.op == "det":
        return Evidence(f"{what} is NaN: the determinant is negative.", certain(origin, 0.85))
    if result is not None and result.neginf and origin.op == "det":
        return Evidence(f"{what} is -Inf: the determinant is 0.", certain(origin, 0.92))
    return Evidence(f"{what} is not: the matrix is singular, or so close to it that the result overflows.", 0.8)
