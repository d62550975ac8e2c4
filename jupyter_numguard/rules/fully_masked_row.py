"""NG402 fully-masked-row: A softmax was taken over elements that are all -Inf.

## What happened
A mask of -Inf was added to the scores, and one row of it masks every element. `softmax` has nothing left to distribute
over in that row and returns NaN for all of it.

## Why it is non-finite
Softmax subtracts the row's maximum first. Where that is -Inf, it computes -Inf - (-Inf) = NaN.

## Example
```python torch
import torch
scores = torch.zeros(2, 3)
mask = torch.tensor([[True, False, False], [True, True, True]])
masked = scores.masked_fill(mask, float("-inf"))
weights = torch.softmax(masked, dim=-1)  # origin: NG402
```
```python tensorflow
import tensorflow as tf
masked = tf.constant([[0.0, 1.0], [float("-inf"), float("-inf")]])
weights = tf.nn.softmax(masked)  # origin: NG402
```

## Use instead
Leave at least one element of each row unmasked (queries that are padding need a key too), or mask with the dtype's lowest
finite number: such a row becomes uniform, and its result can be dropped later.
```python torch
import torch
scores = torch.zeros(2, 3)
mask = torch.tensor([[True, False, False], [True, True, True]])
masked = scores.masked_fill(mask, torch.finfo(scores.dtype).min)
weights = torch.softmax(masked, dim=-1)
```
```python tensorflow
import tensorflow as tf
scores = tf.constant([[0.0, 1.0], [0.0, 0.0]])
mask = tf.constant([[False, False], [True, True]])
masked = tf.where(mask, scores.dtype.min, scores)
weights = tf.nn.softmax(masked)
```

## Limits
Inside a fused attention operation the mask is not always an operand that can be measured.

## References
- https://github.com/pytorch/pytorch/issues/40932
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing

CATEGORY = Category.C4
PRECEDES = frozenset({"NG403"})
_OPS = {"softmax", "log_softmax", "logsumexp", "attention", "cross_entropy"}


def detect(path: LineagePath) -> Evidence | None:
    """NaN from a softmax whose operand holds -Inf and no NaN."""
    origin = failing(path, _OPS, ("forward", "backward"))
    if origin is None or origin.result is None:
        return None
    inner = origin.operands[0] if origin.operands else None
    if origin.op == "logsumexp" and origin.native_op.endswith("/ Log") and inner is not None and inner.zeros:
        # TensorFlow takes the maximum off first: the sum of exponentials is at least 1 unless all elements are -Inf.
        text = f"The sum of exponentials inside of logsumexp is 0 in {inner.zeros} of {inner.size} rows"
        return Evidence(f"{text}: every element there is -Inf.", certain(origin, 0.93))
    if not origin.result.nan:
        return None
    for x in origin.operands:
        if x.neginf and not x.nan and not x.posinf:
            masked = f"{wording.share(x.neginf, x)} {wording.be(x.neginf, x)} -Inf"
            text = f"{masked}, and at least one whole row is: {origin.result.nan} NaN came out."
            return Evidence(text, certain(origin, 0.93))
    return None
