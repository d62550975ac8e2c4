"""Every row of the table of unstable patterns, in each framework that has a counterpart, as people write it in notebooks.

Each program is run through the real pipeline, as is and as its healthy twin; the notebooks of one framework share a process.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from jupyter_numguard.rule import load_rules

from .harness import Cell, run
from .repaired import applied, is_finite
from .table import IMPORTS, Program, programs

ALL = [(f, i) for f in IMPORTS for i in range(len(programs(f)))]
NAMES = [f"{f}-row{programs(f)[i].row}-{i}" for f, i in ALL]
CATEGORIES = {rule.code: rule.category.name for rule in load_rules()}


@cache
def ran(framework: str) -> list[tuple[list[Cell], list[Cell]]]:
    """What numguard showed for each program and for its healthy twin."""
    pytest.importorskip(framework)
    notebooks = [{"cells": list(c), "traced": None} for p in programs(framework) for c in (p.cells, p.benign)]
    answers = run(notebooks, timeout=900)
    return list(zip(answers[::2], answers[1::2], strict=True))


def program(framework: str, number: int) -> Program:
    """The program itself."""
    return programs(framework)[number]


def first_alarm(framework: str, number: int) -> dict[str, Any]:
    """The first finding that is not intended, of the last cell that has one."""
    return [c.alarms for c in ran(framework)[number][0] if c.alarms][-1][0]


@pytest.mark.parametrize(("framework", "number"), ALL, ids=NAMES)
def test_row_is_explained(framework: str, number: int) -> None:
    """The guilty line, a rule of the row's own, its category and advice; the variable is among the findings."""
    wanted = program(framework, number)
    cells = ran(framework)[number][0]
    assert [None] * len(cells) == [c.error for c in cells]
    alarms = [c.alarms for c in cells if c.alarms][-1]

    origin, diagnosis = alarms[0]["origin"], alarms[0]["diagnoses"][0]
    assert wanted.origin == (origin["execution"]["count"] - cells[0].count, origin["line"] - 1)  # %%numguard is line 1
    assert wanted.variable in {name for f in alarms for name in (f["variable"], *f["aliases"])}
    assert diagnosis["rule"] in wanted.rules
    assert CATEGORIES[diagnosis["rule"]] == diagnosis["category"]
    assert diagnosis["advice"]


@pytest.mark.parametrize(("framework", "number"), ALL, ids=NAMES)
def test_rewrite_of_the_row_runs(framework: str, number: int) -> None:
    """Its rewrite is verified; made in the cells, they run and the variable is finite. Else there is none, or it says why."""
    wanted = program(framework, number)
    cells = ran(framework)[number][0]
    rewrite = first_alarm(framework, number)["diagnoses"][0]["rewrite"]

    if wanted.flag == "advice":
        assert rewrite is None
    elif wanted.flag == "unrun":
        assert (False, "Not run") == (rewrite["verified"], rewrite["note"][:7])
        assert is_finite(applied(wanted.cells, rewrite, cells[0].count), wanted.variable)
    else:
        assert rewrite is not None
        assert rewrite["verified"], rewrite["note"]
        assert is_finite(applied(wanted.cells, rewrite, cells[0].count), wanted.variable), rewrite["after"]


@pytest.mark.parametrize(("framework", "number"), ALL, ids=NAMES)
def test_healthy_twin_is_silent(framework: str, number: int) -> None:
    """The same lines on benign data run, and raise no alarm."""
    cells = ran(framework)[number][1]

    assert [None] * len(cells) == [c.error for c in cells]
    assert [] == [f["variable"] for c in cells for f in c.alarms]
