"""State that no name shows: iterators, generators, caches, columns, globals of other files. A slice is the cells that
alone give the value; most were found by executing them, those of iterators, deleted keys and second variables by reading."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.harness import Cell, run

# title: (cells, files, {variable: numbers of the cells that its value rests on})
NOTEBOOKS: dict[str, tuple[list[str], dict[str, str], dict[str, list[int]]]] = {
    "a generator's own variables": (
        ["def g():\n    t = 0\n    while True:\n        x = yield t\n        t += x", "it = g()", "next(it)", "it.send(4)",
         "z = 9", "r = it.send(1)"],
        {}, {"r": [1, 2, 3, 4, 6]},
    ),
    "a built-in iterator": (
        ["import itertools", "c = itertools.count()", "a = next(c)", "b = next(c)", "r = next(c)"],
        {}, {"r": [1, 2, 3, 4, 5]},
    ),
    "an iterator and its list": (
        ["xs = [1, 2]", "it = iter(xs)", "a = next(it)", "xs.append(3)", "b = next(it)", "r = next(it)"],
        {}, {"r": [1, 2, 3, 4, 5, 6]},
    ),
    "a column that is changed in part": (
        ["import pandas as pd", "df = pd.DataFrame({'a': [1., 2.], 'b': [3., 4.]})", "df['c'] = df['a'] * 2",
         "df.loc[1, 'c'] = 7.", "r = float(df['c'].sum())", "df['c'] = 0.", "q = float(df['c'].sum())"],
        {}, {"r": [1, 2, 3, 4, 5], "q": [1, 2, 6, 7]},
    ),
    "globals of a script": (
        ["%run counting.py", "bump()", "z = 1", "r = counter['n']"],
        {"counting.py": "counter = {'n': 0}\ndef bump():\n    counter['n'] += 1\n"}, {"r": [1, 2, 4]},
    ),
    "one key beside another": (
        ["d = {}", "d['a'] = 1", "d['b'] = 2", "d['a'] += 10", "r = d['b']", "q = sum(d.values())"],
        {}, {"r": [1, 3, 5], "q": [1, 2, 3, 4, 6]},
    ),
    "one key of a defaultdict": (
        ["from collections import defaultdict", "d = defaultdict(list)", "d['x'].append(1)", "d['y'].append(5)",
         "r = d['x'][0]"],
        {}, {"r": [1, 2, 3, 5]},
    ),
    "a key that was deleted and put in again": (
        ["d = {'a': 1}", "d['b'] = 2", "del d['a']", "d['a'] = 5", "r = list(d)", "q = d['a']"],
        {}, {"r": [1, 2, 3, 4, 5], "q": [1, 4, 6]},
    ),
}  # fmt: skip


@cache
def answers() -> dict[str, tuple[int, dict[str, Cell]]]:
    """Per notebook: the number of its first cell, and the answer for each variable; one process for all."""
    notebooks: list[dict[str, Any]] = [
        {"cells": [*cells, *(f"%numguard lineage {v}" for v in slices)], "files": files, "traced": []}
        for cells, files, slices in NOTEBOOKS.values()
    ]
    return {
        title: (ran[0].count, dict(zip(slices, ran[len(cells) :], strict=True)))
        for (title, (cells, _, slices)), ran in zip(NOTEBOOKS.items(), run(notebooks), strict=True)
    }


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_slices_through_hidden_state(title: str) -> None:
    """The cells that a value rests on, no more and no less."""
    first, asked = answers()[title]
    told = {v: [e - first + 1 for e in c.lineages[0]["executions"]] if c.lineages else c.text for v, c in asked.items()}

    assert NOTEBOOKS[title][2] == told


def test_a_cached_function_rests_on_the_call_that_filled_its_cache() -> None:
    """What it answers now was computed with the k of then."""
    cells = ["from functools import lru_cache", "k = 2", "@lru_cache\ndef f(x): return x * k", "a = f(3)", "k = 50",
             "r = f(3)", "%numguard lineage r"]  # fmt: skip
    [ran] = run([{"cells": cells, "traced": []}])
    told = {e - ran[0].count + 1 for e in ran[-1].lineages[0]["executions"]}

    assert {1, 2, 3, 4, 6} <= told


def test_looking_at_a_generator_keeps_nothing_of_it() -> None:
    """Its variables die with it, and it takes no step."""
    cells = ["import weakref, numpy as np", "def g():\n    a = np.ones(3)\n    refs.append(weakref.ref(a))\n    yield 1\n"
             "    a = None\n    yield 2", "refs = []; it = g(); first = next(it)", "second = next(it)",
             "alive = refs[0]() is not None", "(first, second, alive)"]  # fmt: skip
    [ran] = run([{"cells": cells, "traced": []}])

    assert "(1, 2, False)" in ran[-1].text
