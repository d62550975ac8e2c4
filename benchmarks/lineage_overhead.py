"""What following every variable costs per cell, on a real IPython shell: plain, watched without lineage, watched.

"Lineage" is what the versions of variables add to the check of the tensors; "watch" is all of it. ipyflow is measured beside
them where it is installed. `benchmarks.long_session` shows that nothing grows.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from .own_time import OwnTime
from .pairs import Row, run

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
TRIVIAL = "a = 1 + 1"
TRAIN = """
for step in range(200):
    opt.zero_grad()
    loss = ((m(X) - y) ** 2).mean()
    loss.backward()
    opt.step()
"""


class Notebook:
    """A shell with numguard, whose cells run plain, watched without lineage ("checked") or watched."""

    def __init__(self) -> None:
        """Load numguard and the training program."""
        from IPython.core.interactiveshell import InteractiveShell

        from jupyter_numguard.chronicle import Chronicle
        from jupyter_numguard.magics import _loaded

        self.own = OwnTime()
        self.shell: Any = InteractiveShell.instance()  # type: ignore[no-untyped-call]
        self.shell.history_manager.enabled = False
        self.run("%load_ext jupyter_numguard")
        self.run(SETUP)
        self._session = next(iter(_loaded.values())).session
        self._chronicle = self._session._chronicle

        class Nothing(Chronicle):
            """Follows no cell."""

            def start_cell(self, *_: object) -> None:
                """Nothing."""

        self._nothing = Nothing(self._session.roots, self._session._space)

    def run(self, cell: str) -> float:
        """Process time of one cell in ms."""
        gc.collect()
        start = time.process_time()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = self.shell.run_cell(cell, store_history=True)
        spent = time.process_time() - start
        result.raise_error()
        return spent * 1e3

    def share(self, cell: str) -> float:
        """Of one run of a cell: the time in numguard's stages over the rest."""
        self.own.spent = 0.0
        spent = self.run(cell)
        return self.own.spent / (spent - self.own.spent)

    def be(self, mode: str) -> None:
        """plain, checked or watched from here on."""
        self.run("%numguard off" if mode == "plain" else "%numguard on")
        self._session._chronicle = self._chronicle if mode == "watched" else self._nothing
        self.run("z0 = 0")

    def times(
        self, cell: str, rounds: int, modes: tuple[str, ...] = ("plain", "checked", "watched")
    ) -> dict[str, list[float]]:
        """Process times in ms per mode; the rounds take turns."""
        out: dict[str, list[float]] = {m: [] for m in modes}
        for i in range(rounds + 1):
            for mode in modes[i % len(modes) :] + modes[: i % len(modes)]:
                self.be(mode)
                spent = self.run(cell)
                if i:
                    out[mode].append(spent)
        return out


def _more(times: dict[str, list[float]], name: str, base: str) -> float:
    return statistics.median(a - b for a, b in zip(times[name], times[base], strict=True))


def _note(times: dict[str, list[float]]) -> str:
    return ", ".join(f"{mode} {statistics.median(t):.1f} ms" for mode, t in times.items())


def rows(rounds: int) -> Iterator[Row]:
    """All."""
    notebook = Notebook()
    trivial = notebook.times(TRIVIAL, 4 * rounds)
    yield Row("watch, trivial cell", _more(trivial, "watched", "plain"), "ms", "<= 5", _note(trivial))
    train = notebook.times(TRAIN, rounds)
    value = statistics.median(a / b for a, b in zip(train["watched"], train["plain"], strict=True))
    yield Row("watch / plain, 200 training steps", value, bar="<= 1.03", note=_note(train))
    notebook.be("watched")
    shares = [notebook.share(TRAIN) for _ in range(rounds)]
    yield Row("numguard's stages / the rest of 200 training steps", statistics.median(shares), bar="<= 0.03")
    bound = notebook.run(BIG)
    beside = notebook.times(TRIVIAL, 2 * rounds)
    name = "watch, beside 200 MB and 2,000 tensors that the cell cannot reach"
    yield Row(name, _more(beside, "watched", "plain"), "ms", "<= 25", f"{_note(beside)}; binding them {bound:.0f} ms")
    notebook.be("plain")
    plain = notebook.run(f"del big, many\n{BIG}")
    notebook.be("watched")
    notebook.run("del big, many")
    yield Row("watch, binding 200 MB and 2,000 tensors", bound - plain, "ms", note=f"plain {plain:.0f} ms")
    for i in range(1000):
        notebook.run(f"counter = counter + {i}" if i else "counter = 0")
    later = notebook.times(TRIVIAL, 2 * rounds)
    grown = _more(later, "watched", "plain") - _more(trivial, "watched", "plain")
    yield Row("watch, trivial cell, after 1,000 executions more", grown, "ms", "<= 1", _note(later))
    yield from _ipyflow(notebook, rounds)


def _ipyflow(notebook: Notebook, rounds: int) -> Iterator[Row]:
    """The peer, last: it replaces the shell's class."""
    if importlib.util.find_spec("ipyflow") is None:
        print("ipyflow is not installed here: numguard's rows stand without that peer", file=sys.stderr)
        return
    notebook.be("plain")
    cells: dict[str, Callable[[], float]] = {c: lambda c=c: notebook.run(c) for c in (TRIVIAL, TRAIN)}  # type: ignore[misc]
    before = {c: statistics.median(f() for _ in range(rounds)) for c, f in cells.items()}
    notebook.run("%load_ext ipyflow")
    after = {c: statistics.median(f() for _ in range(rounds)) for c, f in cells.items()}
    yield Row("ipyflow, trivial cell", after[TRIVIAL] - before[TRIVIAL], "ms", note=f"plain {before[TRIVIAL]:.1f} ms")
    yield Row("ipyflow / plain, 200 training steps", after[TRAIN] / before[TRAIN], note=f"plain {before[TRAIN]:.0f} ms")


if __name__ == "__main__":
    run(rows)
