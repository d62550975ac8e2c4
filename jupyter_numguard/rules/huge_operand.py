"""NG801 huge-operand: The first run of an ordinary operation overflowed, because an operand was already huge.

## What happened
A product, a power or a sum overflowed although nothing had time to grow: an operand came with an absurd magnitude.
Memory of `torch.empty`, `torch.Tensor(n)` or `np.empty` that was never filled looks like this, and differs from run to run;
so does an initialisation with a far too large spread.

## Why it is non-finite
A product of two numbers above 2e19 exceeds the largest float32.

## Example
```python torch
import torch
x = torch.ones(2, 2)
w = torch.full((2, 2), 3e38)
y = x @ w  # origin: NG801
```
```python numpy
import numpy as np
w = np.array([1e200, 2e200])
y = w * w  # origin: NG801
```

## Use instead
Fill every parameter before its first use, with a spread that fits the layer (`nn.init`, about sqrt(2/n)).
```python torch
import torch
x = torch.ones(2, 2)
w = torch.nn.init.xavier_normal_(torch.empty(2, 2))
y = x @ w
```
```python numpy
import numpy as np
w = np.random.default_rng(0).normal(0, 0.7, 2)
y = w * w
```

## Limits
That the memory was never written is a guess from the magnitude.

## References
- https://github.com/gordicaleksa/pytorch-GAT/issues/11
"""

from __future__ import annotations

from math import sqrt

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing
from jupyter_numguard.rules._updates import is_in_training_loop, takes_steps

CATEGORY = Category.C8
_OPS = {"add", "sub", "mul", "pow", "matmul", "sum", "mean", "cumsum", "norm", "mse_loss", "conv", "var", "std", "prod"}
_FIRST_RUNS = 5  # later, growth is the likelier cause (NG701)


def detect(path: LineagePath) -> Evidence | None:
    """Overflow of plain arithmetic in one of the first runs of its line."""
    origin = failing(path, _OPS, ("forward", "update"))
    if origin is None or origin.result is None or not 1 <= origin.occurrence < _FIRST_RUNS:
        return None
    if origin.occurrence > 1 and takes_steps(path) and is_in_training_loop(path):
        return None  # finite in the steps before: what was initialised was in order
    limit = wording.LARGEST.get(wording.dtype_name(origin.result.dtype))
    known = [x for x in origin.operands if x.absmax is not None]
    if limit is None or limit < 1e6 or not known or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    largest = max(known, key=lambda x: x.absmax or 0.0)
    if (largest.absmax or 0.0) <= sqrt(limit) / 100:
        return None
    run = "the first run" if origin.occurrence == 1 else f"run {origin.occurrence}"
    text = f"In {run} of this line {wording.tensor(largest)} already holds {wording.number(largest.absmax or 0.0)}"
    return Evidence(f"{text}; {origin.op} passes {wording.number(limit)}.", certain(origin, 0.75))
