"""How magnitudes change from step to step in TensorFlow: of results on a tape, of variables that are written, and of what a
graph function gives back and writes.

Values are on the host; a number is noted at each run, an array ever more seldom. What a graph writes is read after its call:
4 us a variable, so all of them at each run only where they are few and small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...growth import Series, next_run
from ...opevents import Key, Site
from ...oplog import OpLog
from . import private

_FEW = 8
_SMALL = 4096  # elements of a variable up to which each write is noted
_NEVER = 1 << 62
MAX_VARIABLES = 64


class Written:
    """The variables that one graph function writes, and how often it ran."""

    def __init__(self, handles: Sequence[tuple[Any, int]]) -> None:
        """`handles`: eager handles, and the dtypes of their variables."""
        self._handles = handles[:MAX_VARIABLES]
        self._is_few = len(handles) <= _FEW
        self._due = 0
        self.runs = 0

    def note(self, log: OpLog) -> None:
        """The function ran once more."""
        self.runs += 1
        if self.runs < self._due:
            return
        self._due = self.runs + 1 if self._is_few else next_run(self.runs)
        for handle, enum in self._handles:
            value = private.read_variable(handle, enum)
            if private.is_on_host(value):
                note_variable(log, ("tfvar", handle._id), value._numpy_internal(), self.runs)


def note_result(site: Site, value: Any, run: int) -> None:
    """A finite result of the site's present run; call it once `site.due` is reached."""
    if value.size == 1:
        site.due = site.count + 1
    else:
        site.due = next_run(site.count)
        if site.count == 1:
            return  # most lines run once: nothing is looked at for them
    if run > (site.growth.step[-1] if site.growth.step else 0):
        _add(site.growth, run, value, site)


def note_variable(log: OpLog, key: Key, value: Any, run: int) -> None:
    """What a variable holds after a write, or is about to hold."""
    series = log.parameters.get(key)
    if series is None:
        if len(log.parameters) >= MAX_VARIABLES:
            return
        series = log.parameters[key] = Series()
    last = series.step[-1] if series.step else 0
    if run > last and (value.size <= _SMALL or run >= next_run(last)):
        _add(series, run, value, None)


def _add(series: Series, run: int, value: Any, site: Site | None) -> None:
    try:
        series.add(run, float(np.abs(value).max()))
    except (TypeError, ValueError):  # empty, or a dtype without an order
        if site is not None:
            site.due = _NEVER
