"""NG203 exp-overflow: An exponential exceeded the largest number of its dtype.

## What happened
`exp` (or `expm1`, `cosh`, `sinh`) received an element so large that the result does not fit: it is +Inf.

## Why it is non-finite
exp(x) passes the largest float32 at x = 88.72, the largest float64 at 709.78, the largest float16 at 11.09. A quotient of
two such results is Inf/Inf = NaN.

## Example
```python torch
import torch
scores = torch.tensor([800.0, 1.0])
e = torch.exp(scores)  # origin: NG203
weights = e / e.sum()
```
```python tensorflow
import tensorflow as tf
x = tf.constant([200.0, 1.0])
y = tf.math.log(1.0 + tf.exp(x))  # origin: NG203
```
```python numpy
import numpy as np
x = np.array([1000.0, 1000.5])
lse = np.log(np.sum(np.exp(x)))  # origin: NG203
```

## Use instead
Most formulas with such an exponential have a shifted form that never leaves the range: softmax, logsumexp, softplus,
sigmoid. Where the exponential itself is wanted (a variance from its logarithm), bound its argument.
```python torch
import torch
scores = torch.tensor([800.0, 1.0])
weights = torch.softmax(scores, dim=0)
```
```python tensorflow
import tensorflow as tf
x = tf.constant([200.0, 1.0])
y = tf.math.softplus(x)
```
```python numpy
import numpy as np
x = np.array([1000.0, 1000.5])
lse = np.logaddexp.reduce(x)
```

## Limits
In float16 an exponential that fits float32 is half-precision-overflow (NG501).

An exponential that is finite still, and whose square or product is not, counts as well; its rewrite is not known.

## References
- https://github.com/pyg-team/pytorch_geometric/issues/53
- https://pytorch.org/docs/stable/generated/torch.logsumexp.html
"""

from __future__ import annotations

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.terms import Term

from . import huge_operand
from ._recognise import certain, failing, operand

CATEGORY = Category.C2
PRECEDES = {"NG801"}
_MAX_DEPTH = 8
_EVEN = frozenset({"cosh", "sinh"})  # they overflow at either end
# Natural logarithm of the largest finite number; float16 is judged by NG501 up to float32's limit.
_LIMIT = {"float16": 88.72, "bfloat16": 88.72, "float32": 88.72, "float64": 709.78}


def detect(path: LineagePath) -> Evidence | None:
    """The largest element of the argument, beyond the dtype's limit; or an operand near it that an exponential made."""
    origin = failing(path, {"exp", "expm1", *_EVEN}, ("forward", "update"))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.max is None or x.absmax is None:
        return _of_its_result(path)
    dtype = wording.dtype_name(origin.result.dtype if origin.result is not None else x.dtype)
    limit = _LIMIT.get(dtype)
    # exp2 overflows at log2 of the limit: its argument is then past this one as well.
    if limit is None or (x.absmax if origin.op in _EVEN else x.max) <= limit:
        return None
    reached = x.max if x.max > limit else x.min if x.min is not None else x.absmax
    text = (
        f"The argument of {origin.op}, {wording.tensor(x)}, reaches {wording.number(reached)}; "
        f"{dtype} ends at exp({limit})."
    )
    return Evidence(text, certain(origin, 0.95))


def _of_its_result(path: LineagePath) -> Evidence | None:
    """The exponential is still finite; its square, or a sum of such, is not."""
    if huge_operand.detect(path) is None or path.origin is None:
        return None
    reader = Reader(path)
    exponentials = [e for t in reader.guilty() for _, a in t.arguments if (e := _exponential(reader, a, 0)) is not None]
    known = [x for x in path.origin.operands if x.absmax is not None]
    if not exponentials or not known:
        return None
    largest = max(known, key=lambda x: x.absmax or 0.0)
    text = f"The operand, {wording.tensor(largest)}, made with `{exponentials[0]}`, holds {wording.number(largest.absmax or 0.0)}"
    limit = wording.LARGEST[wording.dtype_name(largest.dtype)]
    return Evidence(f"{text}; {path.origin.op} passes {wording.number(limit)}.", certain(path.origin, 0.75))


def _exponential(reader: Reader, term: Term, depth: int) -> str | None:
    """The text of an exponential that a value is made with."""
    for t in reader.expansions(term):
        if t.op in ("exp", "exp2", "expm1", *_EVEN):
            return reader.text(t)
        inside = (_exponential(reader, a, depth + 1) for _, a in t.arguments) if depth < _MAX_DEPTH else ()
        found = next((text for text in inside if text is not None), None)
        if found is not None:
            return found
    return None
