"""NG601 nonfinite-data: The value came in already non-finite, with the data or a literal.

## What happened
No operation made it: NaN or Inf was in the file, the data frame, the labels, or was written in the source.

## Why it is non-finite
Missing values are read as NaN, a division in an earlier program left Inf, `None` becomes NaN when it is cast to float.
Everything that is computed from it is NaN, and a mask after the fact does not help the gradient.

## Example
```python torch
import torch
target = torch.tensor([1.0, float("nan")])  # origin: NG601
loss = ((torch.zeros(2) - target) ** 2).mean()
```
```python tensorflow
import tensorflow as tf
target = tf.constant([1.0, float("nan")])  # origin: NG601
loss = tf.reduce_mean((tf.zeros(2) - target) ** 2)
```
```python numpy
import numpy as np
target = np.array([1.0, np.nan])  # origin: NG601
loss = ((np.zeros(2) - target) ** 2).mean()
```

## Use instead
Check the data where it is loaded, and drop or impute what is missing before the first computation.
```python torch
import torch
target = torch.tensor([1.0, float("nan")])
valid = torch.isfinite(target)
loss = ((torch.zeros(2)[valid] - target[valid]) ** 2).mean()
```
```python tensorflow
import tensorflow as tf
target = tf.constant([1.0, float("nan")])
valid = tf.math.is_finite(target)
loss = tf.reduce_mean((tf.boolean_mask(tf.zeros(2), valid) - tf.boolean_mask(target, valid)) ** 2)
```
```python numpy
import numpy as np
target = np.array([1.0, np.nan])
valid = np.isfinite(target)
loss = ((np.zeros(2)[valid] - target[valid]) ** 2).mean()
```

## Limits
A literal that is meant (a mask, "best so far") is not reported at all.

## References
- https://github.com/danielegrattarola/keras-gat/issues/14
"""

from __future__ import annotations

import re

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain

CATEGORY = Category.C6
_FILE = re.compile(r"[\"']([^\"'\n]+\.\w{2,8})[\"']")


def detect(path: LineagePath) -> Evidence | None:
    """An origin that introduced the value, with what it holds: measured there, or in the variable that it ended in."""
    origin = path.origin
    if origin is None or origin.kind != "introduced":
        return None
    held = origin.result
    counted = {} if held is None else {"NaN": held.nan, "+Inf": held.posinf, "-Inf": held.neginf}
    parts = [f"{n} {name}" for name, n in counted.items() if n]
    if held is not None and parts:
        text = f"{wording.tensor(held)} held {' and '.join(parts)} when it came in."
        return Evidence(text, certain(origin, 0.92))
    if path.held is None or not path.held.counts.num_nonfinite:
        return Evidence("It held a non-finite value before any operation that was seen.", certain(origin, 0.7))
    c = path.held.counts
    parts = [f"{n} {name}" for name, n in (("NaN", c.nan), ("+Inf", c.posinf), ("-Inf", c.neginf)) if n]
    where = f", the first at {list(path.held.first_index)}" if path.held.first_index else ""
    text = f"`{path.held.variable}` holds {' and '.join(parts)} among {c.size} elements{where}; they came in with this statement."
    return Evidence(text, 0.9)


def advise(path: LineagePath) -> str:
    """Names the file that was read, and what to drop by."""
    found = _FILE.search(path.origin.code) if path.origin is not None else None
    what = f"`{found[1]}`" if found is not None else "the data"
    text = f"Check {what} where it is loaded, and drop or impute what is missing before the first computation."
    if path.held is not None and path.held.first_index:
        text += f" Begin at index {list(path.held.first_index)} of `{path.held.variable}`."
    return text
