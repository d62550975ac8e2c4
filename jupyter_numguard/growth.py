"""How a value grew before it became non-finite: largest magnitude per step, in bounded memory; plain numbers, no tensor.

A recorder notes a magnitude where it has one for nothing (a loss, norms that came home from a device), and for the rest
only at runs 2, 3, 4, 6, 8, 12, … of a line: after n runs that is about 2·log2(n) extra reductions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .model import History

MAX_POINTS = 200  # of a report's picture (product.md)
_DENSE = 100  # of the newest points every one is kept: a divergence is short
_HELD = 400


def next_run(run: int) -> int:
    """The next run of a line at which a magnitude that costs a reduction is taken: 2, 3, 4, 6, 8, 12, 16, …"""
    if run < 3:
        return run + 1
    power = 1 << (run.bit_length() - 1)
    return power * 3 // 2 if run < power * 3 // 2 else power * 2


@dataclass(slots=True)
class Series:
    """Magnitudes of one value, oldest first.

    Attributes:
        step: The how-many-th execution of the line (or of the backward pass, of the optimizer's step).
        absmax: The largest magnitude then; ends with the first non-finite one.
    """

    step: list[int] = field(default_factory=list)
    absmax: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """It became non-finite: what comes after says nothing about how it grew."""
        return bool(self.absmax) and not math.isfinite(self.absmax[-1])

    def add(self, step: int, absmax: float) -> None:
        """One more point; earlier ones are thinned out where there are many."""
        if self.is_over:
            return
        self.step.append(step)
        self.absmax.append(absmax)
        if len(self.step) > _HELD:
            self.step[:-_DENSE] = self.step[:-_DENSE:2]
            self.absmax[:-_DENSE] = self.absmax[:-_DENSE:2]

    def until(self, step: int, absmax: float) -> Series:
        """The points before `step`, and this one there."""
        kept = [(s, a) for s, a in zip(self.step, self.absmax, strict=True) if s < step]
        return Series([s for s, _ in kept] + [step], [a for _, a in kept] + [absmax])

    def history(self, variable: str) -> History | None:
        """As the report holds it; None with fewer than two points."""
        if len(self.step) < 2:
            return None
        kept = _chosen(len(self.step))
        return History(variable, tuple(self.step[i] for i in kept), tuple(self.absmax[i] for i in kept))


def _chosen(n: int) -> Sequence[int]:
    """Indices of at most `MAX_POINTS` of n points: the newest, and earlier ones evenly."""
    if n <= MAX_POINTS:
        return range(n)
    early, room = n - _DENSE, MAX_POINTS - _DENSE
    return [i * early // room for i in range(room)] + list(range(early, n))


@dataclass(frozen=True, slots=True)
class Growth:
    """The rising end of a history.

    Attributes:
        first, last: Its magnitudes; `last` is the last finite one.
        start: The step of `first`.
        steps: How many steps lie between them; `points` of them were recorded.
    """

    variable: str
    first: float
    last: float
    start: int
    steps: int
    points: int

    @property
    def factor(self) -> float:
        """By how much it grew per step, on average."""
        return math.exp(self.log_ratio / self.steps)

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of last / first, which itself may overflow."""
        return math.log(self.last) - math.log(self.first)


def rising_end(history: History | None) -> Growth | None:
    """The end of a history from where on it rose without falling below again; None where it does not rise.

    It begins after the last point that is not below all later ones; where the values swing, single steps may fall.
    """
    if history is None:
        return None
    points = [(s, a) for s, a in zip(history.step, history.absmax, strict=True) if math.isfinite(a) and a > 0]
    if len(points) < 2:
        return None
    start = len(points) - 1
    floor = points[-1][1]
    for i in range(len(points) - 2, -1, -1):
        if points[i][1] > floor * _SWING:
            break
        if points[i][1] < floor:
            floor, start = points[i][1], i
    first, last = points[start], points[-1]
    if start == len(points) - 1 or last[0] <= first[0] or last[1] <= first[1]:
        return None
    return Growth(history.variable, first[1], last[1], first[0], last[0] - first[0], len(points) - start)


_SWING = 10.0  # a step may fall this far above the floor of what follows and still belong to the rise
