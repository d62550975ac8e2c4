"""Elements of one container that came from different statements each have their own origin, and so has what reads one."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.harness import Cell, run

FIRST = "np.log(np.zeros(2) - 1.)"
OTHER = "np.zeros(2) / np.zeros(2)"

# title: (cells after the import; the last names the first and the other origin, {variable: cell of its origin})
PROGRAMS: dict[str, tuple[list[str], dict[str, int]]] = {
    "append": (["L = []", f"L.append({FIRST})", f"L.append({OTHER})"], {"L[0]": 3, "L[1]": 4}),
    "append, torch": (
        ["L = []", "L.append(torch.log(torch.zeros(2) - 1.))", "L.append(torch.zeros(2) / torch.zeros(2))"],
        {"L[0]": 3, "L[1]": 4},
    ),
    "a list in a dict": (
        ["h = {'l': []}", f"h['l'].append({FIRST})", f"h['l'].append({OTHER})"], {'h["l"][0]': 3, 'h["l"][1]': 4},
    ),
    "append in a loop": (
        [f"L = [{FIRST}]", f"for i in range(2):\n    L.append({OTHER})"], {"L[0]": 2, "L[1]": 3, "L[2]": 3},
    ),
    "append in a function": (
        ["L = []", "def log(x):\n    L.append(x)", f"log({FIRST})", f"log({OTHER})"], {"L[0]": 4, "L[1]": 5},
    ),
    "extend and +=": (
        [f"L = [{FIRST}]", f"L.extend([{OTHER}])", "L += [np.ones(2) - np.inf * 0]"], {"L[0]": 2, "L[1]": 3, "L[2]": 4},
    ),
    "by index": (["L = [None] * 3", f"L[2] = {FIRST}", f"L[0] = {OTHER}"], {"L[2]": 3, "L[0]": 4}),
    "one key is read": (
        ["d = {}", f"d['a'] = {FIRST}", f"d['b'] = {OTHER}", "y = d['b'] * 2"], {'d["a"]': 3, 'd["b"]': 4, "y": 4},
    ),
    "the last element is read, one by a variable": (
        [f"L = [{FIRST}]", f"L.append({OTHER})", "y = L[-1] * 2", "k = 0", "z = L[k] * 2"], {"y": 3, "z": 2},
    ),
    "an attribute is read": (
        ["class S: pass", f"s = S(); s.u = {FIRST}", f"s.v = {OTHER}", "y = s.v + 1"], {"s.u": 3, "s.v": 4, "y": 4},
    ),
    "what was inserted moves the others": (
        [f"L = [{FIRST}]", f"L.insert(0, {OTHER})", "y = L[0] + 1", "z = L[1] + 1"], {"y": 3, "z": 2},
    ),
    "pop": ([f"L = [{FIRST}]", f"L.append({OTHER})", "y = L.pop()", "z = y + 1"], {"L[1]": 3, "z": 3}),
    "update and setdefault": (
        [f"d = {{'a': {FIRST}}}", f"d.update(b={OTHER})", f"d.setdefault('c', {OTHER})"],
        {'d["a"]': 2, 'd["b"]': 3, 'd["c"]': 4},
    ),
    "what is appended was computed from the first": (
        [f"L = [{FIRST}]", "L.append(L[0] * 2)", "L.append(L[-1] + 1)"], {"L[0]": 2, "L[1]": 2, "L[2]": 2},
    ),
    "a finite element beside": ([f"L = [{FIRST}, np.ones(2)]", "M = [L[1] / 0. * 0.]"], {"L[0]": 2, "M[0]": 3}),
    "all are read": ([f"L = [{FIRST}]", f"L.append({OTHER})", "y = sum(L)"], {"L[1]": 3, "y": 2}),
    "one NaN object twice": (["d = {'x': np.nan}", "d['y'] = np.nan"], {'d["x"]': 2, 'd["y"]': 3}),
    "cleared, and the memory used again": (
        [f"L = [{FIRST}]", "L.clear()", f"b = {OTHER}", "c = b * 2"], {"L[0]": 2, "b": 4, "c": 4},
    ),
    "a function that reads one": (
        ["d = {}", f"d['a'] = {FIRST}", f"d['b'] = {OTHER}", "def f():\n    return d['b'] * 2", "y = f()"], {"y": 4},
    ),
}  # fmt: skip


@cache
def answers() -> dict[str, tuple[int, list[Cell]]]:
    """Per program: the number of its first cell, and its cells; one process for all."""
    notebooks: list[dict[str, Any]] = [
        {"cells": ["import numpy as np, torch", *cells], "traced": []} for cells, _ in PROGRAMS.values()
    ]
    return {title: (ran[0].count, ran) for title, ran in zip(PROGRAMS, run(notebooks), strict=True)}


@pytest.mark.parametrize("title", PROGRAMS)
def test_each_element_has_its_own_origin(title: str) -> None:
    """Under plain watch."""
    first, ran = answers()[title]
    told = {f["variable"]: f["origin"]["execution"]["count"] - first + 1 for c in ran for f in c.alarms}

    assert PROGRAMS[title][1] == {v: told.get(v) for v in PROGRAMS[title][1]}
