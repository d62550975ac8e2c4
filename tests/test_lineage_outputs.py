"""What a cell displayed is a variable: `_`, `__`, `_7` and `Out[7]` are followed like any name."""

from __future__ import annotations

from functools import cache

import pytest

from jupyter_numguard.outputs import MAX_FOLLOWED
from tests.harness import Cell, run

# title: (cells; "@2" is the number of the second one, {variable: the cells that its value rests on})
NOTEBOOKS: dict[str, tuple[list[str], dict[str, list[int]]]] = {
    "the newest output": (["import numpy as np", "np.ones(2) * 3", "y = _ + 1"], {"y": [1, 2, 3], "_": [1, 2]}),
    "by number": (["a = 2.0", "a * 2", "b = 1", "y = _@2 + b", "z = Out[@2] + b"], {"y": [1, 2, 3, 4], "z": [1, 2, 3, 5]}),
    "two newest, equal numbers": (["a = 2", "a + 1", "b = 1", "b + 2", "y = __ * 1"], {"y": [1, 2, 5]}),
    "an index that is computed": (["a = 2.0", "a * 2", "y = Out[max(Out)]"], {"y": [1, 2, 3]}),
    "changed through its variable": (
        ["import numpy as np", "x = np.zeros(3)", "x", "x[0] = 5", "y = _ + 1"], {"y": [1, 2, 3, 4, 5]},
    ),
    "changed through the output": (
        ["import torch", "torch.zeros(3)", "_.add_(1);", "y = Out[@2][0] * 2"], {"y": [1, 2, 3, 4], "Out[@2]": [1, 2, 3]},
    ),
    "its variable is gone": (["x = [1.0]", "x", "del x", "y = _[0] + 1"], {"y": [1, 2, 4]}),
    "the user's own underscore": (["a = 7.0", "a", "b, _ = 1, 2", "z = b + 1"], {"z": [3, 4]}),
    "long ago": (
        ["a = 7.0", "a", *["1 + 1"] * (MAX_FOLLOWED + 3), "y = Out[@2] * 2"], {"y": [1, 2, MAX_FOLLOWED + 6]},
    ),
}  # fmt: skip


@cache
def answers() -> dict[str, tuple[int, list[Cell]]]:
    """Per notebook: the number of its first cell, and its answers; one process for all."""
    count = 1
    notebooks = []
    for cells, slices in NOTEBOOKS.values():
        count += 1  # `%load_ext`, then the answers before
        asked = [*cells, *(f"%numguard lineage {v}" for v in slices)]
        notebooks.append({"cells": [c.replace("@2", str(count + 1)) for c in asked], "traced": []})
        count += len(asked) - 1
    got = run(notebooks)
    return {title: (ran[0].count, ran) for title, ran in zip(NOTEBOOKS, got, strict=True)}


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_slices_through_outputs(title: str) -> None:
    """The cells that a value rests on, those that displayed what it was made from among them."""
    cells, slices = NOTEBOOKS[title]
    first, ran = answers()[title]
    asked = ran[len(cells) :]
    told = [[e - first + 1 for e in c.lineages[0]["executions"]] if c.lineages else c.text for c in asked]

    assert list(slices.values()) == told


MADE = ("torch.log(torch.zeros(2) - 1)", "np.log(np.zeros(2) - 1)", "float('1e999') - float('1e999')")
FORMS = [(made, traced, read) for made in MADE for traced in ([], [3]) for read in ("_ + 1", "Out[max(Out)] + 1")]


def test_the_origin_is_the_cell_that_displayed_it() -> None:
    """Not the addition; the chain leads through the output, whose cell tells of it once."""
    notebooks = [
        {"cells": ["import torch, numpy as np", made, "b = 1", f"y = {read}", "z = y * b"], "traced": traced}
        for made, traced, read in FORMS
    ]
    told, wanted = [], []
    for ran in run(notebooks):
        first = ran[0].count
        told.append([(f["variable"], f["origin"]["execution"]["count"] - first + 1, f["lineage"][-1]["variable"])
                     for c in ran for f in c.alarms])  # fmt: skip
        out = f"Out[{first + 1}]"
        wanted.append([(out, 2, out), ("y", 2, out), ("z", 2, out)])

    assert wanted == told


def test_effects_name_variables_only() -> None:
    """A displayed value is nobody's variable. The first cell of a fresh shell is In [2]."""
    [ran] = run([{"cells": ["a = 1", "a + 1", "b = _ * 2; b", "%numguard lineage --effects 4"], "traced": []}])

    assert ("b" in ran[-1].text, "Out[" in ran[-1].text) == (True, False)


def test_what_an_output_holds_is_told_when_it_is_changed_through_it() -> None:
    """`_[0] = nan`: the later reader rests on the line that wrote it."""
    cells = ["import numpy as np", "np.ones(3)", "_[0] = np.nan", "y = Out[max(Out)] * 2"]
    [ran] = run([{"cells": cells, "traced": []}])
    origins = {
        (f["origin"]["execution"]["count"] - ran[0].count + 1, f["origin"]["kind"]) for c in ran for f in c.alarms
    }

    assert {(3, "introduced")} == origins
