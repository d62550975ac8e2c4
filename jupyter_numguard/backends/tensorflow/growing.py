"""How magnitudes change from step to step in eager TensorFlow: of results on a tape, and of the variables that are written.

Values are on the host and were looked at anyway; a number is noted at each run, an array ever more seldom.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...growth import Series, next_run
from ...opevents import Key, Site
from ...oplog import OpLog

_SMALL = 4096  # elements of a variable up to which each write is noted
_NEVER = 1 << 62
MAX_VARIABLES = 64


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
