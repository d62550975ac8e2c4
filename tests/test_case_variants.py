"""The same cause and a rewrite that works, however a failing program is written.

`cases/reports.json` holds small failing programs; `variants.py` writes each of them in other ways. All are run once, in one
process, through the real pipeline.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .harness import Cell, run
from .repaired import applied, is_finite
from .variants import new_name, variants

CASES = json.loads(Path(__file__).with_name("cases").joinpath("reports.json").read_text())
MADE = [(case, "as it is", case["cells"]) for case in CASES] + [
    (case, how, cells) for case in CASES for how, cells in variants(case["cells"])
]
NAMES = [f"{case['name']}-{how.replace(' ', '-')}" for case, how, _ in MADE]


@cache
def answers() -> list[list[Cell]]:
    """What numguard showed, for every program."""
    return run([{"cells": cells, "traced": None} for _, _, cells in MADE])


def first_finding(cells: list[Cell]) -> dict[str, Any]:
    """The first finding that is no intended one, of the last report that has one."""
    return [c.alarms for c in cells if c.alarms][-1][0]


def diagnosis(number: int) -> dict[str, Any]:
    """The first diagnosis of a program."""
    return first_finding(answers()[number])["diagnoses"][0]


@pytest.mark.parametrize("number", range(len(MADE)), ids=NAMES)
def test_cause_is_the_same_in_other_clothes(number: int) -> None:
    """Names, statements, spellings and cells do not change the rule that comes first."""
    case, _, _ = MADE[number]

    assert case["rule"] == diagnosis(number)["rule"]


@pytest.mark.parametrize("number", range(len(MADE)), ids=NAMES)
def test_rewrite_is_verified_and_runs(number: int) -> None:
    """Where the program has a rewrite, every form of it has one; applied and run plainly it makes the variable finite."""
    case, how, cells = MADE[number]
    rewrite = diagnosis(number)["rewrite"]
    assert case["verified"] == bool(rewrite and rewrite["verified"]), rewrite
    if not case["verified"]:
        return
    changed = applied(cells, rewrite, answers()[number][0].count)
    variable = new_name(case["cells"], case["variable"]) if how.endswith("renamed") else case["variable"]

    assert is_finite(changed, variable), rewrite["after"]


def test_confidence_is_calibrated() -> None:
    """Of the diagnoses that are put first with 0.9 or more, at least nine in ten name a right category."""
    sure = [
        diagnosis(i)["category"] in case["accept_categories"]
        for i, (case, _, _) in enumerate(MADE)
        if diagnosis(i)["confidence"] >= 0.9
    ]

    assert len(sure) > len(MADE) / 2
    assert sum(sure) >= 0.9 * len(sure)


# Facts of the number formats and of the operations' domains, not of a tensor.
KNOWN = {65504.0, 3.4028e38, 1.7976e308, 3.3895e38, 88.72, 709.78, 6e-08, 0.0, 1.0, -1.0}
_NUMBER = re.compile(r"(?<![\w.\[])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w\]])")


def claimed(evidence: str) -> list[float]:
    """The numbers of a sentence that are not part of a name, a dtype or a shape."""
    text = re.sub(r"`[^`]*`|\w+\[[\d, ]*\]|float\d+|int\d+", " ", evidence)
    return [float(n) for n in _NUMBER.findall(text)]


def measured(node: Any) -> Iterator[float]:
    """Every number below a piece of a report."""
    if isinstance(node, dict):
        for value in node.values():
            yield from measured(value)
    elif isinstance(node, list):
        yield float(len(node))
        for value in node:
            yield from measured(value)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield float(node)


@pytest.mark.parametrize("number", range(len(MADE)), ids=NAMES)
def test_evidence_claims_what_was_measured(number: int) -> None:
    """Every number of every evidence is in the origin's operands, result or occurrence, or in the history."""
    for finding in (f for cell in answers()[number] for f in cell.alarms):
        origin = finding["origin"]
        facts = [origin["operands"], origin["result"], origin["occurrence"], finding["history"]]
        known = {*KNOWN, *(n for fact in facts for n in measured(fact))}
        for d in finding["diagnoses"]:
            for number_claimed in claimed(d["evidence"]):
                assert any(math.isclose(number_claimed, k, rel_tol=6e-4) for k in known), (
                    number_claimed,
                    d["evidence"],
                )


def test_every_evidence_cites_a_number() -> None:
    """At least most sentences have a number to be held to: the test above looks at something."""
    texts = [d["evidence"] for cells in answers() for c in cells for f in c.alarms for d in f["diagnoses"]]

    assert sum(bool(claimed(t)) for t in texts) > 0.8 * len(texts)
