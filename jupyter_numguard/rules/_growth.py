"""What the rules of divergence ask: did something grow from step to step, by how much, and is it a training that runs?"""

from __future__ import annotations

import math

from jupyter_numguard import wording
from jupyter_numguard.growth import Growth, rising_end
from jupyter_numguard.model import LineagePath, Trend

from ._updates import takes_steps

# A rise that is no accident: three decades over four points, or six between any two, to a size that no healthy value has.
_LONG = (4, math.log(1e3), 1e3)
_STEEP = (2, math.log(1e6), 1e6)


_ROLES = ("loss", "parameter", "gradient", "result")


def diverged(path: LineagePath) -> tuple[tuple[Trend, Growth], ...]:
    """The trends that rose beyond anything healthy: a loss first, then the parameter that rose most."""
    found = []
    for trend in path.trends:
        end = rising_end(trend.history)
        if end is not None and any(
            end.points >= points and end.log_ratio >= ratio and end.last >= size
            for points, ratio, size in (_LONG, _STEEP)
        ):
            found.append((trend, end))
    return tuple(sorted(found, key=lambda hit: (_ROLES.index(hit[0].role), -hit[1].log_ratio)))


def is_training(path: LineagePath) -> bool:
    """Whether something is being updated: an optimizer, a gradient that was asked for, `w -= rate * g`."""
    return any(trend.role in ("parameter", "gradient", "loss") for trend in path.trends) or takes_steps(path)


def described(trend: Trend, end: Growth) -> str:
    """ "`loss` grew from 1.1 at step 1 to 8.6e+35 at step 16, by a factor of 280 per step"."""
    what = {"parameter": "The parameter", "gradient": "The gradient", "loss": "The loss", "result": "The magnitude of"}
    text = f"{what[trend.role]} `{end.variable}` grew from {wording.number(end.first)} to {wording.number(end.last)}"
    if end.steps == 1:
        return f"{text} in one step"
    return f"{text} in {end.steps} steps, by a factor of {wording.number(end.factor)} per step"
