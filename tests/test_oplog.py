"""The operation log: what is a creation, what is passed on, and how little it keeps."""

from __future__ import annotations

import sys

import pytest

from jupyter_numguard.errors import NonFiniteError
from jupyter_numguard.model import FINITE, NonFiniteState
from jupyter_numguard.opevents import OpEvent, Site
from jupyter_numguard.oplog import MAX_MARKS, OpLog

NAN = NonFiniteState(True, False)
INF = NonFiniteState(False, True)
BOTH = NonFiniteState(True, True)


def site(log: OpLog, op: str = "log") -> Site:
    """A site of this file."""
    found = log.site(op, sys._getframe())
    assert found is not None
    return found


def record(log: OpLog, at: Site, kind: str = "created", state: NonFiniteState = NAN, **kw: object) -> OpEvent:
    """An event of a log operation."""
    return log.record(kind, "forward", at, "log", "aten::log", state, **kw)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "operands", "expected"),
    [
        (NAN, [FINITE], "created"),
        (INF, [FINITE, FINITE], "created"),
        (NAN, [INF], "created"),  # whether that Inf was written or computed is decided on the ancestry
        (NAN, [INF, NAN], "written"),
        (INF, [INF], "written"),
        (INF, [NAN], "written"),
        (BOTH, [INF], "created"),
        (INF, [], "created"),
    ],
)
def test_a_creation_is_a_result_that_no_operand_explains(
    result: NonFiniteState, operands: list[NonFiniteState], expected: str
) -> None:
    """NaN without a NaN operand, or Inf from finite operands; without known parents the rest was written."""
    assert expected == OpLog.judge(result, operands, [])


def test_what_has_a_known_parent_is_passed_on() -> None:
    """The parent's event leads to the origin."""
    log = OpLog()
    parent = record(log, site(log))

    assert "propagated" == OpLog.judge(NAN, [NAN], [parent])


def test_a_site_counts_and_keeps_one_event_per_kind() -> None:
    """A NaN that stays for a thousand steps costs one event."""
    log = OpLog()
    for step in range(1000):
        at = site(log)
        event = record(log, at, kind="created" if step == 0 else "propagated")
        log.mark([("mem", "cpu", 1)], event)

    assert (1000, 2, 1) == (at.count, len(log.events), log.events[0].occurrence)


def test_a_creation_that_was_absorbed_gives_way_to_the_next_one() -> None:
    """An Inf that `where` absorbs at every step must not give its step number to the one that survives."""
    log = OpLog()
    for step in range(1, 38):
        at = site(log)
        event = record(log, at)
        log.mark([("mem", "cpu", 1)], event)
        if step < 37:
            log.forget(("mem", "cpu", 1))

    assert (37, 1) == (log.events[0].occurrence, len(log.events))


def test_a_creation_that_lives_on_keeps_its_step() -> None:
    """Later creations at the same site do not overwrite the first one while a memory descends from it."""
    log = OpLog()
    first = record(log, site(log), occurrence=3)
    child = log.record("propagated", "forward", site(log, "add"), "add", "aten::add", NAN, parents=[first])
    log.mark([("mem", "cpu", 2)], child)
    again = record(log, first.site, occurrence=9)  # type: ignore[arg-type]

    assert (True, 3) == (again is first, first.occurrence)


def test_a_mark_dies_with_its_memory() -> None:
    """Addresses are reused."""
    log = OpLog()
    alive = [True]
    event = record(log, site(log))
    log.mark([("mem", "cpu", 1)], event, lambda: alive[0])
    before = log.event_of(("mem", "cpu", 1))
    alive[0] = False

    assert (event, None, False) == (before, log.event_of(("mem", "cpu", 1)), log.has_marks)


def test_the_marks_are_bounded() -> None:
    """The dead go first."""
    log = OpLog()
    event = record(log, site(log))
    for i in range(MAX_MARKS + 10):
        log.mark([("mem", "cpu", i)], event, lambda: False)

    assert log.event_of(("mem", "cpu", 3)) is None
    assert len(log._marks) <= MAX_MARKS


def test_stop_raises_at_a_creation_only() -> None:
    """A written value or a NaN passed on is no reason to stop."""
    log = OpLog(stop=True)
    record(log, site(log), kind="written")
    record(log, site(log), kind="propagated")

    with pytest.raises(NonFiniteError, match="aten::log made NaN"):
        record(log, site(log))


def test_the_callback_gets_the_names_and_the_live_tensors() -> None:
    """Once per new creation, and the log keeps neither."""
    got: list[tuple[object, ...]] = []
    log = OpLog(on_creation=lambda *a: got.append(a))
    at = log.site("log", sys._getframe())
    assert at is not None
    event = record(log, at, frame=sys._getframe(), tensors=(["operand"], ["result"]))

    ((seen, scope, operands, results),) = got
    assert (event, ["operand"], ["result"]) == (seen, operands, results)
    assert scope.locals["log"] is log  # type: ignore[attr-defined]
    assert not any("operand" in map(str, getattr(event, name, ()) or ()) for name in ("operands", "parents"))


def test_what_could_not_be_seen_is_listed_once() -> None:
    """One line per thing, with the first reason."""
    log = OpLog()
    log.add_not_traced("f", "compiled")
    log.add_not_traced("f", "compiled again")

    assert [("f", "compiled")] == [(n.what, n.reason) for n in log.not_traced]
