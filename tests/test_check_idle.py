"""In a real kernel: what no cell could reach is read when the kernel is idle; a long check can be stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .kernel.kernels import LOAD, Kernel, kernel

pytestmark = pytest.mark.kernel

# Larger pieces of memory than the machine can read in the time that the tests wait: the same one many times over.
LONG = "import numpy as np, sys\none = np.ones(1 << 25)\nmany = [np.frombuffer(one, count=one.size - i) for i in range(200)]"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Kernel]:
    """A kernel with numguard."""
    with kernel(LOAD) as one:
        yield one


def test_what_another_thread_wrote_is_told_after_an_idle_moment(guarded: Kernel) -> None:
    """A thread that an earlier cell started writes while nothing runs; the next cell, which reaches nothing, tells of it."""
    guarded.run("import numpy as np, threading\nx = np.ones(3)")
    guarded.run("t = threading.Timer(0.3, lambda: x.fill(np.nan))\nt.start()")
    guarded.run("unrelated = 1")
    time.sleep(2.5)

    told = guarded.run("unrelated = 2")

    assert ["x"] == [f["variable"] for r in told.reports for f in r["findings"]]


def test_a_long_check_shows_progress_and_can_be_interrupted(guarded: Kernel) -> None:
    """The cell is done when the check is stopped: its result is there, its status is ok, and the next cell runs."""
    stopped = guarded.run(f"{LONG}\nz = 7\nz * 6", interrupt_at="numguard: checking")
    after = guarded.run("z, len(many)")
    guarded.run("del many, one")

    assert "numguard: checking" in stopped.raw
    assert ("42", "ok", "(7, 200)") == (stopped.result, stopped.reply["status"], after.result)
