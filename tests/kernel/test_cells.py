"""A cell under `%%numguard` behaves as without it: everything a front end sees is compared, kernel against kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .cells import NOTEBOOKS
from .kernels import LOAD, Kernel, Seen, kernel

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Kernel, Kernel]]:
    """(without numguard, with it)."""
    with kernel() as plain, kernel(LOAD) as guarded:
        yield plain, guarded


def written(cell: str, line: str) -> str:
    """The cell with `line` where its magic line belongs."""
    return cell.replace("{magic}", line) if "{magic}" in cell else f"{line}\n{cell}"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_traced_cell_looks_the_same(pair: tuple[Kernel, Kernel], notebook: str) -> None:
    """Outputs, error, traceback, status, execution count and payload are those of the plain cell."""
    plain, guarded = pair
    for cell in NOTEBOOKS[notebook]:
        # A comment on top would stop `%%time` from being a cell magic: there the plain cell has one line less.
        is_below = cell.startswith("%%") and "{magic}" not in cell
        expected = plain.run(cell if is_below else written(cell, "#"))
        actual = guarded.run(written(cell, "%%numguard --quiet"))

        assert (_a_line_higher(expected) if is_below else expected.seen) == (
            _a_line_higher(actual) if is_below else actual.seen
        )


def _a_line_higher(seen: Seen) -> str:
    """What was seen, without the number of the line that calls the other cell magic, and without ours above it."""
    text = repr(seen.seen).replace(r"      1 #\n", "")
    return re.sub(r"line [12]\\n-+> [12] (?=get_ipython)", r"line ?\\n----> ? ", text)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_watched_cell_looks_the_same(pair: tuple[Kernel, Kernel], notebook: str) -> None:
    """With numguard watching, a cell without the magic shows what it shows when the extension was never loaded."""
    plain, guarded = pair
    for cell in NOTEBOOKS[notebook]:
        cell = written(cell, "#") if "{magic}" in cell else cell
        expected = plain.run(cell)
        actual = guarded.run(cell)

        assert expected.seen == actual.seen
