"""`%numguard lineage` on notebooks of every kind, on a real shell: slices of chosen variables, states, staleness, bounds."""

from __future__ import annotations

import threading
from functools import cache

import pytest

from jupyter_numguard.versions import MAX_EXECUTIONS
from tests.followed import Followed
from tests.harness import Cell, run

# title: (cells, files, {variable: numbers of the cells that its value rests on})
NOTEBOOKS: dict[str, tuple[list[str], dict[str, str], dict[str, list[int]]]] = {
    "pandas inplace and views": (
        ["import pandas as pd", "df = pd.DataFrame({'a': [3., None, 1.], 'b': [1., 2., 3.]})",
         "df.fillna(0, inplace=True)",
         "df.loc[0, 'b'] = 9.", "m = df['a'].mean()", "s = df['b']"],
        {}, {"m": [1, 2, 3, 5], "df": [1, 2, 3, 4]},
    ),
    "dataclass": (
        ["from dataclasses import dataclass, field",
         "@dataclass\nclass C:\n    lr: float = 0.1\n    log: list = field(default_factory=list)",
         "c = C()", "c.lr = 2.0", "c.log.append(1)", "v = c.lr * 1", "w = c.log[0]"],
        {}, {"v": [1, 2, 3, 4, 6], "w": [1, 2, 3, 5, 7]},
    ),
    "partial and closure": (
        ["from functools import partial", "k = 3.0", "def f(a, b): return a * b * k",
         "g = partial(f, 2.0)", "k = 4.0", "r = g(1.0)"],
        {}, {"r": [1, 3, 4, 5, 6]},
    ),
    "closure counter": (
        ["def make():\n    n = [0]\n    def up():\n        n[0] += 1\n        return n[0]\n    return up",
         "up = make()", "up();", "v = up()"],
        {}, {"v": [1, 2, 3, 4]},
    ),
    "generator": (
        ["xs = [1., 2., 3.]", "g = iter(v for v in xs)", "first = next(g)", "rest = list(g)"],
        {}, {"first": [1, 2, 3], "rest": [1, 2, 3, 4]},
    ),
    "async cell": (
        ["import asyncio", "async def get(v):\n    await asyncio.sleep(0)\n    return v * k", "k = 2.0", "r = await get(1.0)"],
        {}, {"r": [1, 2, 3, 4]},
    ),
    "%run and a module with state": (
        ["%run script.py", "import state", "state.items.append(made)", "n = state.items[0] + 0"],
        {"script.py": "made = 1.0\n", "state.py": "items = []\n"}, {"n": [1, 2, 3, 4], "made": [1]},
    ),
    "context manager": (
        ["box = []", "from contextlib import contextmanager", "@contextmanager\ndef ctx():\n    box.append(1)\n    yield box",
         "with ctx() as b:\n    n = len(b)"],
        {}, {"n": [1, 2, 3, 4], "box": [1, 2, 3, 4]},
    ),
    "exception in the middle of an update": (
        ["import numpy as np", "a = np.zeros(3)", "for i in range(3):\n    a[i] = 1 / (1 - i)", "s = a.sum()"],
        {}, {"s": [1, 2, 3, 4]},
    ),
    "failed statement binds nothing": (
        ["x = 1", "x = 1 / 0", "y = x + 1"],
        {}, {"y": [1, 3], "x": [1]},
    ),
    "alias with a deleted name": (
        ["import torch", "a = torch.ones(2)", "b = a", "del a", "b.add_(1)", "c = b * 1"],
        {}, {"c": [1, 2, 3, 5, 6]},
    ),
    "thread that ends in its cell": (
        ["import threading", "out = {}", "def work(): out['v'] = 1.0",
         "t = threading.Thread(target=work); t.start(); t.join()", "v = out['v'] * 1"],
        {}, {"v": [1, 2, 3, 4, 5]},
    ),
    "time magic": (
        ["x = 2.0", "%time y = x + 1", "z = y * 1"],
        {}, {"z": [1, 2, 3]},
    ),
    "large list": (
        ["xs = list(range(5000))", "xs[4000] = -1", "n = sum(xs)"],
        {}, {"n": [1, 2, 3]},
    ),
}  # fmt: skip


@cache
def answers() -> dict[str, tuple[int, dict[str, Cell]]]:
    """Per notebook: the number of its first cell, and the answer for each variable; one process for all."""
    got = run(
        [
            {"cells": [*cells, *(f"%numguard lineage {v}" for v in slices)], "files": files, "traced": []}
            for cells, files, slices in NOTEBOOKS.values()
        ]
    )
    return {
        title: (ran[0].count, dict(zip(slices, ran[len(cells) :], strict=True)))
        for (title, (cells, _, slices)), ran in zip(NOTEBOOKS.items(), got, strict=True)
    }


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_slices_of_notebooks_of_every_kind(title: str) -> None:
    """The cells that a value rests on, no more and no less."""
    first, asked = answers()[title]
    told = {v: [e - first + 1 for e in c.lineages[0]["executions"]] if c.lineages else c.text for v, c in asked.items()}

    assert NOTEBOOKS[title][2] == told


def test_tensorflow_variables_and_keras_models() -> None:
    """`assign` and `fit` change what they are called on."""
    cells = [
        "import tensorflow as tf, keras, numpy as np", "v = tf.Variable([1., 2.])", "v.assign([3., 4.]);", "w = v * 2",
        "m = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])", "m.compile('sgd', 'mse')",
        "m.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0);", "p = m(np.ones((1, 2)))",
        "%numguard lineage w", "%numguard lineage p",
    ]  # fmt: skip
    [ran] = run([{"cells": cells, "traced": []}])
    first = ran[0].count
    told = [[e - first + 1 for e in c.lineages[0]["executions"]] for c in ran[-2:]]

    assert [[1, 2, 3, 4], [1, 5, 6, 7, 8]] == told


def test_steps_say_what_happened() -> None:
    """Newest first: execution, line, statement, path, event and state; stale where the cell was run again."""
    cells = ["import torch", "x = torch.zeros(2)", "x[0] = float('nan')\n\nx.mul_(2)", "x = torch.zeros(2)", "y = x + 1",
             "x = torch.zeros(2)", "%numguard lineage y", "%numguard lineage x[0]"]  # fmt: skip
    [ran] = run([{"cells": cells, "traced": []}])
    first = ran[0].count
    [lineage] = ran[-2].lineages
    rows = [(s["execution"]["count"] - first + 1, s["line"], s["code"], s["variable"], s["event"], s["state"], s["stale"])
            for s in lineage["steps"]]  # fmt: skip

    assert [
        (5, 1, "y = x + 1", "y", "bound", "finite", False),
        (4, 1, "x = torch.zeros(2)", "x", "bound", "finite", True),
        (1, 1, "import torch", "torch", "bound", "unknown", False),
    ] == rows


def test_steps_of_a_finding_are_stale_when_their_cell_ran_again() -> None:
    """The x that z was made from is not the one that its cell makes now."""
    x = "x = torch.log(torch.zeros(2))"
    [ran] = run([{"cells": ["import torch", x, "y = x * 1", x, "z = y + 1"], "traced": []}])
    first = ran[0].count
    steps = ran[-1].findings[0]["lineage"]

    assert {5: False, 3: False, 2: True} == {s["execution"]["count"] - first + 1: s["stale"] for s in steps}


def test_a_variable_that_does_not_exist_is_told_with_close_names() -> None:
    """One line, no traceback."""
    ran = run([{"cells": ["loss = 1.0", "%numguard lineage los", "%numguard lineage 1 +", "%numguard lineage --effects 99999"],
                "traced": []}])[0]  # fmt: skip

    assert [True, True, True] == [
        "did you mean: loss?" in (c.text + (c.error or "")) or "is no variable" in (c.text + (c.error or ""))
        or "is not known" in (c.text + (c.error or "")) for c in ran[1:]
    ]  # fmt: skip


def test_what_another_thread_changed_between_cells_is_external() -> None:
    """Nobody's statement did it: the step says so, and no execution is blamed."""
    cells = ["import threading, time, numpy as np", "a = np.zeros(3); go = threading.Event()",
             "def work():\n    go.wait(); a[0] = np.nan\nt = threading.Thread(target=work); t.start()",
             "import time", "pass"]  # fmt: skip
    kernel = Followed()
    for cell in cells:
        kernel.run(cell)
    kernel.space["go"].set()
    kernel.space["t"].join()
    answer = kernel.chronicle.lineage("a")

    assert ("external", [1, 2]) == (answer.steps[0].event, list(answer.executions))


def test_cells_that_overlap_are_told() -> None:
    """A cell of a subshell that ran meanwhile may have done it: the answer names both."""
    kernel = Followed()
    kernel.run("x = [1]")
    inside = threading.Event()
    done = threading.Event()
    kernel.space.update(inside=inside, done=done)
    other = threading.Thread(target=kernel.run, args=("inside.set(); done.wait(); y = 1",))
    other.start()
    inside.wait()
    kernel.run("x.append(2)")
    done.set()
    other.join()
    notes = kernel.chronicle.lineage("x").notes

    assert (1, True) == (len(notes), notes[0].startswith("ran beside other cells"))


def test_memory_stays_bounded_over_many_executions() -> None:
    """After more than 2,000 executions the numbers of older ones are known, their versions are gone."""
    kernel = Followed()
    kernel.run("c = 0")
    kernel.run("d = 5")
    for _ in range(MAX_EXECUTIONS + 300):
        kernel.run("c = c + 1")
    answer = kernel.chronicle.lineage("c")
    alive = sum(len(e.versions) for e in kernel.chronicle._executions)

    assert (MAX_EXECUTIONS, True, [2], True) == (
        len(kernel.chronicle._executions), alive <= 2 * MAX_EXECUTIONS, list(kernel.chronicle.lineage("d").executions),
        any("only the numbers are known" in note for note in answer.notes),
    )  # fmt: skip


def test_no_object_is_kept_alive() -> None:
    """What the user deletes is gone at once, whatever was remembered of it."""
    import weakref

    import numpy as np

    kernel = Followed()
    kernel.space["np"] = np
    kernel.run("a = np.ones(5); box = {'a': a}")
    ref = weakref.ref(kernel.space["a"])
    kernel.run("del a, box")

    assert ref() is None
