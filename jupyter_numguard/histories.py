"""How what has to do with a finding grew before it: which of the recorded magnitudes are told, and under which names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from .codemap import CodeMap
from .growth import Series, rising_end
from .lineage import Answer
from .model import History, Origin, Trend
from .nonfinite import NonFinite
from .opevents import Key, Site
from .oplog import OpLog

MAX_TRENDS = 8
MIN_LIST = 4  # elements before the first non-finite one, for a list to tell how something grew
_BACKWARD = re.compile(r"^(?:\w+ = )?(.+?)\.backward\(|\bgrad\(\s*([\w.]+)")
_ELEMENT = re.compile(r"\[\d+\]")
_KEPT_BESIDE = re.compile(r"\.optimizer\b|\.metrics\[|\.variables\[|metric")  # moments, counters, sums of losses
_ROOT = re.compile(r"[.\[]")


def trends_of(
    variable: str, key: Key | None, answer: Answer, log: OpLog | None, names: Mapping[Key, Sequence[str]], code: CodeMap,
    lists: Sequence[tuple[str, Series]] = (),
) -> tuple[Trend, ...]:  # fmt: skip
    """What was recorded around one finding, the closest to it first: its own, its origin's line, losses, parameters.

    Args:
        names: The paths of every memory that the notebook holds.
        lists: Lists of numbers that became non-finite, with what they hold before: losses that a loop appended.
    """
    origin = answer.origin
    if origin is None or origin.kind != "op":
        return _of_lists(lists, variable) if origin is not None and origin.kind == "unknown" else ()
    if log is None:
        return _of_lists(lists, variable)
    own: list[Trend] = []
    near: list[Trend] = []
    losses: list[Trend] = list(_of_lists(lists, variable))
    for site in log.sites.values():
        trend = _of_site(site, answer, code)
        if trend is None:
            continue
        if trend.role == "loss":
            losses.append(trend)
        elif trend.history.variable == variable and _same_scope(site, origin, code):
            own.append(trend)
        elif answer.event is not None and site is answer.event.site:
            near.append(trend)
    params = [
        trend
        for role, known, suffix in (("parameter", log.parameters, ""), ("gradient", log.gradients, ".grad"))
        for memory, series in known.items()
        if (trend := _of_parameter(role, _before(series, answer), names.get(memory, ()), suffix)) is not None
    ]
    mine = [t for t in params if t.history.variable == variable]
    rest = sorted((t for t in [*losses, *params] if t not in mine), key=lambda t: -_grown(t.history))
    return tuple(dict.fromkeys([*mine, *own, *near, *rest]))[:MAX_TRENDS]


def number_lists(found: Sequence[NonFinite], roots: Mapping[str, object]) -> list[tuple[str, Series]]:
    """(path, magnitudes before the first non-finite one) of the lists of numbers among what is non-finite.

    A list of numpy's numbers was looked at element by element; it is the notebook's own variable or not told.
    """
    out = {n.leaf: n.before for n in found if n.before.step}
    for n in found:
        values = roots.get(n.root)
        if n.root in out or type(values) is not list or not _ELEMENT.fullmatch(n.path[len(n.root) :]):
            continue
        series = out[n.root] = Series()
        for i, value in enumerate(values):
            if not isinstance(value, float):  # numpy's double is one
                break
            series.add(i + 1, abs(float(value)))
    return list(out.items())


def _of_lists(lists: Sequence[tuple[str, Series]], variable: str) -> tuple[Trend, ...]:
    """The list that holds the variable first; a list whose name says so holds losses."""
    found = [
        Trend("loss" if re.search(r"loss|cost|err", name, re.IGNORECASE) else "result", history)
        for name, series in lists
        if len(series.step) >= MIN_LIST and (history := series.history(name)) is not None
    ]
    return tuple(sorted(found, key=lambda t: not variable.startswith(t.history.variable)))


def shown_of(trends: Sequence[Trend], variable: str) -> History | None:
    """The history that a finding shows: its own, else the one that grew most."""
    own = next(
        (t.history for t in trends if t.history.variable == variable or variable.startswith(t.history.variable + "[")),
        None,
    )
    if own is not None or not trends:
        return own
    return max((t.history for t in trends), key=_grown)


def _before(series: Series, answer: Answer) -> Series:
    """The points up to the failing run: what grew afterwards explains nothing.

    Runs of two lines are told apart by their numbers while the line that failed ran as often: then both belong to the
    turns of one loop. A line that ran more often belongs to another loop, of which nothing is known; it stays whole.
    """
    origin, event = answer.origin, answer.event
    if origin is None or not origin.occurrence or origin.phase == "update" or not series.step:
        return series
    if event is not None and event.site is not None and series.step[-1] > event.site.count + 1:
        return series
    kept = [(s, a) for s, a in zip(series.step, series.absmax, strict=True) if s <= origin.occurrence]
    return Series([s for s, _ in kept], [a for _, a in kept])


def _grown(history: History) -> float:
    end = rising_end(history)
    return 0.0 if end is None else end.log_ratio


def _of_parameter(role: str, series: Series, paths: Sequence[str], suffix: str) -> Trend | None:
    paths = [p for p in paths if _KEPT_BESIDE.search(p) is None]
    plain = min(paths, key=lambda p: (len(_ROOT.findall(p)), len(p)), default=None)
    history = series.history(f"{plain}{suffix}") if plain is not None else None
    return None if history is None else Trend("parameter" if role == "parameter" else "gradient", history)


def _of_site(site: Site, answer: Answer, code: CodeMap) -> Trend | None:
    failed = answer.event
    series = _before(site.growth, answer)
    if failed is not None and failed.site is site and failed.occurrence:
        series = series.until(failed.occurrence, math.nan if failed.state.nan and not failed.state.inf else math.inf)
    if len(series.step) < 2:
        return None
    if site.op == "backward":
        found = _BACKWARD.search(code.place_of(site).code)
        history = series.history((found[1] or found[2]).strip("( ") if found is not None else "loss")
        return None if history is None else Trend("loss", history)
    target = code.names_at(site)[1]
    if target is None and not (failed is not None and failed.site is site):
        return None
    place = code.place_of(site)
    name = target or (place.span.text if place.span is not None and len(place.span.text) <= 40 else None) or site.op
    history = series.history(name)
    return None if history is None else Trend("result", history)


def _same_scope(site: Site, origin: Origin, code: CodeMap) -> bool:
    return code.place_of(site).function in (None, origin.function)
