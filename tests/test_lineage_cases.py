"""Fifty small notebooks with their true lineage (settled by execution): slices, last writers, effects."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Cell, run

CASES = {p.stem: json.loads(p.read_text()) for p in sorted((Path(__file__).parent / "cases/lineage").glob("*.json"))}
NAMES = sorted(CASES)


@cache
def answers() -> dict[str, tuple[int, dict[str, Cell], dict[int, str]]]:
    """Per case: number of the prelude, the lineage of each target, the effects of each execution; one process for all."""
    notebooks = []
    for name in NAMES:
        case = CASES[name]
        cells = [case["prelude"], *(case["cells"][r] if isinstance(r, str) else r[1] for r in case["runs"])]
        cells += [f"%numguard lineage {q['target']}" for q in case["queries"]]
        # Numbers go on from notebook to notebook. Inside a running cell `execution_count` is the next cell's.
        cells += [
            "get_ipython().run_line_magic('numguard', "
            f"f'lineage --effects {{get_ipython().execution_count - {back + 1}}}')"
            for back in _distances(case)
        ]
        notebooks.append({"cells": cells, "traced": []})
    out = {}
    for name, got in zip(NAMES, run(notebooks), strict=True):
        case = CASES[name]
        first = 1 + len(case["runs"])
        asked = {q["target"]: c for q, c in zip(case["queries"], got[first:], strict=False)}
        told = [c.text for c in got[first + len(case["queries"]) :]]
        out[name] = (got[0].count, asked, dict(zip(map(int, case["effects"]), told, strict=True)))
    return out


def _distances(case: dict[str, Any]) -> list[int]:
    first = 1 + len(case["runs"]) + len(case["queries"])
    return [first + i - int(e) for i, e in enumerate(case["effects"])]


def slice_of(name: str, target: str) -> tuple[set[int], int | None]:
    """Executions and last writer that numguard names, counted as the case counts them."""
    base, asked, _ = answers()[name]
    [lineage] = asked[target].lineages
    writers = [
        s["execution"]["count"] - base
        for s in lineage["steps"]
        if s["event"] in ("bound", "mutated", "introduced") and s["execution"]["count"]
    ]
    return {e - base for e in lineage["executions"]} - {0}, max(writers, default=None)


@pytest.mark.parametrize("name", NAMES)
def test_slices_and_last_writers_are_exact(name: str) -> None:
    """Nothing is missing, nothing beyond `may` is named, and the last writer is the true one."""
    told, true = {}, {}
    for q in CASES[name]["queries"]:
        executions, last = slice_of(name, q["target"])
        told[q["target"]] = (executions - set(q["may"]), last)
        true[q["target"]] = (set(q["slice"]), q["last_writer"])

    assert true == told


@pytest.mark.parametrize("name", [n for n in NAMES if CASES[n]["effects"]])
def test_effects_are_exact(name: str) -> None:
    """`%numguard lineage --effects N`: what execution N bound, changed in place and deleted."""
    told, true = {}, {}
    for execution, effect in CASES[name]["effects"].items():
        text = answers()[name][2][int(execution)]
        may = set(effect["may"])
        for event in ("bound", "mutated", "deleted"):
            listed = re.search(rf"^  {event}: (.*)$", text, re.MULTILINE)
            assert listed is not None, text
            names = {n for n in listed[1].split(", ") if n != "nothing"}
            told[execution, event] = names - may
            true[execution, event] = set(effect[event]) - may

    assert true == told
