"""Watch: silent while all is finite, one report when a variable becomes non-finite, naming the statement."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run, run_one

NOTEBOOKS: dict[str, list[str]] = {
    "speaks once": [
        "import torch",
        "x = torch.zeros(3)\ny = x + 1",
        "z = torch.log(x)\nw = z * 0",
        "other = 1",
        "u = y + 1",
        "z = torch.log(x)",
    ],
    "reads an old NaN": ["import torch", "a = torch.zeros(2) / 0", "b = a + 1", "c = [float(v) for v in b]"],
    "numpy names the line inside a loop and a function": [
        "import numpy as np\ndef scale(v):\n    s = v.std()\n    return (v - v.mean()) / s",
        "out = []\nfor k in range(4):\n    out.append(scale(np.ones(3) * k))",
    ],
    "a gradient": [
        "import torch\nw = torch.zeros(2, requires_grad=True)",
        "loss = torch.sqrt(w * torch.rand(2)).sum()\nloss.backward()\ndone = True",
    ],
    "the displayed value": ["import torch", "torch.log(torch.zeros(1))"],
    "a training loop in one statement": [
        "import torch\nw = torch.nn.Parameter(torch.rand(2) + 1)\nopt = torch.optim.SGD([w], lr=1e30)",
        "for step in range(9):\n    loss = (w * w).sum()\n    opt.zero_grad()\n    loss.backward()\n    opt.step()",
    ],
    "a power that diverges": [
        "import torch\nw = (torch.rand(3) + 3).requires_grad_()\nopt = torch.optim.SGD([w], lr=1.0)",
        "for step in range(60):\n    loss = (w**4).sum()\n    opt.zero_grad()\n    loss.backward()\n    opt.step()",
    ],
    "Keras fit": [
        "import numpy as np, keras\nkeras.utils.set_random_seed(0)\nX = np.random.rand(64, 4).astype('f4')\n"
        "m = keras.Sequential([keras.layers.Dense(8, name='hidden'), keras.layers.Dense(1)])\n"
        "m.compile(keras.optimizers.SGD(1e20), 'mse')",
        "y = X.sum(1, keepdims=True)\nh = m.fit(X, y, epochs=2, batch_size=16, verbose=0)",
    ],
    "in place through a view and a shared buffer": [
        "import numpy as np, torch\na = np.ones(4)\nt = torch.from_numpy(a)\nv = a[1:3]",
        "b = 1\nv[:] = np.nan\nc = 2",
    ],
    "what the display of a value writes": [
        "import numpy as np\nx = np.ones(3)",
        "class Shown:\n    def __repr__(self):\n        x[1] = np.nan\n        return 'shown'",
        "[x, Shown()][1]",
    ],
    "one element of a larger array": [
        "import numpy as np\nd = np.ones(100)",
        "k = 1\nd[7] = np.log(0.0)",
    ],
    "several statements on one line": ["import torch", "a = torch.zeros(2); b = a / a; c = 1"],
    "a function of another cell changes a global": [
        "import torch\nstate = {'m': torch.ones(2)}\ndef update():\n    state['m'] = state['m'] / (torch.rand(2) * 0)",
        "k = 1\nupdate()\nk = 2",
    ],
}


@pytest.fixture(scope="module")
def ran() -> dict[str, list[Cell]]:
    """All notebooks, watched, in one process."""
    notebooks: list[dict[str, Any]] = [{"cells": cells, "traced": []} for cells in NOTEBOOKS.values()]
    out = dict(zip(NOTEBOOKS, run(notebooks), strict=True))
    assert [] == [(n, c.error) for n, cells in out.items() for c in cells if c.error]
    return out


def said(cell: Cell) -> list[tuple[str, int, int]]:
    """(variable, execution relative to this cell, line) of the alarms of one cell."""
    return [(a["variable"], a["origin"]["execution"]["count"] - cell.count, a["origin"]["line"]) for a in cell.alarms]


def test_it_speaks_once_and_again_only_when_the_variable_is_bound_anew(ran: dict[str, list[Cell]]) -> None:
    """Finite cells and cells in which a NaN merely stays are silent; binding the name again speaks again."""
    cells = ran["speaks once"]

    assert [0, 0, 1, 0, 0, 1] == [len(c.reports) for c in cells]
    assert {("z", 0, 1), ("w", 0, 1)} == set(said(cells[2]))
    assert [("z", 0, 1)] == said(cells[5])


def test_what_is_made_of_an_old_nan_has_the_old_origin(ran: dict[str, list[Cell]]) -> None:
    """Later cells are not blamed."""
    _, first, second, third = ran["reads an old NaN"]

    assert [("a", 0, 1)] == said(first)
    assert [("b", -1, 1)] == said(second)
    assert {("c[0]", -2, 1)} == set(said(third))


def test_numpy_s_own_signals_name_the_line_in_the_function(ran: dict[str, list[Cell]]) -> None:
    """Free in watch mode: the line, the operation and the call."""
    _, cell = ran["numpy names the line inside a loop and a function"]

    (alarm,) = cell.alarms[:1]
    assert (-1, 4, "div", "scale") == (
        alarm["origin"]["execution"]["count"] - cell.count,
        alarm["origin"]["line"],
        alarm["origin"]["op"],
        alarm["origin"]["function"],
    )


def test_a_gradient_is_blamed_on_the_statement_that_called_backward(ran: dict[str, list[Cell]]) -> None:
    """Watch sees no operations, and random numbers are not drawn twice: it says so by confidence."""
    _, cell = ran["a gradient"]

    assert [("w.grad", 0, 2)] == said(cell)
    assert ("likely", "backward") == (cell.alarms[0]["origin"]["confidence"], cell.alarms[0]["origin"]["phase"])
    assert "most likely its gradient made it" in cell.text


def test_a_value_that_is_only_displayed_is_checked(ran: dict[str, list[Cell]]) -> None:
    """It is what the person sees."""
    _, cell = ran["the displayed value"]

    assert [(f"Out[{cell.count}]", 0, 1)] == said(cell)


def test_a_loop_is_named_by_its_header(ran: dict[str, list[Cell]]) -> None:
    """The inside of a loop is for the trace; the report says how to get it."""
    _, cell = ran["a training loop in one statement"]

    assert {("loss", 0, 1), ("w", 0, 1), ("w.grad", 0, 1)} == set(said(cell))
    assert "put %%numguard on top of the cell" in cell.text


def test_what_nobody_measured_is_not_explained(ran: dict[str, list[Cell]]) -> None:
    """A power in a watched training loop is not called singular: its operand was never looked at."""
    said = [f["diagnoses"] for f in ran["a power that diverges"][1].alarms]

    assert said
    assert [[]] * len(said) == said
    assert {"unknown"} == {f["origin"]["kind"] for f in ran["a power that diverges"][1].alarms}


def test_keras_fit_names_layers_weights_and_the_line_of_fit(ran: dict[str, list[Cell]]) -> None:
    """What the model holds, by the path that the user would type."""
    _, cell = ran["Keras fit"]

    assert {"m.layers[0].kernel", "m.layers[1].bias", 'h.history["loss"][0]'} <= {v for v, _, _ in said(cell)}
    assert {(0, 2)} == {(e, line) for _, e, line in said(cell)}


def test_a_write_through_a_view_is_one_finding_with_aliases(ran: dict[str, list[Cell]]) -> None:
    """One memory, one finding, the other names beside it."""
    _, cell = ran["in place through a view and a shared buffer"]

    assert [(0, 2)] == [(e, line) for _, e, line in said(cell)]
    (alarm,) = cell.alarms
    assert {"a", "t", "v"} == {alarm["variable"], *alarm["aliases"]}


def test_what_the_display_of_a_value_writes_is_seen(ran: dict[str, list[Cell]]) -> None:
    """Code of the user's that runs when the last statement has its value."""
    *_, cell = ran["what the display of a value writes"]

    assert "shown" in cell.text
    assert ["x"] == [f["variable"] for f in cell.alarms]


def test_a_write_of_one_element_is_seen(ran: dict[str, list[Cell]]) -> None:
    """No sampling: element 7 of 100."""
    _, cell = ran["one element of a larger array"]

    assert [("d", 0, 2)] == said(cell)
    assert (1, [7]) == (cell.alarms[0]["counts"]["neginf"], cell.alarms[0]["first_index"])


def test_statements_that_share_a_line_are_told_apart(ran: dict[str, list[Cell]]) -> None:
    """The statement is named without its neighbours."""
    _, cell = ran["several statements on one line"]

    assert [("b", "b = a / a", "div")] == [(a["variable"], a["origin"]["code"], a["origin"]["op"]) for a in cell.alarms]


def test_what_a_function_changes_is_blamed_on_the_call(ran: dict[str, list[Cell]]) -> None:
    """The statement reaches the global through the function's code."""
    _, cell = ran["a function of another cell changes a global"]

    assert [('state["m"]', 0, 2)] == said(cell)


def test_the_line_magic_answers() -> None:
    """report, mute, unmute, status, off and on, in one session."""
    cells = run(
        [
            {
                "cells": [
                    "import torch",
                    "a = torch.log(torch.zeros(2))\nb = torch.ones(1)",
                    "%numguard status",
                    "%numguard report nothing",
                    "%numguard mute a",
                    "a = torch.log(torch.zeros(2))",
                    "%numguard unmute a",
                    "a = torch.log(torch.zeros(2))",
                    "%numguard off",
                    "a = torch.log(torch.zeros(2))",
                    "%numguard on",
                    "a = torch.log(torch.zeros(2))",
                    "%numguard mute nosuch",
                    "%numguard reset",
                    "%numguard status",
                ],
                "traced": [],
            }
        ]
    )[0]

    assert [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0] == [len(c.reports) for c in cells]
    assert "non-finite now: a" in cells[2].text
    assert "there are findings for: a" in cells[3].text
    assert "no variable 'nosuch'" in cells[12].text
    assert "0 of them with a non-finite variable\nnon-finite now: a" in cells[14].text


def test_a_list_of_a_framework_s_numbers_is_one_finding() -> None:
    """As with Python's numbers: the first element, and how many more; the next cell is silent. A dict is no list."""
    cells = run_one(
        [
            "import numpy as np, torch\nw = np.float64(3.0)\nlosses, tensors, by_step = [], [], {}",
            "for _ in range(20):\n    w = w - w**3\n    losses.append(w)\n    tensors.append(torch.tensor(w))\n"
            "    by_step[_] = w * 1",
            "again = 1",
        ],
        traced=(),
    )

    found = {f["variable"]: f["more"] for f in cells[1].alarms if "[" in f["variable"]}
    assert {"losses", "tensors", "by_step"} == {path.split("[")[0] for path in found}
    lists = [more for path, more in found.items() if not path.startswith("by_step")]
    assert [2, True] == [len(lists), all(more > 5 for more in lists)]
    by_step = [more for path, more in found.items() if path.startswith("by_step")]
    assert [0] * (max(lists) + 1) == by_step
    assert [] == cells[2].alarms


def test_elements_of_one_dict_have_their_own_origins() -> None:
    """Putting something into a dict reads nothing of what lies in it, numpy and torch alike."""
    lines = [
        "box = {}",
        *(f"box['{k}'] = {m}.log({m}.zeros(2))" for k, m in zip("abc", ("np", "torch", "np"), strict=True)),
    ]
    cells = run_one(["import numpy as np, torch", "\n".join(lines)], traced=())

    assert [('box["a"]', 2), ('box["b"]', 3), ('box["c"]', 4)] == sorted(
        (f["variable"], f["origin"]["line"]) for f in cells[1].alarms
    )
