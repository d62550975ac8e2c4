"""What watching costs: cells on a real IPython shell with numguard on and off, in turn."""

from __future__ import annotations

import io
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

from . import programs, tensorflow_programs
from .own_time import OwnTime
from .pairs import Row, run

NAMESPACES = {
    "torch tensors": "for i in range(1000): globals()[f'v{i}'] = torch.randn(8, 8)",
    "numpy arrays": "for i in range(1000): globals()[f'v{i}'] = np.random.randn(8, 8)",
}
_PROGRAMS = {
    **programs.TORCH,
    "numpy MLP": programs.numpy_mlp,
    "TensorFlow eager": tensorflow_programs.eager,  # last: from then on TensorFlow's part is loaded too
    "TensorFlow tf.function": tensorflow_programs.function,
    "Keras fit": lambda: tensorflow_programs.fit(jit_compile=False),
}
TRAIN = "for _ in range({number}): step()"


def rows(rounds: int) -> Iterator[Row]:
    """A trivial cell among 1,000 variables; training cells of about a second."""
    from IPython.core.interactiveshell import InteractiveShell

    own = OwnTime()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False

    def cell(code: str) -> float:
        start = time.process_time()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = shell.run_cell(code, store_history=True)
        spent = time.process_time() - start
        result.raise_error()
        return spent * 1e3

    def pairs(code: str, number: int, reads: str = "True") -> tuple[float, float, float]:
        """(median more in ms, median ratio, median share of numguard's own stages)."""
        more, ratios, shares = [], [], []
        for _ in range(number):
            cell("%numguard off")
            off = cell(code)
            cell("%numguard on")
            cell(
                f"assert {reads}"
            )  # takes in what was done while numguard was off: nobody turns it on before each cell
            own.spent = 0.0
            on = cell(code)
            shares.append(own.spent / (on - own.spent))
            more.append(on - off)
            ratios.append(on / off)
        return statistics.median(more), statistics.median(ratios), statistics.median(shares)

    cell("%load_ext jupyter_numguard")
    cell("import torch, numpy as np\ntorch.set_num_threads(1)")
    for what, code in NAMESPACES.items():
        cell(code)
        more, _, _ = pairs("a = 1 + 1", rounds * 2)
        yield Row(f"a trivial cell, 1,000 unchanged {what}", more, "ms more", "<= 5")
        cell("for i in range(1000): del globals()[f'v{i}']")
    for name, make in _PROGRAMS.items():
        shell.user_ns["step"] = step = make()
        step()
        start = time.process_time()
        step()
        number = math.ceil(1 / max(time.process_time() - start, 1e-4))
        _, ratio, share = pairs(TRAIN.format(number=number), rounds, reads="step")
        yield Row(f"watch / plain, a training cell of a second, {name}", ratio, bar="<= 1.03")
        yield Row(f"numguard's stages / the rest of that cell, {name}", share, bar="<= 0.03")


if __name__ == "__main__":
    run(rows, rounds=5)
