"""The interrupt button: one traceback, the same as without numguard, and the next cell runs as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .kernels import LOAD, Kernel, kernel

pytestmark = pytest.mark.kernel

# No flush: it is seen when ipykernel flushes by itself, and the cell is then inside its long call.
BUSY = "import time\nprint('busy')\ntime.sleep(30)\nprint('not reached')"
ASYNC = "import asyncio\nprint('busy')\nfor _ in range(100):\n    await asyncio.sleep(0.1)\nprint('not reached')"
FUNCTION = "def wait():\n    for _ in range(3000):\n        time.sleep(0.01)\nimport time\nprint('busy')\nwait()"
NEXT = "import numpy as np\nnp.geterr(), 6 * 7"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Kernel, Kernel]]:
    """(without numguard, with it)."""
    with kernel() as plain, kernel(LOAD) as guarded:
        yield plain, guarded


@pytest.mark.parametrize("cell", [BUSY, ASYNC, FUNCTION], ids=["sleep", "await", "function"])
@pytest.mark.parametrize("line", ["#", "%%numguard --quiet"], ids=["watched", "traced"])
def test_interrupt(pair: tuple[Kernel, Kernel], cell: str, line: str) -> None:
    """An interrupted cell shows the same traceback and status, and leaves nothing to the cell after it."""
    plain, guarded = pair
    expected = [plain.run(f"#\n{cell}", interrupt_at="busy"), plain.run(NEXT)]
    actual = [guarded.run(f"{line}\n{cell}", interrupt_at="busy"), guarded.run(NEXT)]

    assert expected[0].error is not None
    assert [s.seen for s in expected] == [s.seen for s in actual]
