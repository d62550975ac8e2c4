"""What a trace costs while TensorFlow trains: eager code, a tf.function, Keras fit; against plain and against TensorFlow's tool.

A traced function is traced once more per cell; that is told beside the ratio, which is of the steps after it.
`tf.debugging.enable_check_numerics` stops at the first non-finite result and cannot be used with XLA.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import median

from . import tensorflow_programs as programs
from .pairs import Row, run

WARM = 2  # pieces before the measured ones: the first one traces
PIECES = 4


@contextmanager
def _checked() -> Iterator[None]:
    import tensorflow as tf

    tf.debugging.enable_check_numerics()
    try:
        yield
    finally:
        tf.debugging.disable_check_numerics()


def _traced() -> AbstractContextManager[object]:
    import jupyter_numguard

    return jupyter_numguard.trace()


def _seconds(
    make: Callable[[], programs.Piece], around: Callable[[], AbstractContextManager[object]]
) -> tuple[float, float]:
    """(process seconds of a piece once it is warm, of the first one)."""
    with around():
        piece = make()
        times = []
        for _ in range(WARM + PIECES):
            start = time.process_time()
            piece()
            times.append(time.process_time() - start)
    return median(times[WARM:]), times[0]


def _rows(name: str, make: Callable[[], programs.Piece], rounds: int, peer: bool = True) -> Iterator[Row]:
    around = {"plain": nullcontext, "trace": _traced, **({"check": _checked} if peer else {})}
    times: dict[str, list[tuple[float, float]]] = {k: [] for k in around}
    for i in range(rounds):
        for k in (list(around) * 2)[i % len(around) :][: len(around)]:
            times[k].append(_seconds(make, around[k]))
    found = {k: median(a[0] / b[0] for a, b in zip(times[k], times["plain"], strict=True)) for k in around}
    first = median(a[1] - b[1] for a, b in zip(times["trace"], times["plain"], strict=True))
    note = f"the first call {first:+.1f} s" + (f"; check_numerics {found['check']:.2f}" if peer else "")
    yield Row(f"trace / plain, TensorFlow {name}", found["trace"], bar="<= 1.5", note=note)
    if peer:
        yield Row(f"trace / check_numerics, TensorFlow {name}", found["trace"] / found["check"], bar="<= 1")


def rows(rounds: int) -> Iterator[Row]:
    """Eager code, tf.function, Keras fit with and without XLA."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    yield from _rows("eager", programs.eager, rounds)
    yield from _rows("tf.function", programs.function, rounds)
    yield from _rows("Keras fit", lambda: programs.fit(False), rounds)
    yield from _rows("Keras fit compiled by XLA", lambda: programs.fit(True), rounds, peer=False)


if __name__ == "__main__":
    run(rows, rounds=3)
