"""A small function is written out only where what its source says is what runs."""

from __future__ import annotations

import importlib
import linecache
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_numguard.small_functions import small_function


def imported(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's."""
    (folder / "formulas.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "formulas", raising=False)
    return importlib.import_module("formulas")


@pytest.mark.parametrize(
    "source",
    [
        "def half(x):\n    return x / 2\n",
        "def half(x, by=2):\n    return x / by\n",
        "half = lambda x, *, by=2: x / by\n",
    ],
)
def test_a_number_edited_since_the_import_is_noticed(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As imported it is known; once the file says another number, it is not: that is not what runs."""
    half = imported(tmp_path, source, monkeypatch).half
    linecache.clearcache()
    assert small_function(half, {}) is not None

    (tmp_path / "formulas.py").write_text(source.replace("2", "3"))
    linecache.clearcache()

    assert small_function(half, {}) is None


def test_a_default_that_was_computed_is_not_worked_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the value of when the function was made; its name may mean another by now."""
    module = imported(tmp_path, "EPS = 1.0\ndef f(x, eps=EPS):\n    return x + eps\nEPS = 0.0\n", monkeypatch)

    assert small_function(module.f, {}) is None


def test_a_function_without_source_is_not_known() -> None:
    """Made from a string; and a lambda inside an expression of several lines, whose source is no program of its own."""
    space: dict[str, object] = {}
    exec("def f(x):\n    return x", space)
    table = {"a": 1,
             "f": lambda x: x}  # fmt: skip

    assert small_function(space["f"], {}) is None
    assert small_function(table["f"], {}) is None
