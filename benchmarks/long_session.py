"""What a session of 10,000 executions costs: memory and time per cell, early and late. `--rounds` counts thousands.

Every cell has a text of its own, changes a counter, a list in place and a tensor; every fifth leaves a NaN behind. Memory is
what lines of numguard's allocated and still hold. What IPython itself keeps of each execution (inputs, `_i7`, compiled
texts) is told beside it: that grows with or without us.
"""

from __future__ import annotations

import gc
import io
import statistics
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from .pairs import Row, run

SETUP = "%load_ext jupyter_numguard\nimport torch\ncounter, values, x, bad = 0, [0] * 100, torch.zeros(100), None"


def rows(rounds: int) -> Iterator[Row]:
    """Per thousand executions, then the two claims."""
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = InteractiveShell.instance()  # type: ignore[no-untyped-call]
    shell.history_manager.enabled = False
    shell.cache_size = 0
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        shell.run_cell(SETUP, store_history=True).raise_error()
    tracemalloc.start(1)
    ours: list[float] = []
    each: list[float] = []
    for thousand in range(rounds):
        spent = []
        for i in range(thousand * 1000, thousand * 1000 + 1000):
            cell = f"counter = counter + {i}\nvalues[{i % 100}] = counter\nx.add_({i % 7})"
            if i % 5 == 0:
                cell += "\nbad = x.sum() * float('nan')" if i % 10 else "\nbad = x.sum()"
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                start = time.process_time()
                shell.run_cell(cell, store_history=True).raise_error()
                spent.append(time.process_time() - start)
        shell.history_manager.outputs.clear()  # IPython keeps what was displayed: the reports themselves
        gc.collect()
        mine, all_of_it = _held()
        ours.append(mine)
        each.append(statistics.median(spent) * 1e3)
        note = f"{each[-1]:.2f} ms a cell; the rest of the session {all_of_it - mine:.1f} MB"
        yield Row(f"after {thousand + 1},000 executions", mine, "MB", note=note)
    if rounds > 3:
        yield Row("memory, last thousand / third", ours[-1] / ours[2], bar="<= 1.1")
        yield Row("time a cell, last thousand / third", each[-1] / each[2], bar="<= 1.1")


def _held() -> tuple[float, float]:
    """MB that lines of numguard hold, and that all lines hold."""
    taken = tracemalloc.take_snapshot()
    mine = taken.filter_traces([tracemalloc.Filter(True, "*/jupyter_numguard/*")])
    first, second = (sum(s.size for s in t.statistics("filename")) / 2**20 for t in (mine, taken))
    return first, second


if __name__ == "__main__":
    run(rows, rounds=10)
