"""NG502 half-precision-underflow: A small number became 0 in float16, and then divided or was taken the logarithm of.

## What happened
A divisor, or the argument of a logarithm, is exactly 0 in a float16 tensor. In float32 the same number would most likely
have been small, not 0. An epsilon of 1e-8 is 0 in float16 as well.

## Why it is non-finite
The smallest positive float16 is 6e-8, and below 6e-5 digits are lost. Squares and products of small numbers fall below.

## Example
```python torch
import torch
x = torch.tensor([1e-5, 1.0]).half()
y = x / (x * x)  # origin: NG502
```
```python numpy
import numpy as np
x = np.array([1e-5, 1.0], dtype=np.float16)
y = x / (x * x)  # origin: NG502
```

## Use instead
Compute the quotient in float32, or use an epsilon that float16 can hold (1e-4).
```python torch
import torch
x = torch.tensor([1e-5, 1.0]).half()
y = x.float() / (x.float() * x.float())
```
```python numpy
import numpy as np
x = np.array([1e-5, 1.0], dtype=np.float16).astype(np.float32)
y = x / (x * x)
```

## Limits
Whether the 0 came from underflow or was 0 from the start is not known.

## References
- https://github.com/CambioML/pykoi/pull/69
- https://stackoverflow.com/questions/42064941
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand, producers

CATEGORY = Category.C5
PRECEDES = frozenset({"NG101", "NG102"})
_COMPUTED = {"mul", "pow", "square", "exp", "sub", "add", "div", "softmax", "sigmoid", "matmul"}


def detect(path: LineagePath) -> Evidence | None:
    """Zeros of a float16 divisor or logarithm's argument that an operation computed."""
    origin = failing(path, {"div", "rsqrt", "log", "log2", "log10"}, ("forward", "update"))
    x = operand(origin, -1) if origin is not None else None
    if origin is None or x is None or not x.zeros or wording.dtype_name(x.dtype) != "float16":
        return None
    slot = "y" if origin.op == "div" else "x"
    made = producers(path, slot)
    rooted = [a for t in made if t.op == "sqrt" for name, a in t.arguments if name == "x"]  # sqrt(v + 1e-12)
    if not any(t.op in _COMPUTED for t in (*made, *rooted)):
        return None
    what = "the divisor" if origin.op == "div" else f"the argument of {origin.op}"
    text = (
        f"{wording.share(x.zeros, x)}, {what}, {wording.be(x.zeros, x)} 0; float16 holds nothing positive below 6e-08."
    )
    return Evidence(text, certain(origin, 0.9))
