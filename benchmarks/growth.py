"""How cost and memory grow: with steps, tensors, the size of a tensor, the length of a cell and the cells before it.

Each is measured over several decades. The claim is the exponent of the last decade: 1 is linear, 0 does not grow; the constant
stands beside it. The curves are drawn into out/growth.svg.

Times of cells are what watching adds on a real IPython shell. Memory is the peak of what Python and numpy allocate beyond what
was there before, in a run of its own, for counting it slows; the memory of torch is not seen by it.
"""

from __future__ import annotations

import gc
import io
import math
import pathlib
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from .pairs import Row, run, seconds_each

OUT = pathlib.Path(__file__).parents[1] / "out" / "growth.svg"
FLOOR = 1e-3  # seconds; an exponent between times below it tells of noise


@dataclass(frozen=True)
class Curve:
    """One measured growth.

    Attributes:
        of: What grows: "steps of a traced cell".
        unit: Of the number on the axis.
        points: (how many, seconds, MB at the peak) in increasing order; MB is None where it was not counted.
        bar: For the exponent of time over the last decade.
    """

    of: str
    unit: str
    points: list[tuple[int, float, float | None]] = field(default_factory=list)
    bar: str = "<= 1.1"

    def rows(self) -> Iterator[Row]:
        """The exponent of time and, where it was counted, of memory."""
        (few, first, little), (many, last, much) = self.points[-2:]
        decades = math.log(many / few)
        note = f"{last / many * 1e6:.3g} µs per {self.unit} at {many:,}, {last * 1e3:.3g} ms in all"
        exponent = math.log(max(last, FLOOR) / max(first, FLOOR)) / decades
        yield Row(f"exponent of time, {self.of}", exponent, "", self.bar, note)
        if little is not None and much is not None:
            exponent = math.log(max(much, 1) / max(little, 1)) / decades  # below 1 MB nothing has grown
            yield Row(f"exponent of memory, {self.of}", exponent, "", "<= 1.1", f"{much:.1f} MB at {many:,}")


def _peak(call: Callable[[], object]) -> float:
    """MB that a call allocates at its peak."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _fastest(call: Callable[[], object], rounds: int) -> float:
    """The shortest process time of one call; nothing is run twice that takes seconds."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
        if best > 1:
            break
    return best


def steps(rounds: int) -> Curve:
    """A traced cell of 10 to 10,000 small training steps: what the trace adds."""
    import torch

    import jupyter_numguard

    w, x = torch.ones(8, requires_grad=True), torch.ones(8)

    def train(number: int) -> None:
        for _ in range(number):
            w.grad = None
            (w * x).sum().backward()
            with torch.no_grad():
                w.sub_(w.grad, alpha=1e-6)

    def traced(number: int) -> None:
        with jupyter_numguard.trace():
            train(number)

    curve = Curve("steps of a traced cell", "step")
    traced(10)
    for number in (10, 100, 1000, 10_000):
        more = _fastest(lambda n=number: traced(n), rounds) - _fastest(lambda n=number: train(n), rounds)  # type: ignore[misc]
        memory = _peak(lambda n=number: traced(n))  # type: ignore[misc]
        curve.points.append((number, max(more, 1e-6), memory))
    return curve


def _check(namespace: dict[str, Any]) -> Callable[[], object]:
    from jupyter_numguard.backends import loaded_backends
    from jupyter_numguard.nonfinite import find_nonfinite, probe
    from jupyter_numguard.snapshot import walk

    backends = loaded_backends()
    return lambda: find_nonfinite(probe(walk(namespace, backends)))


def tensors(rounds: int) -> Curve:
    """The check of a namespace of 10 to 10,000 small tensors."""
    import torch

    curve = Curve("tensors", "tensor")
    for number in (10, 100, 1000, 10_000):
        check = _check({f"v{i}": torch.ones(64) for i in range(number)})
        check()
        curve.points.append((number, _fastest(check, rounds), _peak(check)))
    return curve


def sizes(rounds: int) -> Curve:
    """The check of one tensor of 1 KB to 1 GB."""
    import torch

    curve = Curve("size of a tensor", "KB")
    for power in range(0, 21, 5):
        check = _check({"x": torch.ones(256 << power)})
        curve.points.append((1 << power, seconds_each(check, repeats=rounds), _peak(check)))
    return curve


class _Shell:
    """An IPython shell with numguard, whose cells can be timed with and without it."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self.shell: Any = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        self.shell.cache_size = 0
        self.run("%load_ext jupyter_numguard\nimport torch")

    def run(self, cell: str) -> float:
        """Process time of one cell in seconds."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            start = time.process_time()
            result = self.shell.run_cell(cell, store_history=True)
            spent = time.process_time() - start
        result.raise_error()
        return spent

    def more(self, cell: str, rounds: int) -> float:
        """Seconds that watching adds to a cell, the median of pairs."""
        found = []
        for _ in range(rounds):
            self.run("%numguard off")
            off = self.run(cell)
            self.run("%numguard on")
            self.run("z = 1")
            found.append(self.run(cell) - off)
        return max(statistics.median(found), 1e-6)


def lengths(rounds: int) -> Curve:
    """A watched cell of 10 to 1,000 statements."""
    shell, curve = _Shell(), Curve("statements of a watched cell", "statement")
    for number in (10, 100, 1000):
        cell = "\n".join(f"a{i % 50} = {i} + 1" for i in range(number))
        curve.points.append((number, shell.more(cell, min(rounds, 3)), None))
    return curve


def earlier(rounds: int) -> Curve:
    """A trivial watched cell after 10 to 1,000 others; `long_session` goes to 10,000, with memory."""
    shell, curve = _Shell(), Curve("cells before a watched one", "cell", bar="<= 0.2")
    done = 0
    for number in (10, 100, 1000):
        for i in range(done, number):
            shell.run(f"counter = {i}\nvalue_{i % 100} = counter + 1")
        done = number
        curve.points.append((number, shell.more("a = 1 + 1", 3 * rounds), None))
    return curve


def rows(rounds: int) -> Iterator[Row]:
    """All curves, and the drawing of them."""
    import torch

    torch.set_num_threads(1)
    curves = []
    for measure in (steps, tensors, sizes, lengths, earlier):
        curves.append(measure(rounds))
        yield from curves[-1].rows()
    draw(curves)


def draw(curves: list[Curve]) -> None:
    """Time over number, both logarithmic, one panel each; memory dashed, where it was counted."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3.4), layout="constrained")
    for panel, curve in zip(panels, curves, strict=True):
        number = [p[0] for p in curve.points]
        seconds = [p[1] for p in curve.points]
        panel.loglog(number, [s * 1e3 for s in seconds], "o-", color="#1f77b4")
        panel.loglog(number, [seconds[-1] * 1e3 * n / number[-1] for n in number], ":", color="#999999")
        panel.set(title=curve.of, xlabel=f"number ({curve.unit})", ylabel="ms (dotted: linear)")
        if curve.points[-1][2] is not None:
            memory = panel.twinx()
            memory.loglog(number, [max(p[2] or 0, 1e-3) for p in curve.points], "s--", color="#d62728")
            memory.set_ylabel("MB at the peak (dashed)")
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    run(rows, rounds=5)
