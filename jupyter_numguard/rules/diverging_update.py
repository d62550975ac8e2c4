"""NG701 diverging-update: The values grew by a factor in every training step until they overflowed.

## What happened
The magnitude of a parameter, a loss or an activation rose step after step. The operation that finally overflowed is an
ordinary one (a square, a product, a sum, the update itself).

## Why it is non-finite
With too large a step, each update overshoots by more than it corrects, and the error is multiplied by a factor above 1
every time. Nothing is wrong with the formula; a guard on it would only hide the divergence.

## Example
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros((), requires_grad=True)
for _ in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()  # origin: NG701
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.5 * g
```
```python numpy
import numpy as np
x = np.array([1.0, 2.0, 3.0])
w = 0.0
for _ in range(900):
    error = w * x - 2 * x
    loss = np.mean(error ** 2)  # origin: NG701
    w = w - 1.0 * np.mean(error * x)
```

## Use instead
Lower the learning rate, ten times at first. Clip the gradient's norm, bring the inputs to a scale of about 1, and take the
mean over the batch, not the sum.
```python torch
import torch
x = torch.tensor([1.0, 2.0, 3.0])
w = torch.zeros((), requires_grad=True)
for _ in range(200):
    loss = ((w * x - 2 * x) ** 2).mean()
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.05 * g
```
```python numpy
import numpy as np
x = np.array([1.0, 2.0, 3.0])
w = 0.0
for _ in range(900):
    error = w * x - 2 * x
    loss = np.mean(error ** 2)
    w = w - 0.05 * np.mean(error * x)
```

## Limits
Growth is known from the recorded history, or, without one, from ordinary arithmetic that overflows late in a loop.

## References
- https://stackoverflow.com/questions/43636736
- https://github.com/keras-team/keras/issues/510
"""

from __future__ import annotations

from math import sqrt

from jupyter_numguard import wording
from jupyter_numguard.growth import Growth
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin

from ._growth import described, diverged, is_training
from ._recognise import certain
from ._updates import Update, updates

CATEGORY = Category.C7
PRECEDES = {"NG203", "NG501", "NG702", "NG801", "NG803"}
SETTINGS = ("rate", "clip")
_ARITHMETIC = {
    "add", "sub", "mul", "pow", "matmul", "sum", "mean", "cumsum", "norm", "mse_loss", "update", "addcmul", "var", "std", "conv",
    "lerp", "addcdiv", "grad_accumulate", "cast", "linear",
}  # fmt: skip
_MIN_POINTS = 5
_LARGE_INPUT = 30.0  # inputs of a scale of about 1 seldom reach it


def detect(path: LineagePath) -> Evidence | None:
    """Something that is trained grew step by step; or arithmetic that overflows in a late run of its line."""
    origin = path.origin
    if origin is None or origin.kind != "op":
        return None
    grown = diverged(path)
    if origin.occurrence == 1 and origin.phase == "forward":  # two points of a history are then not of two steps
        grown = tuple(hit for hit in grown if hit[1].points > 2)
    if origin.op not in _ARITHMETIC:  # an exponential grows by factors where its argument grows by steps
        grown = tuple(hit for hit in grown if hit[0].role != "result")
    if grown and is_training(path):
        # Of an operation with a domain (log, div) the growth is what stands behind; the operand is told first.
        sure = 0.95 if origin.op in _ARITHMETIC else 0.88
        parts = [described(*hit) for hit in grown[:1]]
        other = next((hit for hit in grown[1:] if hit[1].variable != grown[0][1].variable), None)
        parts += [described(*other)] if other is not None else []
        return Evidence(f"{'; '.join(parts)}.{_rates(path)}", certain(origin, sure))
    return None if grown else _late(path, origin) or _overshot(path, origin)


def _late(path: LineagePath, origin: Origin) -> Evidence | None:
    """Without a history: the operands of plain arithmetic are huge in a late run."""
    result = origin.result
    operands = [x.absmax for x in origin.operands if x.absmax is not None]
    limit = wording.LARGEST.get(wording.dtype_name(result.dtype)) if result is not None else None
    least = 2 if is_training(path) else _MIN_POINTS
    if limit is None or not operands or origin.occurrence < least or origin.op not in _ARITHMETIC:
        return None
    if max(operands) <= sqrt(limit) / 100 or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    text = f"At occurrence {origin.occurrence} of this line the operands of {origin.op} reach {wording.number(max(operands))}"
    sure = 0.8 if is_training(path) else 0.6
    return Evidence(f"{text}; in its first occurrences the result was finite.{_rates(path)}", certain(origin, sure))


def _overshot(path: LineagePath, origin: Origin) -> Evidence | None:
    """One step of a finite gradient passes what the dtype holds: the gradient times the rate."""
    if origin.op != "update" or not origin.operands or any(wording.num_nonfinite(x) for x in origin.operands):
        return None
    gradient = origin.operands[0]
    limit = wording.LARGEST.get(wording.dtype_name(gradient.dtype))
    rates = {o.learning_rate for o in path.optimizers}
    if limit is None or gradient.absmax is None or len(rates) != 1:
        return None
    (rate,) = rates
    if gradient.absmax * rate <= limit or origin.native_op.lower().startswith("adam"):  # which divides by its size
        return None
    text = (
        f"{wording.tensor(gradient)}, the gradient, reaches {wording.number(gradient.absmax)}; times the learning rate"
    )
    return Evidence(
        f"{text} {wording.number(rate)} it passes {wording.number(limit)} in one step.", certain(origin, 0.9)
    )


def _rates(path: LineagePath) -> str:
    """The learning rates that are known."""
    known = [f"{o.name} has the learning rate {wording.number(o.learning_rate)}" for o in path.optimizers[:2]]
    rate = _written_rate(path)
    if not known and rate is not None and rate.value is not None:
        known = [f"the rate of `{rate.target}` is {wording.number(rate.value)}"]
    return f" {known[0][0].upper()}{known[0][1:]}." if known else ""


def _written_rate(path: LineagePath) -> Update | None:
    """The one update that the user wrote out with a rate; None where there are several rates."""
    found = [u for u in updates(path) if u.value is not None]
    return found[0] if len({u.value for u in found}) == 1 else None


def advise(path: LineagePath) -> str:
    """What was measured decides what comes first: the scale of the inputs, a sum over the batch, or the rate itself."""
    said = []
    known = {t.history.variable for t in path.trends} | {path.variable} | {u.target for u in updates(path)}
    large = [x for x in path.named if x.absmax is not None and x.absmax > _LARGE_INPUT and x.variable not in known]
    grown = diverged(path)
    inputs = [x for x in large if not _is_computed(path, x.variable or "") and (x.absmax or 0.0) < 1e12]
    if inputs:
        widest = max(inputs, key=lambda x: x.absmax or 0.0)
        reach = wording.number(widest.absmax or 0.0)
        said.append(
            f"Bring inputs and targets to a scale of about 1: {wording.tensor(widest)} reaches {reach}, and the step "
            "that is still stable shrinks with its square."
        )
    rate = _critical(path, grown[0][1] if grown else None)
    said.append("Lower the learning rate, ten times at first." if rate is None else rate)
    if any(".sum()" in s.source or ("reduction=" in s.source and "sum" in s.source) for s in path.statements[:1]):
        said.append("Take the mean over the batch, not the sum: the gradient grows with the number of rows.")
    said.append("Clip the gradient's norm where single steps are the trouble.")
    return " ".join(said)


def _critical(path: LineagePath, growth: Growth | None) -> str | None:
    """A rate that the growth itself suggests: with a quadratic loss |1 - rate * curvature| is the factor per step."""
    rate = _written_rate(path)
    values = [o.learning_rate for o in path.optimizers] or [rate.value for rate in [rate] if rate and rate.value]
    if len(values) != 1 or growth is None or growth.points < _MIN_POINTS:
        return None
    trend = next(t for t in path.trends if t.history.variable == growth.variable)
    factor = sqrt(growth.factor) if trend.role == "loss" else growth.factor
    if not 1.0 < factor < 1e3 or trend.role == "result":
        return None
    limit = 2 * values[0] / (1 + factor)
    return (
        f"Lower the learning rate: a growth of {wording.number(factor)} per step belongs, were the loss quadratic, to a rate "
        f"that is stable only below about {wording.number(limit)}; begin at a tenth of that, {wording.number(limit / 10)}."
    )


def _is_computed(path: LineagePath, name: str) -> bool:
    """Whether an earlier statement of the path computed it from a parameter: a prediction, no input."""
    grown = {t.history.variable.split(".")[0] for t in path.trends}
    return any(
        s.source.strip().startswith(f"{name} =") and any(g in s.source.split("=", 1)[1] for g in grown)
        for s in path.statements
    )
