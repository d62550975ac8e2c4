"""What `%%numguard` costs while a cell trains: the whole of it, against plain and against what torch itself offers.

The peers do less: `detect_anomaly` finds NaN in gradients only, `DebugMode` only lists the operations.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import programs
from .pairs import Row, interleaved, ratio, run

STEPS = 20  # in one traced cell


def _repeat(step: programs.Step, number: int) -> None:
    for _ in range(number):
        step()


def torch_rows(rounds: int) -> Iterator[Row]:
    """MLP, CNN and transformer."""
    import torch
    from torch.utils._debug_mode import DebugMode

    import jupyter_numguard

    torch.set_num_threads(1)
    for name, make in programs.TORCH.items():
        step = make()

        def plain(step: programs.Step = step) -> None:
            _repeat(step, STEPS)

        def traced(step: programs.Step = step) -> None:
            with jupyter_numguard.trace():
                _repeat(step, STEPS)

        def anomaly(step: programs.Step = step) -> None:
            with torch.autograd.detect_anomaly(check_nan=True):
                _repeat(step, STEPS)

        def debug(step: programs.Step = step) -> None:
            for _ in range(STEPS):  # one after another: it keeps what it lists
                with DebugMode():
                    step()

        times = interleaved({"plain": plain, "trace": traced, "anomaly": anomaly, "debug": debug}, rounds)
        found = {n: ratio(times, n, "plain") for n in ("trace", "anomaly", "debug")}
        peers = f"detect_anomaly {found['anomaly']:.2f}, DebugMode {found['debug']:.2f}"
        each = min(times["plain"]) / STEPS * 1e3
        yield Row(f"trace / plain, torch {name}", found["trace"], bar="<= 1.25", note=f"{peers}; {each:.1f} ms a step")
        yield Row(f"trace / detect_anomaly, torch {name}", ratio(times, "trace", "anomaly"), bar="<= 1")


def numpy_rows(rounds: int) -> Iterator[Row]:
    """A loop of small operations."""
    import jupyter_numguard

    step = programs.numpy_mlp()

    def traced() -> None:
        with jupyter_numguard.trace():
            _repeat(step, 300)

    times = interleaved({"plain": lambda: _repeat(step, 300), "trace": traced}, rounds)
    yield Row("trace / plain, numpy MLP", ratio(times, "trace", "plain"), bar="<= 1.05")


def rows(rounds: int) -> Iterator[Row]:
    """All."""
    yield from torch_rows(rounds)
    yield from numpy_rows(rounds)


if __name__ == "__main__":
    run(rows)
