"""How results are looked at inside of TensorFlow graphs: exact for each dtype and size, and what needs no look."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import jupyter_numguard  # noqa: E402
from jupyter_numguard.backends.tensorflow.looks import SMALL, Look, look_at, pack, table  # noqa: E402

DTYPES = [tf.float16, tf.bfloat16, tf.float32, tf.float64]
SIZES = [None, 1, 7, SMALL, SMALL + 1, 5 * SMALL + 3]  # None: a scalar


def _values(size: int | None, place: int, value: float, background: float = 1.0) -> np.ndarray:
    a = np.full(size or 1, background, np.float64)
    a[place] = value
    return a if size else a.reshape(())


def _table(*looks: Look | None) -> tf.Tensor:
    return table(pack({i: look for i, look in enumerate(looks) if look is not None}))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_one_non_finite_element_is_found_and_its_kind_told(dtype: tf.DType) -> None:
    """NaN, +Inf, -Inf, and both, at the first, a middle and the last place of each size, beside finite ones."""
    cases = [("finite", _values(s, 0, v)) for s in SIZES for v in (0.0, -0.0, float(dtype.max), -float(dtype.max))]
    for size in SIZES:
        for place in {0, (size or 1) // 2, (size or 1) - 1}:
            cases += [("nan", _values(size, place, np.nan)), ("inf", _values(size, place, np.inf))]
            cases += [("inf", _values(size, place, -np.inf))]
    huge = [("finite", np.full(SMALL + 9, float(dtype.max)))]  # their sum is not finite

    @tf.function(autograph=False)
    def looked_at(*tensors: tf.Tensor) -> tf.Tensor:
        return _table(*(look_at(t, is_xla=False, is_wide=True, on_host=True) for t in tensors))

    told = looked_at(*(tf.constant(a, dtype) for _, a in cases + huge)).numpy()

    assert [tuple(row) for row in told] == [(k == "nan", k == "inf") for k, _ in cases + huge]


def test_a_bit_counts_as_inf_and_keeps_its_row_among_the_others() -> None:
    """Looks of different kinds come back in the order in which they were put in."""

    @tf.function(autograph=False)
    def looked_at(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        looks = [
            look_at(a, is_xla=False, is_wide=False, on_host=True),
            look_at(b, is_xla=False, is_wide=True, on_host=True),
        ]
        return _table(*looks, look_at(c, is_xla=True, is_wide=True, on_host=True))

    nan = tf.constant([np.nan, 1.0])

    assert looked_at(nan, tf.constant(np.inf), nan).numpy().tolist() == [[False, True], [False, True], [True, False]]


@pytest.mark.parametrize(
    ("body", "op"),
    [
        (lambda x: tf.sqrt(x * 0.5) + 1e-7, "sqrt"),
        (lambda x: tf.math.log(x + 1.0) / 2.0, "log"),
        (lambda x: tf.exp((1.0 - x) * 100.0), "exp"),
        (lambda x: (x * -1e38) * 2.0, "mul"),
        (lambda x: (x * 1e38) / 0.5, "div"),
        (lambda x: (x * 8e37) + 3e38, "add"),
        (lambda x: (tf.abs(x) - 3.0) * (1.0 / (tf.abs(x) - 3.0)), "div"),
    ],
)
def test_only_a_constant_that_cannot_make_a_non_finite_value_goes_unseen(body: object, op: str) -> None:
    """Scaling down and small shifts are not looked at: their neighbours are named; larger constants are looked at."""
    step = tf.function(body, autograph=False)
    with jupyter_numguard.trace() as report:
        result = step(tf.constant([-3.0, 2.5]))

    assert not np.isfinite(result.numpy()).all()
    assert report.findings[0].origin.op == op
