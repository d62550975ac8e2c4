"""Apply a rewrite's edits to a notebook's cells and run them plainly: is the variable finite then?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np


def applied(cells: Sequence[str], rewrite: dict[str, Any], first: int) -> list[str]:
    """The cells with the edits made; each edit's `before` must be exactly what stands there.

    Args:
        cells: As written, without the magic line that every one of them had when it ran.
        first: Execution count of the first cell.
    """
    changed = [cell.split("\n") for cell in cells]
    for edit in rewrite["edits"]:
        lines = changed[edit["execution"]["count"] - first]
        start, end = edit["line"] - 2, edit["end_line"] - 1  # %%numguard is line 1
        assert edit["before"] == "\n".join(lines[start:end])
        lines[start:end] = edit["after"].split("\n")
    return ["\n".join(lines) for lines in changed]


def is_finite(cells: Sequence[str], variable: str) -> bool:
    """Whether a variable (or a path from one) is finite after a plain run of the cells."""
    space: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in cells:
            exec(compile(cell, "<cell>", "exec"), space)
        value = eval(variable, space)
    value = value.detach().double() if hasattr(value, "detach") else value
    return bool(np.isfinite(np.asarray(value.numpy() if hasattr(value, "numpy") else value, dtype=float)).all())
