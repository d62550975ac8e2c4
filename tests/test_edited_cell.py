"""A rewrite is verified only if the whole cell, run once more on copies with it, is finite; the user's world stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run

FAR = """import torch
def energies(rows):
    out = []
    for row in rows:
        out.append(GROWS(row).sum())
    return torch.stack(out)
part = torch.tensor([1.0, 2.0, 3.0])
whole = torch.tensor([0.0, 2.0, 3.0])"""
SHARE = """def share(a, b):
    return a / b
ratio = share(part, whole)
total = energies(ratio.reshape(3, 1)).sum()"""
SEEDED = """import torch
torch.manual_seed(4)
weight = torch.nn.Parameter(torch.zeros(3))"""
DRAWN = """def size(w):
    return (w * w).sum().sqrt()
noise = torch.randn(3)
cost = size(weight) + (weight * noise).sum()
cost.backward()
print(torch.rand(1).item())"""
EFFECT = """import torch
def log(x):
    open("seen.txt", "a").write("x")
    return torch.log(x)
out = log(torch.zeros(2))
print(len(open("seen.txt").read()))"""
CONSUMED = """import numpy as np
raw = np.array([1.0, 900.0])
grown = np.exp(raw)
shares = grown / grown.sum()"""
AMENDED = """import numpy as np
table = np.array([0.0, 1.0, 4.0])
def logs(x):
    return np.log(x)
table = logs(table) * 2"""
FLOW = """import torch
def inverse(u):
    return torch.log(u) - torch.log(1 - u)
def log_det(u):
    return -torch.log1p(-u).sum(-1)
u = torch.tensor([[0.5, 1.0], [0.2, 0.3]])"""
LIKELIHOOD = """z = inverse(u)
nll = (0.5 * (z ** 2).sum(-1) + log_det(u)).mean()"""
SCORES = """import numpy as np
told, true = np.array([0, 0, 2]), np.array([0, 1, 2])
for c in range(4):
    hit = np.sum((told == c) & (true == c))
    precision = hit / np.sum(told == c)
    recall = hit / np.sum(true == c)
    f1 = 2 * precision * recall / (precision + recall)"""
OWN_CLASS = """import numpy as np
class Neuron:
    def act(self, v):
        up, down = np.exp(v), np.exp(-v)
        return (up - down) / (up + down)
level = Neuron().act(np.array([-900.0, 0.5]))"""
LARGE = """import numpy as np
bulk = np.ones(4_000_000)
table = np.array([0.0, 1.0])"""
FILLED = """import numpy as np
def rates(p):
    out = np.empty(len(p) - 1)
    for i in range(1, len(p)):
        out[i - 1] = p[i] / p[i - 1]
    return out
growth = rates(np.array([0.0, 2.0, 4.0]))"""
NOTEBOOKS: dict[str, dict[str, Any]] = {
    "no bound helps": {"cells": [FAR.replace("GROWS(row)", "(row ** 9)"), SHARE], "traced": [1]},
    "a larger bound helps": {"cells": [FAR.replace("GROWS(row)", "(row ** 4)"), SHARE], "traced": [1]},
    "drawn": {"cells": [SEEDED, DRAWN], "traced": [1]},
    "drawn plainly": {"cells": [SEEDED, DRAWN], "traced": []},
    "effect": {"cells": [EFFECT], "traced": [0]},
    "consumed": {"cells": [CONSUMED], "traced": [0]},
    "amended": {"cells": [AMENDED.partition("def")[0], "def" + AMENDED.partition("def")[2]], "traced": [1]},
    "two faults": {"cells": [FLOW, LIKELIHOOD], "traced": [1]},
    "three faults": {"cells": [SCORES], "traced": [0]},
    "own class": {"cells": [OWN_CLASS], "traced": [0]},
    "long": {
        "cells": ["from jupyter_numguard import once_more\nlongest, once_more.MAX_CELL = once_more.MAX_CELL, 0.0", OWN_CLASS,
                  "once_more.MAX_CELL = longest"],
        "traced": [1],
    },
    "filled": {"cells": [FILLED], "traced": [0]},
    "later": {"cells": [FLOW, "z = inverse(u[1:] - 0.2)", "total = z.sum()"], "traced": [1, 2]},
    "large": {"cells": [LARGE, "table = np.log(table) * bulk[0]"], "traced": [1]},
    "watched": {"cells": [AMENDED.replace("table = logs", "result = logs")], "traced": []},
    "nothing kept": {
        "cells": [AMENDED, "import gc\nprint([type(o).__name__ for o in gc.get_objects() "
                  "if type(o).__name__ in ('Beginning', 'World', 'Ran', 'EditedCell', 'OnceMore')])"],
        "traced": [0],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def ran() -> dict[str, list[Cell]]:
    """Every notebook, in one interpreter."""
    return dict(zip(NOTEBOOKS, run(list(NOTEBOOKS.values())), strict=True))


def rewrite_of(cells: list[Cell], variable: str) -> dict[str, Any]:
    """The rewrite of a variable's first diagnosis."""
    (finding,) = (f for cell in cells for f in cell.alarms if f["variable"] == variable)
    rewrite: dict[str, Any] = finding["diagnoses"][0]["rewrite"]
    return rewrite


def test_a_bound_that_another_function_lets_overflow_is_not_verified(ran: dict[str, list[Cell]]) -> None:
    """The quotient is finite with any bound; its ninth power, in a loop of another function, never is."""
    rewrite = rewrite_of(ran["no bound helps"], "ratio")

    assert not rewrite["verified"]
    assert "run again with it on copies, the cell leaves `total` non-finite" in rewrite["note"]


def test_the_bound_that_the_cell_needs_is_found(ran: dict[str, list[Cell]]) -> None:
    """The fourth power of 1 / 1e-12 leaves float32; the next bound is tried, and the cell is finite with it."""
    rewrite = rewrite_of(ran["a larger bound helps"], "ratio")

    assert rewrite["verified"]
    assert "1e-12" not in rewrite["after"]
    assert "leaves `ratio` finite" in rewrite["note"]


def test_random_numbers_and_gradients_of_the_user_are_untouched(ran: dict[str, list[Cell]]) -> None:
    """The cell ran once for the user: the same number comes out of the generator, and the gradient was added once."""
    traced, plain = ran["drawn"][1], ran["drawn plainly"][1]

    assert rewrite_of(ran["drawn"], "weight.grad")["verified"]
    assert traced.text.splitlines()[0] == plain.text.splitlines()[0]
    assert "leaves `weight.grad` finite" in rewrite_of(ran["drawn"], "weight.grad")["note"]


def test_a_cell_that_does_more_than_compute_is_not_run_again(ran: dict[str, list[Cell]]) -> None:
    """The file has one letter; the note claims what the operands showed, and nothing of the cell."""
    rewrite = rewrite_of(ran["effect"], "out")

    assert ran["effect"][0].text.splitlines()[0] == "1"
    assert "run again" not in rewrite["note"]


def test_a_line_that_stays_need_not_become_finite(ran: dict[str, list[Cell]]) -> None:
    """The exponential itself stays; the softmax that does without it is what the cell is asked for."""
    rewrite = rewrite_of(ran["consumed"], "grown")

    assert rewrite["verified"]
    assert "leaves `shares` finite" in rewrite["note"]


def test_a_variable_that_the_cell_overwrote_is_what_it_began_with(ran: dict[str, list[Cell]]) -> None:
    """`table` held zeros before the cell, logarithms afterwards: the second run begins with the zeros."""
    assert "leaves `table` finite" in rewrite_of(ran["amended"], "table")["note"]


def test_what_is_left_is_rewritten_as_well(ran: dict[str, list[Cell]]) -> None:
    """The Jacobian's logarithm in another function is infinite for a reason of its own: both lines change, and both are run."""
    rewrite = rewrite_of(ran["two faults"], "z")

    assert rewrite["verified"]
    assert len(rewrite["edits"]) == 2
    assert "log1p(" in rewrite["after"]
    assert "Line 5 changes as well: run on the operands that failed" in rewrite["note"]
    assert rewrite["note"].endswith("With all of it the cell, run again on copies, is finite.")


def test_a_class_that_the_cell_defines_is_run_as_rewritten(ran: dict[str, list[Cell]]) -> None:
    """Its method changes; and two names bound in one statement are known as what each is."""
    rewrite = rewrite_of(ran["own class"], "level")

    assert "np.tanh(v)" in rewrite["after"]
    assert "leaves `level` finite" in rewrite["note"]


def test_three_lines_of_a_loop_are_rewritten_in_their_order(ran: dict[str, list[Cell]]) -> None:
    """Each divides by 0 for a class that is not there; numbers of numpy are known by what they signal."""
    rewrite = ran["three faults"][0].alarms[0]["diagnoses"][0]["rewrite"]

    assert rewrite["verified"]
    assert [line.split(" = ")[0] for line in rewrite["after"].splitlines()] == ["precision", "recall", "f1"]
    assert all(f"Line {line} changes as well" in rewrite["note"] for line in (7, 8))


def test_memory_that_the_cell_fills_can_be_filled_again(ran: dict[str, list[Cell]]) -> None:
    """`np.empty` holds whatever was there; all of it is written over."""
    assert "leaves `growth` finite" in rewrite_of(ran["filled"], "growth")["note"]


def test_a_later_cell_tells_the_rewrite_that_was_run(ran: dict[str, list[Cell]]) -> None:
    """The sum became non-finite by the same logarithm, whose operands are gone by then."""
    assert rewrite_of(ran["later"], "z")["verified"]
    assert rewrite_of(ran["later"], "total") == rewrite_of(ran["later"], "z")


def test_data_too_large_to_copy_first_leaves_room_for_the_rest(ran: dict[str, list[Cell]]) -> None:
    """32 MB of data are copied only when something failed; what the cell overwrites was copied before."""
    assert "leaves `table` finite" in rewrite_of(ran["large"], "table")["note"]


def test_a_watched_cell_is_run_with_the_rewrite_as_well(ran: dict[str, list[Cell]]) -> None:
    """What it read is still there."""
    assert "leaves `result` finite" in rewrite_of(ran["watched"], "result")["note"]


def test_no_copy_outlives_the_report(ran: dict[str, list[Cell]]) -> None:
    """Nothing of the second runs is left in the next cell."""
    assert ran["nothing kept"][1].text.strip() == "[]"


def test_a_cell_that_took_long_is_not_begun_again(ran: dict[str, list[Cell]]) -> None:
    """A single call of a library cannot be stopped: what the operands showed is told at once."""
    rewrite = rewrite_of(ran["long"], "level")

    assert rewrite["verified"]
    assert "run again" not in rewrite["note"]
