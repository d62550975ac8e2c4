"""What following every variable costs per cell, side by side in one run: `python benchmarks/lineage_overhead.py [rounds]`.

Each cell runs on a real IPython shell: plain (numguard off), watched without the versions of variables, watched with
them. The rounds are interleaved; the minimum is printed, in ms. Bars: a trivial cell at most 5 ms more, 200 training
steps at most 3 % more, a namespace of 200 MB and 2,000 tensors that the cell cannot reach at most 25 ms more; no growth
with the number of executions; ipyflow beside it where it is installed.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

os.environ.setdefault("OMP_NUM_THREADS", "1")

SETUP = """
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
opt = torch.optim.Adam(m.parameters())
X, y = torch.randn(256, 64), torch.randn(256, 1)
"""
BIG = "big = torch.zeros(50_000_000)\nmany = [torch.zeros(10) for _ in range(2000)]"
TRAIN = """
for step in range(200):
    opt.zero_grad()
    loss = ((m(X) - y) ** 2).mean()
    loss.backward()
    opt.step()
"""
CELLS = {"trivial": "a = 1 + 1", "200 training steps": TRAIN}


def main(rounds: int) -> None:
    """Print the tables."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False

    def run(cell: str) -> float:
        start = time.perf_counter()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = shell.run_cell(cell, store_history=True)
        spent = time.perf_counter() - start
        result.raise_error()
        return spent * 1e3

    run("%load_ext jupyter_numguard")
    run(SETUP)
    from jupyter_numguard.chronicle import Chronicle
    from jupyter_numguard.magics import _loaded

    session = next(iter(_loaded.values())).session
    followed = session._chronicle

    class Nothing(Chronicle):
        """Follows no cell: what is left is the check."""

        def start_cell(self, *args: object) -> None:  # type: ignore[override]
            """Nothing."""

    nothing = Nothing(session.roots, session._space)

    def mode(name: str) -> None:
        run("%numguard off" if name == "plain" else "%numguard on")
        session._chronicle = followed if name == "with lineage" else nothing

    modes = ["plain", "watch only", "with lineage"]
    print(f"{'cell':45}" + "".join(f"{m:>15}" for m in modes) + f"{'more':>10}{'ratio':>8}")

    def table(cells: dict[str, str], note: str = "") -> None:
        for title, cell in cells.items():
            best = dict.fromkeys(modes, float("inf"))
            for _ in range(rounds):
                for name in modes:
                    mode(name)
                    run("z0 = 0")
                    run("z1 = 0")
                    best[name] = min(best[name], run(cell))
            more, ratio = best[modes[2]] - best[modes[1]], best[modes[2]] / best[modes[1]]
            print(f"{title + note:45}" + "".join(f"{best[m]:15.2f}" for m in modes) + f"{more:10.2f}{ratio:8.3f}")

    table(CELLS)
    mode("with lineage")
    run(BIG)
    table({"trivial": "a = 1 + 1"}, ", beside 200 MB and 2,000 tensors")
    run("del big, many")
    mode("with lineage")
    for i in range(1000):
        run(f"counter = counter + {i}" if i else "counter = 0")
    table({"trivial": "a = 1 + 1"}, ", after 1,000 executions")
    if importlib.util.find_spec("ipyflow") is not None:
        run("%load_ext ipyflow")
        print("ipyflow", {title: round(min(run(cell) for _ in range(rounds)), 2) for title, cell in CELLS.items()})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
