"""A report's lineage through earlier cells on a real shell: from the variable over the origin to what went in, as it was then."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.harness import Cell, run

# An origin or a row: (cell, line, variable, event, state, stale); cells are counted from 1.
Row = tuple[int, int, str, str, str, bool]

# title: (cells, traced, (cell whose finding is looked at, its variable), (origin's kind, cell, line, operation), rows)
NOTEBOOKS: dict[str, tuple[list[str], list[int], tuple[int, str], tuple[str, int, int, str], list[Row]]] = {
    "watched all along, changed in place, a source run again": (
        ["import torch", "x = torch.arange(4.)", "p = x - x.max()", "x = torch.arange(4.)", "p.mul_(-1);",
         "q = torch.log(p)", "loss = q.sum()"],
        [], (7, "loss"), ("op", 6, 1, "log"),
        [(7, 1, "loss", "bound", "nonfinite", False), (6, 1, "q", "bound", "nonfinite", False),
         (5, 1, "p", "mutated", "finite", False), (3, 1, "p", "bound", "finite", False),
         (2, 1, "x", "bound", "finite", True)],
    ),
    "traced at the end, in a function of another cell": (
        ["import torch", "x = torch.arange(4.)", "p = x - x.max()", "def f(a):\n    b = a * 2\n    return torch.sqrt(b)",
         "q = f(p)\nr = q + 1"],
        [4], (5, "r"), ("op", 4, 3, "sqrt"),
        [(5, 3, "r", "bound", "nonfinite", False), (5, 2, "q", "bound", "nonfinite", False),
         (4, 3, "sqrt", "bound", "nonfinite", False), (4, 2, "b", "bound", "finite", False),
         (3, 1, "p", "bound", "finite", False), (2, 1, "x", "bound", "finite", False)],
    ),
    "traced first, watched later": (
        ["import torch", "v = torch.zeros(3)", "d = v / v", "k = 2.0", "e = d * k"],
        [2], (5, "e"), ("op", 3, 2, "div"),
        [(5, 1, "e", "bound", "nonfinite", False), (3, 2, "d", "bound", "nonfinite", False),
         (2, 1, "v", "bound", "finite", False)],
    ),
    "muted where it began": (
        ["import torch", "y = torch.ones(3)", "%numguard mute y", "y.div_(0);", "z = y + 1"],
        [], (5, "z"), ("op", 4, 1, "div"),
        [(5, 1, "z", "bound", "nonfinite", False), (4, 1, "y", "mutated", "nonfinite", False),
         (2, 1, "y", "bound", "finite", False)],
    ),
    "repaired, then broken anew": (
        ["import torch", "y = torch.log(torch.zeros(3))", "y.nan_to_num_(neginf=0.);", "k = 0.", "z = y / k"],
        [], (5, "z"), ("op", 5, 1, "div"),
        [(5, 1, "z", "bound", "nonfinite", False), (4, 1, "k", "bound", "finite", False),
         (3, 1, "y", "mutated", "finite", False), (2, 1, "y", "bound", "nonfinite", False)],
    ),
    "loaded": (
        ["import numpy as np\nnp.save('a.npy', np.array([1., np.nan]))", "a = np.load('a.npy')", "b = a * 2"],
        [], (3, "b"), ("introduced", 2, 1, "data"),
        [(3, 1, "b", "bound", "nonfinite", False), (2, 1, "a", "bound", "nonfinite", False)],
    ),
    "a literal, through a view": (
        ["import torch", "t = torch.ones(3)\nn = t.numpy()", "n[0] = float('nan')", "u = t * 2"],
        [], (4, "u"), ("introduced", 3, 1, "data"),
        [(4, 1, "u", "bound", "nonfinite", False), (3, 1, "t", "mutated", "nonfinite", False),
         (2, 2, "n", "bound", "finite", False), (2, 1, "t", "bound", "finite", False)],
    ),
    "a cell while numguard was off": (
        ["import torch", "x = torch.zeros(3)", "%numguard off", "a = 1\ny = torch.log(x)", "%numguard on", "z = y + 1"],
        [], (6, "z"), ("external", 4, 2, "data"),
        [(6, 1, "z", "bound", "nonfinite", False), (6, 1, "y", "external", "nonfinite", False),
         (4, 2, "y", "external", "nonfinite", False)],
    ),
    "a thread that another cell let go": (
        ["import torch, threading", "x = torch.zeros(3); go = threading.Event()",
         "def work():\n    go.wait()\n    x.fill_(float('nan'))\nt = threading.Thread(target=work); t.start()",
         "go.set(); t.join()", "z = x + 1"],
        [], (5, "z"), ("external", 3, 3, "data"),
        [(5, 1, "z", "bound", "nonfinite", False), (5, 1, "x", "external", "nonfinite", False),
         (3, 3, "x", "external", "nonfinite", False)],
    ),
    "a thread, noticed by a traced cell": (
        ["import torch, threading", "x = torch.ones(3); go = threading.Event(); done = threading.Event()",
         "def work():\n    go.wait(); x[1] = float('nan'); done.set()\nthreading.Thread(target=work).start()",
         "go.set(); done.wait()\nz = x * 2"],
        [3], (4, "z"), ("external", 3, 2, "data"),
        [(4, 3, "z", "bound", "nonfinite", False), (4, 3, "x", "external", "nonfinite", False),
         (3, 2, "x", "external", "nonfinite", False)],
    ),
    "two functions that may have written it": (
        ["import torch, threading", "x = torch.zeros(3); go = threading.Event()",
         "def work():\n    go.wait(); x.fill_(float('nan'))\nt = threading.Thread(target=work); t.start()",
         "def other():\n    x[0] = 1", "go.set(); t.join()", "z = x + 1"],
        [], (6, "z"), ("external", 6, 1, "data"),
        [(6, 1, "z", "bound", "nonfinite", False), (6, 1, "x", "external", "nonfinite", False)],
    ),
    "a callback that the cell called": (
        ["import torch", "x = torch.zeros(3); calls = []", "def bell():\n    global x\n    x = torch.log(x)\ncalls.append(bell)",
         "for c in list(calls): c()", "z = x + 1"],
        [], (5, "z"), ("unknown", 4, 1, "unknown"),
        [(5, 1, "z", "bound", "nonfinite", False), (4, 1, "x", "bound", "nonfinite", False),
         (2, 1, "x", "bound", "finite", False)],
    ),
    "one layer of a model": (
        ["import torch\nfrom torch import nn", "m = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))",
         "m[0].weight.data.mul_(2);", "m[2].bias.data.div_(0);", "out = m(torch.ones(1, 2))"],
        [], (5, "out"), ("op", 4, 1, "div"),
        [(5, 1, "out", "bound", "nonfinite", False), (4, 1, "m[2].bias", "mutated", "nonfinite", False),
         (2, 1, "m", "bound", "finite", False)],
    ),
}  # fmt: skip


@cache
def answers() -> dict[str, list[Cell]]:
    """The cells of every notebook, run in one process."""
    got = run([{"cells": cells, "traced": traced} for cells, traced, *_ in NOTEBOOKS.values()])
    return dict(zip(NOTEBOOKS, got, strict=True))


def finding(title: str) -> tuple[dict[str, Any], int]:
    """The finding that is looked at, and the number of the first cell."""
    cells = answers()[title]
    number, variable = NOTEBOOKS[title][2]
    return next(f for f in cells[number - 1].findings if f["variable"] == variable), cells[0].count


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_the_origin_lies_where_the_value_came_in_or_was_made(title: str) -> None:
    """Whatever the cells between did: watched, muted, off, or nobody's."""
    found, first = finding(title)
    origin = found["origin"]
    told = (origin["kind"], origin["execution"]["count"] - first + 1, origin["line"], origin["op"])

    assert NOTEBOOKS[title][3] == told


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_the_chain_goes_on_to_what_went_in_as_it_was_then(title: str) -> None:
    """Every non-finite step to the origin, then what the origin's statement rested on, in the version that it read."""
    found, first = finding(title)
    told = [
        (s["execution"]["count"] - first + 1, s["line"], s["variable"], s["event"], s["state"], s["stale"])
        for s in found["lineage"]
    ]

    assert NOTEBOOKS[title][4] == told


def test_counts_are_those_after_each_cell() -> None:
    """Not those of now."""
    cells = ["import numpy as np", "a = np.ones(4)", "a[0] = np.nan", "b = a * 1", "b[1:3] = np.inf", "c = b + 1"]
    [ran] = run([{"cells": cells, "traced": []}])
    rows = [
        (s["variable"], s["counts"] and (s["counts"]["nan"], s["counts"]["posinf"]))
        for s in ran[-1].findings[0]["lineage"]
    ]

    assert [("c", (1, 2)), ("b", (1, 0)), ("a", (1, 0)), ("a", None)] == rows


def test_a_written_inf_that_becomes_nan_in_place_is_told() -> None:
    """The mask was meant; the statement that made a NaN of it is the origin, not the first that looked at it."""
    cells = ["import torch", "m = torch.full((3,), float('-inf'))", "n = m.shape\nm.sub_(m)\nn = 2"]
    [ran] = run([{"cells": cells, "traced": []}])
    [alarm] = ran[2].alarms

    assert ([], "m", 2, "sub") == (ran[1].alarms, alarm["variable"], alarm["origin"]["line"], alarm["origin"]["op"])


def test_a_variable_is_named_by_its_name_not_by_the_output_that_shows_it() -> None:
    """`a.w.log_()` displays what it changed."""
    [ran] = run(
        [{"cells": ["import torch\nclass A: pass", "a = A(); a.w = torch.zeros(2)", "a.w.log_()"], "traced": []}]
    )

    assert ["a.w"] == [f["variable"] for f in ran[2].findings]


def test_a_statement_that_failed_made_nothing_non_finite() -> None:
    """`b = b * gone` raises: b is what it was, and is not told again with that line as its origin."""
    [ran] = run([{"cells": ["import numpy as np", "b = np.log(np.zeros(2) - 1.)", "b = b * gone"], "traced": []}])

    assert (1, 0, False) == (len(ran[1].alarms), len(ran[2].alarms), ran[2].ok)
