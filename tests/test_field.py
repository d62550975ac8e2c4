"""Bug reports from the field: what a trace says of them, and that it is silent on the repaired programs.

`cases/field.json` holds reductions of public reports (address in `source`), the way people write notebooks. Their truth was
settled with a checker of its own, operation by operation and line by line, before numguard saw them. All are run once, in one
process.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .harness import Cell, run

CASES = json.loads(Path(__file__).with_name("cases").joinpath("field.json").read_text())
NAMES = [case["name"] for case in CASES]
pytestmark = pytest.mark.timeout(600)  # the first test runs all forty notebooks


@cache
def answers(cells: str) -> list[list[Cell]]:
    """What numguard showed for every program: as reported ("cells"), or repaired ("fixed")."""
    return run([{"cells": case[cells], "traced": None} for case in CASES], timeout=560)


def _place(finding: dict[str, Any], first: int) -> list[int]:
    """[cell, line] of the origin without the line of the magic."""
    origin = finding["origin"] or {}
    execution = origin.get("execution") or {}
    return [execution.get("count", 0) - first, origin.get("line", 0) - 1]


def _root(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_the_report_names_variable_line_operation_and_cause(number: int) -> None:
    """The first finding of the last report that alarms names what the thread settled on."""
    case, cells = CASES[number], answers("cells")[number]
    finding = [c.alarms for c in cells if c.alarms][-1][0]
    origin = finding["origin"] or {}
    roots = {_root(p) for p in (finding["variable"], *finding["aliases"])}
    told = {
        "variable": not roots.isdisjoint(case["variables"]),
        "line": _place(finding, cells[0].count) in case["lines"],
        "op": origin.get("op") in case["ops"],
        "category": bool(finding["diagnoses"]) and finding["diagnoses"][0]["category"] in case["categories"],
    }

    assert [k for k, is_right in told.items() if not is_right] == []


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_the_repaired_program_raises_no_alarm(number: int) -> None:
    """What the thread settled on stays silent."""
    case, cells = CASES[number], answers("fixed")[number]

    assert [c.error for c in cells if not c.ok] == []
    assert [
        f["variable"] for c in cells for f in c.alarms if _place(f, cells[0].count) not in case["fixed_intended"]
    ] == []
