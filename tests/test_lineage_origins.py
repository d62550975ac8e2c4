"""Random notebooks in which values become NaN: the origin of every finding is among the cells that its variable rests on."""

from __future__ import annotations

import random

from tests.harness import run

NAMES = ("a", "b", "c")
FORMS = (
    "{x} = np.log(np.zeros(2) - {k}.)", "{x} = np.zeros(2) / np.zeros(2)", "{x} = np.ones(2) * {k}", "{x} = {y}",
    "{x} = {y} * 2", "{x} = {y} + {z}", "{x} = [{y}, {z}]", "{x} = {y}[0]", "{x} = {y}[-1]", "{x} = {{'p': {y}}}",
    "{x} = {y}['p']", "{x}['q'] = {y}", "{x}.append({y})", "{x}[0] = {y}[1]", "{x}[1] = np.nan", "{x} += 1", "{y}",
    "{x} = _", "{x} = _ * 2", "del {x}", "def f(): {x}.append({y})", "f()", "{x}.pop()", "for i in range(2): {x}.append({y})",
    "{x} = np.nan_to_num({y})", "{x}, {y} = {y}, {x}", "k = 0; {x} = {y}[k]", "{x} = sum({y})", "{x}.insert(0, {y})",
)  # fmt: skip
PROGRAMS, CELLS = 40, 9


def program(seed: int) -> list[str]:
    """Cells, each from one of the forms; the names start as lists and arrays."""
    draw = random.Random(seed)
    cells = ["import numpy as np; a = np.ones(2); b = [np.ones(2)]; c = {}"]
    for _ in range(CELLS):
        x, y, z = (draw.choice(NAMES) for _ in range(3))
        cells.append(draw.choice(FORMS).format(x=x, y=y, z=z, k=draw.randint(1, 9)))
    return cells


def test_the_origin_is_always_an_ancestor() -> None:
    """Asked right after the cell that tells of it, the lineage of the variable holds the execution of its origin."""
    asks = [f"%numguard lineage {name}" for name in NAMES]
    programs = [program(seed) for seed in range(PROGRAMS)]
    notebooks = [[c for cell in cells for c in (cell, *asks)] for cells in programs]
    wrong, told = [], 0
    for cells, ran in zip(notebooks, run([{"cells": c, "traced": []} for c in notebooks]), strict=True):
        for at in range(0, len(cells), 1 + len(asks)):
            slices = {
                name: a.lineages[0]["executions"] for name, a in zip(NAMES, ran[at + 1 :], strict=False) if a.lineages
            }
            for finding in ran[at].alarms:
                root, origin = finding["variable"][:1], finding["origin"]
                if root in slices and origin is not None and origin["execution"] is not None:
                    told += 1
                    if origin["execution"]["count"] not in slices[root]:
                        done = [c for c in cells[: at + 1] if c not in asks]
                        wrong.append((done, finding["variable"], origin["code"]))

    assert (True, []) == (told > PROGRAMS // 2, wrong)
