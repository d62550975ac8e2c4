"""NG201 log-of-softmax: A softmax underflowed to zero and its logarithm was taken.

## What happened
The argument of `log` is the result of a softmax, and some of its elements are 0.

## Why it is non-finite
A softmax of logits that differ by more than about 103 (float32) holds elements that are smaller than the smallest number
of the dtype: they become 0, and log(0) = -Inf. The wanted number, about -103, is ordinary; only the way to it is not.

## Example
```python torch
import torch
logits = torch.tensor([[200.0, 0.0]])
logp = torch.log(torch.softmax(logits, dim=-1))  # origin: NG201
```
```python tensorflow
import tensorflow as tf
logits = tf.constant([[200.0, 0.0]])
p = tf.nn.softmax(logits)
logp = tf.math.log(p)  # origin: NG201
```

## Use instead
Compute the log-probabilities from the logits in one step, or hand the logits to the loss that takes them.
```python torch
import torch
import torch.nn.functional as F
logits = torch.tensor([[200.0, 0.0]])
logp = F.log_softmax(logits, dim=-1)
```
```python tensorflow
import tensorflow as tf
logits = tf.constant([[200.0, 0.0]])
logp = tf.nn.log_softmax(logits)
```

## Limits
The softmax must be visible in the source: in the statement, in one that bound its argument, or as what the user's own model
returns. A softmax inside a layer of a library is seen as log-of-zero.

## References
- https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.terms import Term

from ._recognise import certain, failing, operand, producers

CATEGORY = Category.C2
PRECEDES = {"NG101", "NG206", "NG502"}


def detect(path: LineagePath) -> Evidence | None:
    """Zeros in the argument of a logarithm, and a softmax that made it."""
    origin = failing(path, {"log", "log2", "log10"}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or not x.zeros:
        return None
    reader = Reader(path)
    if not any(t.op == "softmax" or _is_written_out(reader, t) for t in producers(path)):
        return None
    found = f"{wording.share(x.zeros, x)}, a softmax whose logarithm is taken, underflowed to 0"
    return Evidence(f"{found}; the others reach {wording.number(x.max or 0.0)}.", certain(origin, 0.95))


def _is_written_out(reader: Reader, term: Term) -> bool:
    """exp(…) / sum(exp(…)), each side perhaps through a name."""
    above, below = (term.argument(slot) for slot in ("x", "y")) if term.op == "div" else (None, None)
    if above is None or below is None or not any(t.op == "exp" for t in reader.expansions(above)):
        return False
    totals = [t for b in reader.expansions(below) for t in (b, *(a for _, a in b.arguments if b.op == "add"))]
    return any(t.op == "sum" for total in totals for t in reader.expansions(total))
