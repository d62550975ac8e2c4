"""numpy and pandas notebooks with a planted bug, each beside a loop in which the bug shows at a later step."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from .program import Program


def _program(name: str, op: str, *cells: str, variables: str, **more: Any) -> Program:
    """A forward program of numpy; cells are dedented, `variables` are separated by blanks."""
    texts = tuple(dedent(c).strip("\n") for c in cells)
    more.setdefault("phase", "forward")
    more["files"] = {k: dedent(v).lstrip("\n") for k, v in more.get("files", {}).items()}
    return Program(name=name, framework="numpy", op=op, cells=texts, variables=tuple(variables.split()), **more)


_LAYERS = """
    import numpy as np

    def normalise(x):
        centred = x - x.mean()
        scale = np.sqrt((centred ** 2).sum())
        return centred / scale  # origin

    class Head:
        def __init__(self, size):
            self.w = np.ones(size)

        def __call__(self, x):
            return x * self.w
"""
_LOSSES = """
    import numpy as np

    def nll(p, target):
        picked = p[np.arange(len(target)), target]
        return -np.log(picked).mean()  # origin
"""

PROGRAMS: tuple[Program, ...] = (
    # --- one operation in the cell, and the same in a loop -------------------------------------------------------------------
    _program(
        "log_ufunc", "log",
        """
        import numpy as np
        counts = np.array([3.0, 0.0, 7.0])
        freq = counts / counts.sum()
        """,
        """
        surprise = np.log(freq)  # origin
        total = surprise.sum()
        """,
        variables="surprise total",
    ),
    _program(
        "log_ufunc_loop", "log",
        """
        import numpy as np
        survival = np.linspace(1.0, 0.0, 12)
        hazard = 0.0
        for month in range(12):
            alive = survival[month]
            hazard += np.log(alive)  # origin
        """,
        variables="hazard", step=12,
    ),
    _program(
        "log_of_negative_method_chain", "log",
        """
        import numpy as np
        returns = np.array([0.01, -1.4, 0.02])
        growth = np.log(1 + returns).cumsum()  # origin
        """,
        variables="growth",
    ),
    _program(
        "log10_of_negative_loop_in_method", "log10",
        """
        import numpy as np

        class Meter:
            def __init__(self):
                self.level = []

            def read(self, power):
                self.level.append(np.log10(power))  # origin

        meter = Meter()
        """,
        """
        for k, watt in enumerate([8.0, 4.0, 2.0, -1.0, -2.0]):
            meter.read(np.float64(watt))
        """,
        variables="meter", step=4, where="other cell",
    ),
    _program(
        "sqrt_ufunc", "sqrt",
        """
        import numpy as np
        x = np.array([1.0, 2.0, 3.0], dtype=np.float32)
        variance = (x ** 2).mean() - 5.0
        deviation = np.sqrt(variance)  # origin
        """,
        variables="deviation",
    ),
    _program(
        "sqrt_out_loop", "sqrt",
        """
        import numpy as np
        root = np.zeros(4)
        energy = np.full(4, 3.5)
        for i, friction in enumerate([1.0, 1.0, 1.0, 1.0, 1.0]):
            energy = energy - friction
            np.sqrt(energy, out=root)  # origin
        """,
        variables="root", step=4,
    ),
    _program(
        "div_operator_zero_by_zero", "div",
        """
        import numpy as np
        hits = np.array([4, 0, 2])
        shots = np.array([5, 0, 4])
        rate = hits / shots  # origin
        best = rate.max()
        """,
        variables="rate best",
    ),
    _program(
        "div_in_place", "div",
        """
        import numpy as np
        image = np.zeros((8, 8))
        image -= image.min()
        image /= image.max()  # origin
        """,
        variables="image",
    ),
    _program(
        "div_in_place_loop", "div",
        """
        import numpy as np
        frames = [np.arange(6.0), np.arange(6.0) + 1, np.zeros(6), np.ones(6)]
        scaled = []
        for frame in frames:
            image = frame.copy()
            image /= image.max()  # origin
            scaled.append(image)
        """,
        variables="scaled image", step=3,
    ),
    _program(
        "reciprocal_ufunc_out", "div",
        """
        import numpy as np
        distance = np.array([2.0, 0.0, 1.0])
        weight = np.empty_like(distance)
        np.reciprocal(distance, out=weight)  # origin
        """,
        variables="weight",
    ),
    _program(
        "exp_ufunc", "exp",
        """
        import numpy as np
        logits = np.array([12.0, 900.0, 3.0])
        odds = np.exp(logits)  # origin
        p = odds / odds.sum()
        """,
        variables="odds p",
    ),
    _program(
        "exp_ufunc_while", "exp",
        """
        import numpy as np
        x, step = np.full(3, 2.0), 0
        while step < 8:
            x = np.exp(x) - 1  # origin
            step += 1
        """,
        variables="x", step=4,
    ),
    _program(
        "pow_operator", "pow",
        """
        import numpy as np
        principal = np.array([1e120, 2.0])
        area = principal ** 3  # origin
        """,
        variables="area",
    ),
    _program(
        "pow_ufunc_loop", "pow",
        """
        import numpy as np
        y = np.array([3.0, 1.5])
        for n in range(12):
            y = np.power(y, 2.0)  # origin
        """,
        variables="y", step=10,
    ),
    _program(
        "mul_operator_loop_nested", "mul",
        """
        import numpy as np
        gain = np.float32(1.0)
        for epoch in range(4):
            for batch in range(5):
                gain = gain * np.float32(1e3)  # origin
        """,
        variables="gain", step=13,
    ),
    _program(
        "cast_method", "cast",
        """
        import numpy as np
        pixels = np.array([10.0, 70000.0, 3.0], dtype=np.float32)
        half = pixels.astype(np.float16)  # origin
        """,
        variables="half",
    ),
    _program(
        "cast_item_assignment_loop", "cast",
        """
        import numpy as np
        table = np.zeros((6, 2), dtype=np.float16)
        scale = np.array([1.0, 30.0])
        for row in range(6):
            table[row] = scale * 10.0 ** row  # origin
        """,
        variables="table", step=5,
    ),
    _program(
        "sum_method", "sum",
        """
        import numpy as np
        energy = np.full(4, 6e307)
        total = energy.sum()  # origin
        """,
        variables="total",
    ),
    _program(
        "sum_function_float16_loop", "sum",
        """
        import numpy as np
        sizes = [16, 64, 128, 256]
        for n in sizes:
            power = np.full(n, 600.0, dtype=np.float16)
            total = np.sum(power)  # origin
        """,
        variables="total", step=3,
    ),
    _program(
        "mean_of_empty_selection", "mean",
        """
        import numpy as np
        score = np.array([0.2, 0.4, 0.9])
        strong = score[score > 1.0]
        average = strong.mean()  # origin
        """,
        variables="average",
    ),
    _program(
        "mean_function_loop", "mean",
        """
        import numpy as np
        score = np.array([0.2, 0.4, 0.9])
        average = {}
        for threshold in [0.1, 0.3, 0.5, 0.95]:
            average[threshold] = np.mean(score[score > threshold])  # origin
        """,
        variables="average", step=4,
    ),
    _program(
        "std_ddof_of_one", "std",
        """
        import numpy as np
        group = np.array([4.2])
        spread = group.std(ddof=1)  # origin
        """,
        variables="spread",
    ),
    _program(
        "std_function_loop", "std",
        """
        import numpy as np
        groups = [np.array([1.0, 2.0]), np.array([2.0, 4.0, 1.0]), np.array([5.0])]
        spreads = []
        for group in groups:
            spreads.append(np.std(group, ddof=1))  # origin
        """,
        variables="spreads", step=3,
    ),
    _program(
        "acos_ufunc", "acos",
        """
        import numpy as np
        u = np.array([0.6, 0.8000001])
        cosine = (u @ u) / 0.9999
        angle = np.arccos(cosine)  # origin
        """,
        variables="angle",
    ),
    _program(
        "acos_ufunc_loop", "acos",
        """
        import numpy as np
        angles = []
        for i in range(1, 9):
            angles += [np.arccos(np.float64(0.25 * i))]  # origin
        """,
        variables="angles", step=5,
    ),
    _program(
        "exp_then_inf_minus_inf", "exp",
        """
        import numpy as np
        z = np.array([1000.0, 1.0])
        up = np.exp(z)  # origin
        down = np.exp(z)
        gap = up - down
        """,
        variables="up gap",
    ),
    _program(
        "inf_bound_minus_itself", "sub",
        """
        import numpy as np
        bound = np.array([np.inf, 4.0])
        """,
        """
        width = bound - bound  # origin
        """,
        variables="width",
    ),
    _program(
        "matmul_operator_loop", "matmul",
        """
        import numpy as np
        a = np.full((3, 3), 1e60)
        b = np.eye(3)
        for k in range(8):
            b = b @ a  # origin
        """,
        variables="b", step=6,
    ),
    # --- functions of other cells and files ----------------------------------------------------------------------------------
    _program(
        "softmax_function_of_other_cell", "exp",
        """
        import numpy as np

        def softmax(z):
            e = np.exp(z)  # origin
            return e / e.sum(axis=-1, keepdims=True)
        """,
        """
        p = softmax(np.array([[1.0, 2.0], [3.0, 800.0]]))
        """,
        variables="p", where="other cell",
    ),
    _program(
        "softmax_function_of_other_cell_loop", "exp",
        """
        import numpy as np

        def softmax(z):
            e = np.exp(z)  # origin
            return e / e.sum()
        """,
        """
        z = np.array([1.0, 2.0])
        for step in range(20):
            p = softmax(z)
            z = z * 2
        """,
        variables="p", step=10, where="other cell",
    ),
    _program(
        "entropy_class_of_other_cell", "log",
        """
        import numpy as np

        class Entropy:
            def __init__(self, base=2.0):
                self.base = base

            def __call__(self, p):
                bits = np.log(p)  # origin
                return -(p * bits).sum() / np.log(self.base)
        """,
        """
        entropy = Entropy()
        h = entropy(np.array([1.0, 0.0]))
        """,
        variables="h", where="other cell",
    ),
    _program(
        "normalise_in_file", "div",
        """
        import numpy as np
        from numeric_layers import Head, normalise
        """,
        """
        features = normalise(Head(3)(np.full(3, 5.0)))
        """,
        variables="features", where="file", files={"numeric_layers.py": _LAYERS},
    ),
    _program(
        "normalise_in_file_loop", "div",
        """
        import numpy as np
        from numeric_layers import Head, normalise
        head = Head(3)
        """,
        """
        batches = [np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]), np.full(3, 7.0), np.array([2.0, 0.0, 1.0])]
        outputs = []
        for batch in batches:
            outputs.append(normalise(head(batch)))
        """,
        variables="outputs", step=3, where="file", files={"numeric_layers.py": _LAYERS},
    ),
    _program(
        "nll_in_file_loop", "log",
        """
        import numpy as np
        import numeric_losses
        p = np.array([[0.9, 0.1], [0.5, 0.5]])
        """,
        """
        target = np.array([1, 0])
        for step in range(6):
            p = np.clip(p - np.array([0.0, 0.03]), 0.0, 1.0)
            loss = numeric_losses.nll(p, target)
        """,
        variables="loss", step=4, where="file", files={"numeric_losses.py": _LOSSES},
    ),
    _program(
        "nll_in_file", "log",
        """
        import numpy as np
        from numeric_losses import nll
        """,
        """
        loss = nll(np.array([[1.0, 0.0]]), np.array([1]))
        """,
        variables="loss", where="file", files={"numeric_losses.py": _LOSSES},
    ),
    # --- what stands around it ------------------------------------------------------------------------------------------------
    _program(
        "absorbed_by_where_before", "log",
        """
        import numpy as np
        x = np.array([0.0, 1.0, 2.0])
        safe = np.where(x > 0, np.log(x), 0.0)
        kept = np.nan_to_num(np.sqrt(x - 1))
        ratio = 1 / (1 + np.exp(1000 * x))
        score = np.log(ratio)  # origin
        """,
        variables="score",
    ),
    _program(
        "sigmoid_overflows_at_every_step", "sqrt",
        """
        import numpy as np

        def sigmoid(v):
            return 1 / (1 + np.exp(-v))

        def train(steps):
            w = np.array([0.9, 2.0])
            for step in range(steps):
                gate = sigmoid(np.array([-800.0, 1.0]))
                w = w - 0.1 * gate[1]
                loss = np.sqrt(w).sum()  # origin
            return loss
        """,
        """
        loss = train(30)
        """,
        variables="loss", step=13, where="other cell",
    ),
    _program(
        "several_independent", "log",
        """
        import numpy as np
        x = np.array([0.0, 2.0])
        """,
        """
        first = np.log(x)  # origin
        second = np.sqrt(-x - 1)
        """,
        variables="first",
    ),
    _program(
        "nan_before_the_cell", "log",
        """
        import numpy as np
        old = np.sqrt(np.array([-1.0]))
        x = np.array([0.0, 2.0])
        """,
        """
        fresh = np.log(x)  # origin
        """,
        variables="fresh",
    ),
    _program(
        "exception_after", "div",
        """
        import numpy as np
        a = np.ones(3)
        """,
        """
        for divisor in [2.0, 1.0, 0.0]:
            quotient = a / divisor  # origin
        quotient @ np.ones(4)
        """,
        variables="quotient", step=3,
    ),
    _program(
        "ignored_by_errstate", "div",
        """
        import numpy as np
        tp, fp = np.array([3.0, 0.0]), np.array([1.0, 0.0])
        """,
        """
        with np.errstate(all="ignore"):
            precision = tp / (tp + fp)  # origin
        f1 = 2 * precision
        """,
        variables="precision f1",
    ),
    _program(
        "comprehension", "log10",
        """
        import numpy as np
        levels = np.array([3.0, 1.0, 0.0, 2.0])
        """,
        """
        decibel = [20 * np.log10(v) for v in levels]  # origin
        """,
        variables="decibel", step=3,
    ),
    # --- pandas ------------------------------------------------------------------------------------------------------------
    _program(
        "pandas_column_division", "div",
        """
        import pandas as pd
        df = pd.DataFrame({"clicks": [3, 0, 5], "views": [10, 0, 20]})
        """,
        """
        df["ctr"] = df["clicks"] / df["views"]  # origin
        """,
        variables="df",
    ),
    _program(
        "pandas_column_division_loop", "div",
        """
        import pandas as pd
        frames = [pd.DataFrame({"a": [1.0, 2.0], "b": [4.0, k]}) for k in (2.0, 1.0, 0.0)]
        """,
        """
        shares = []
        for frame in frames:
            shares.append(frame["a"] / frame["b"])  # origin
        """,
        variables="shares", step=3,
    ),
    _program(
        "pandas_growth_rate_from_zero", "div",
        """
        import pandas as pd
        prices = pd.DataFrame({"close": [101.0, 0.0, 103.0]})
        """,
        """
        returns = prices["close"].pct_change().dropna()  # origin
        """,
        variables="returns",
    ),
    _program(
        "numpy_log_of_pandas_column", "log",
        """
        import numpy as np
        import pandas as pd
        df = pd.DataFrame({"price": [12.0, 0.0, 3.5]})
        """,
        """
        df["log_price"] = np.log(df["price"])  # origin
        """,
        variables="df",
    ),
    # --- introduced --------------------------------------------------------------------------------------------------------
    _program(
        "nan_literal_in_array", "data",
        """
        import numpy as np
        weights = np.array([0.5, np.nan, 0.2])  # origin
        total = weights.sum()
        """,
        variables="weights total", phase="data", kind="introduced",
    ),
    _program(
        "nan_text_by_loadtxt", "data",
        """
        import io
        import numpy as np
        text = "1.0 2.0\\n3.0 nan\\n"
        table = np.loadtxt(io.StringIO(text))  # origin
        centre = table.mean(axis=0)
        """,
        variables="table centre", phase="data", kind="introduced",
    ),
    _program(
        "none_cast", "data",
        """
        import numpy as np
        answers = [4.0, None, 2.0]
        score = np.array(answers, dtype=float)  # origin
        mean = score.mean()
        """,
        variables="score mean", phase="data", kind="introduced",
    ),
    _program(
        "csv_hole_reaches_numpy", "data",
        """
        import io
        import numpy as np
        import pandas as pd
        csv = "age,income\\n31,2000\\n45,\\n28,1800\\n"
        people = pd.read_csv(io.StringIO(csv))  # origin
        """,
        """
        x = people.to_numpy(dtype=np.float32)
        gram = x.T @ x
        """,
        variables="x gram", phase="data", kind="introduced",
    ),
    # --- no alarm ----------------------------------------------------------------------------------------------------------
    _program(
        "missing_markers_of_loaded_data", "data",
        """
        import io
        import pandas as pd
        people = pd.read_csv(io.StringIO("age,income\\n31,2000\\n45,\\n"))  # origin
        older = people[people["age"] > 30]
        """,
        variables="people", phase="data", kind="introduced", alarms=False,
    ),
    _program(
        "healthy_sigmoid_and_mask", "exp",
        """
        import numpy as np
        best = np.inf
        x = np.array([-900.0, 0.0, 900.0])
        for step in range(5):
            p = 1 / (1 + np.exp(-x))  # origin
            entropy = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0))
            if entropy < best:
                keep = entropy
        """,
        variables="p", alarms=False,
    ),
)  # fmt: skip
