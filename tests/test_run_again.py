"""What the watch report recommends: the same cell once more, under `%%numguard`. It is the second run that is explained."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from jupyter_numguard.flow import bound_first

from .harness import Cell, run

TORCH = """losses = []
for step in range(6):
    mask = torch.zeros(3, 4)
    if step == 3:
        mask[1] = 1
    scores = layer(torch.ones(3, 4)).masked_fill(mask == 1, float("-inf"))
    shares = torch.softmax(scores, dim=1)
    loss = shares.square().mean()
    losses.append(loss.item())"""
NUMPY = """x = np.array([1.0, 1.0000000000000002])
angle = np.arccos(x)
for scale in [1, 2]:
    kernel = np.exp(-angle / scale)
    weights = np.ones(2) / (kernel + 1)
    predicted = kernel @ weights"""
# The second run's activations and gradients lie where the first run's parameters lay, which were NaN.
MEMORY = """model = torch.nn.Sequential(*(torch.nn.Linear(128, 128, bias=False) for _ in range(40)))
for layer in model:
    torch.nn.init.normal_(layer.weight)
optimizer = torch.optim.Adam(model.parameters())
for step in range(5):
    loss = model(inputs).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()"""
NOTEBOOKS: dict[str, tuple[str, str, tuple[int, str]]] = {
    "torch": ("import torch\nlayer = torch.nn.Linear(4, 4)", TORCH, (8, "softmax")),
    "numpy": ("import numpy as np", NUMPY, (3, "acos")),
    "memory that is used again": ("import torch\ninputs = torch.randn(64, 128)", MEMORY, (7, "matmul")),
}


@pytest.fixture(scope="module")
def ran() -> dict[str, list[Cell]]:
    """Set up, the cell watched, the same cell traced."""
    notebooks: list[dict[str, Any]] = [
        {"cells": [setup, cell, cell], "traced": [2]} for setup, cell, _ in NOTEBOOKS.values()
    ]
    return dict(zip(NOTEBOOKS, run(notebooks), strict=True))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_second_run_is_explained_by_itself(ran: dict[str, list[Cell]], name: str) -> None:
    """Every finding of the traced cell has its origin in that cell, although the first run left the same names non-finite."""
    watched, traced = ran[name][1:]
    line, op = NOTEBOOKS[name][2]

    assert watched.alarms
    assert {(traced.count, line, op)} == {
        (f["origin"]["execution"]["count"], f["origin"]["line"], f["origin"]["op"]) for f in traced.alarms
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("for k in range(3):\n    w = k + 1\n    v = w * 2\n", {"k", "w"}),
        ("for k in range(3):\n    v = w\n    w = v\n", {"v"}),
        ("for k in r:\n    if k:\n        w = 1\n    v = w\n", {"k"}),
        ("for k in r:\n    if k:\n        w = 1\n    else:\n        w = 2\n    v = w\n", {"k", "w"}),
        ("while w < 3:\n    w = 4\n    v = w\n", set()),
        ("for k in r:\n    w += k\n", {"k"}),
        ("for k in r:\n    w[k] = 1\n    v = w\n", {"k"}),
        ("with open(p) as f:\n    x = f.read()\n    y = x\n", {"f", "x"}),
        ("try:\n    x = f()\nexcept E:\n    pass\ny = x\n", set()),
        ("for k in r:\n    for j in k:\n        w = j\n    v = w\n", {"k", "j"}),
        ("for k in r:\n    def g():\n        return q\n    q = g()\n", {"g"}),
        ("x = x + 1\n", set()),
    ],
)
def test_what_a_loop_binds_before_it_reads_it_is_its_own(code: str, expected: set[str]) -> None:
    """Only a name that is bound for certain, earlier in the same round, is left out of what a statement reads from before."""
    assert expected == set(bound_first(ast.parse(code).body[0]))


def test_another_name_that_is_left_over_is_not_news() -> None:
    """What was told under one name is not told again under another one when the first is bound anew."""
    cells = ["import numpy as np\nx = np.zeros(2) / np.zeros(2)", "kept = x", "x = np.ones(2)"]
    (told, silent, bound_anew) = run([{"cells": cells, "traced": []}])[0]

    assert [["x"], [], []] == [[f["variable"] for f in cell.alarms] for cell in (told, silent, bound_anew)]


def test_elements_of_a_list_that_is_begun_anew_are_of_this_run() -> None:
    """Numbers of the second run may lie where numbers of the first one lay, and at the same places of the list."""
    cell = "losses = []\nfor step in range(200):\n    x = np.exp(step * 10.0)\n    losses.append(x - x)"
    watched, traced = run([{"cells": ["import numpy as np", cell, cell], "traced": [2]}])[0][1:]

    assert watched.alarms
    assert {traced.count} == {f["origin"]["execution"]["count"] for f in traced.alarms}
