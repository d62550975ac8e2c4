"""NG105 normalisation-without-epsilon: A normalisation layer divides by the root of a variance that is zero.

## What happened
A layer or function that normalises was made with `eps=0`, and what it normalised over is constant.

## Why it is non-finite
(x - mean) / sqrt(var + eps) is 0/0 where the elements are all equal and eps is 0.

## Example
```python torch
import torch
import torch.nn as nn
norm = nn.LayerNorm(3, eps=0)
out = norm(torch.ones(2, 3))  # origin: NG105
```
```python tensorflow
import tensorflow as tf
norm = tf.keras.layers.LayerNormalization(epsilon=0.0)
out = norm(tf.ones((2, 3)))  # origin: NG105
```

## Use instead
Keep the default, or any eps above the dtype's rounding: 1e-5 in float32, 1e-3 in float16.
```python torch
import torch
import torch.nn as nn
norm = nn.LayerNorm(3, eps=1e-5)
out = norm(torch.ones(2, 3))
```
```python tensorflow
import tensorflow as tf
norm = tf.keras.layers.LayerNormalization(epsilon=1e-5)
out = norm(tf.ones((2, 3)))
```

## Limits
A normalisation written out by hand is seen as the division that it is.

## References
- https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain, epsilon_of, failing

CATEGORY = Category.C1
PRECEDES = {"NG102", "NG103", "NG401"}
_LAYERS = {"layer_norm", "batch_norm", "group_norm", "instance_norm", "rms_norm"}


def detect(path: LineagePath) -> Evidence | None:
    """A normalisation whose epsilon is written as 0, with a non-finite result of finite operands."""
    origin = failing(path, _LAYERS | {"rsqrt", "div"}, ("forward", "backward"))
    if origin is None or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    reader = Reader(path)
    found = epsilon_of(reader)
    if found is None or (origin.op not in _LAYERS and reader.guilty()):
        return None
    text = f"The normalisation has {found.arg}=0"
    zeros = next((x for x in origin.operands if x.zeros), None) if origin.op not in _LAYERS else None
    if zeros is not None:
        count = zeros.zeros or 0
        text += f", and {wording.share(count, zeros)}, the variance, {wording.be(count, zeros)} 0"
    elif origin.result is not None:
        text += f", and {wording.num_nonfinite(origin.result)} of {origin.result.size} results of finite operands are not finite"
    return Evidence(f"{text}.", certain(origin, 0.92))
