"""NG702 growing-recurrence: A value that is computed from itself grew by a factor in every round until it overflowed.

## What happened
A loop feeds its result back (`x = x * a`, `h = h @ W`, `x = f(x)`), nothing is trained, and the magnitude rose round after
round.

## Why it is non-finite
A factor r per round is r**n after n rounds: at r = 10 the largest float32 is passed after 38 rounds, the largest float64
after 308.

## Example
```python torch
import torch
x = torch.tensor([1.0, 2.0])
for _ in range(60):
    x = x * 10.0 + 1.0  # origin: NG702
```

## Use instead
Divide by the magnitude in every round and keep its logarithm, bound the number of rounds, or choose a map that does not
expand (an orthogonal matrix, a gate, a normalisation).
```python torch
import torch
x = torch.tensor([1.0, 2.0])
log_scale = torch.zeros(())
for _ in range(60):
    x = x * 10.0 + 1.0
    log_scale = log_scale + torch.log(x.abs().max())
    x = x / x.abs().max()
```

## Limits
Growth is known where the line was recorded from run to run, in a trace. With an update of parameters in the loop it is
diverging-update (NG701).

## References
- https://proceedings.mlr.press/v28/pascanu13.html
"""

from __future__ import annotations

from jupyter_numguard.model import Category, Evidence, LineagePath, Origin

from ._growth import described, diverged, is_training
from ._recognise import certain

CATEGORY = Category.C7
PRECEDES = {"NG203", "NG801"}
_ORDINARY = (
    1e4  # an exponent of that size came by adding up; one that is multiplied by a factor passes it in a few rounds
)


def detect(path: LineagePath) -> Evidence | None:
    """A result that rose from run to run of its line, without a training."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.phase != "forward" or is_training(path):
        return None
    grown = diverged(path)
    if not grown or _is_exponential_of_ordinary(origin):
        return None
    return Evidence(f"{described(*grown[0])}; nothing is trained there.", certain(origin, 0.85))


def _is_exponential_of_ordinary(origin: Origin) -> bool:
    """`alpha = log(exp(alpha) @ T) + e`: what overflows is an exponential, what is carried on is its exponent, of 100 or so."""
    exponents = [x.absmax for x in origin.operands if x.absmax is not None]
    return origin.op in ("exp", "exp2", "expm1") and bool(exponents) and max(exponents) < _ORDINARY
