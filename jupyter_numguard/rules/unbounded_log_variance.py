"""NG204 unbounded-log-variance: A network's log-variance or log-scale grew until its exponential overflowed.

## What happened
`exp` was taken of a tensor that is named as a logarithm of a variance, a scale or a rate. It is a free output of the model,
and nothing keeps it in the range of the dtype.

## Why it is non-finite
exp(x) passes the largest float32 at x = 88.72. A variance of that size means nothing, but nothing forbids it either.

## Example
```python torch
import torch
logvar = torch.tensor([200.0, -1.0])
std = torch.exp(logvar)  # origin: NG204
```
```python tensorflow
import tensorflow as tf
log_sigma = tf.constant([200.0, -1.0])
sigma = tf.exp(log_sigma)  # origin: NG204
```
```python numpy
import numpy as np
log_scale = np.array([800.0, -1.0])
scale = np.exp(log_scale)  # origin: NG204
```

## Use instead
Bound the logarithm before the exponential, or parametrise the scale with softplus.
```python torch
import torch
logvar = torch.tensor([200.0, -1.0])
std = torch.exp(logvar.clamp(-30, 20))
```
```python tensorflow
import tensorflow as tf
log_sigma = tf.constant([200.0, -1.0])
sigma = tf.exp(tf.clip_by_value(log_sigma, -30.0, 20.0))
```
```python numpy
import numpy as np
log_scale = np.array([800.0, -1.0])
scale = np.exp(np.clip(log_scale, -30, 20))
```

## Limits
Known by its name only; under another name it is exp-overflow.

## References
- https://github.com/vanderschaarlab/synthcity/issues/331
"""

from __future__ import annotations

import ast
import re

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand

CATEGORY = Category.C2
PRECEDES = frozenset({"NG203"})
_NAME = re.compile(r"log_?(var|variance|std|sigma|scale|sd|precision|rate)", re.IGNORECASE)
_SMALLEST_LIMIT = 11.09  # exp overflows float16 here; every other dtype later


def detect(path: LineagePath) -> Evidence | None:
    """An overflowing exponential whose argument is named as a logarithm of a spread."""
    origin = failing(path, {"exp"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.max is None or x.max <= _SMALLEST_LIMIT:
        return None
    arguments = [t.argument("x") for t in Reader(path).guilty()]
    names = [n for a in arguments if a is not None for n in ast.walk(a.node) if isinstance(n, ast.Name | ast.Attribute)]
    named = [n.id if isinstance(n, ast.Name) else n.attr for n in names]
    found = next((name for name in named if _NAME.search(name)), None)
    if found is None:
        return None
    return Evidence(f"`{found}`, the argument of exp, reaches {wording.number(x.max)}.", certain(origin, 0.92))
