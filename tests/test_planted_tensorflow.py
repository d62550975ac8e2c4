"""A fault planted into each operation of a TensorFlow training step, in turn, is told as that operation's.

The step's results are looked at closely only when something non-finite left it, and are worked out once more for that: they must
come out as they were, and a screen that is wrong must tell nothing.
"""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from .test_record_tensorflow import Run  # noqa: E402

_STEP = """import tensorflow as tf
tf.random.set_seed(0)
w, b, u = (tf.Variable(tf.random.normal(s)) for s in ((8, 16), (16,), (16, 3)))
velocity = tf.Variable(tf.zeros((8, 16)))
@tf.custom_gradient
def passes(t, where):
    def gradient(dy):
        at = tf.fill(tf.shape(dy), where)
        return tf.where(at, tf.math.rsqrt(tf.where(at, -1.0, 1.0)), dy), None
    return tf.identity(t), gradient
@tf.function
def step(x, where):
    with tf.GradientTape() as tape:
        h = x @ w + tf.math.log(tf.where(where == 1, -1.0, 1.0))
        h = tf.nn.relu(h + b) * tf.math.sqrt(tf.where(where == 2, -1.0, 1.0))
        h = passes(h, where == 3)
        z = h @ u / tf.where(where == 4, 0.0, 1.0)
        p = tf.nn.log_softmax(z) + tf.math.acos(tf.where(where == 5, 2.0, 1.0))
        loss = -tf.reduce_mean(p[:, 0])
    dw, db, du = tape.gradient(loss, [w, b, u])
    velocity.assign(0.9 * velocity + dw * tf.math.asin(tf.where(where == 6, 2.0, 1.0)))
    w.assign_sub(0.01 * velocity)
    b.assign_sub(0.01 * db * tf.math.atanh(tf.where(where == 7, 2.0, 0.0)))
    u.assign_sub(0.01 * du * tf.math.pow(tf.where(where == 8, -1.0, 1.0), 0.5))
    return loss
"""
_LINES = {1: 14, 2: 15, 3: 9, 4: 17, 5: 18, 6: 21, 7: 23, 8: 24}  # of each place


@pytest.mark.parametrize("place", _LINES)
def test_each_operation_of_a_step_is_named(place: int) -> None:
    """Line and step."""
    run = Run(_STEP, f"for i in range(3):\n    loss = step(tf.ones((5, 8)), tf.constant({place} if i == 2 else 0))")
    told = [e for name in ("w", "b", "u", "loss") for e in run.origins(name)]

    assert {(_LINES[place], 3)} == {(e.backward_site.line if place == 3 else e.site.line, e.occurrence) for e in told}


def test_huge_finite_results_are_no_finding() -> None:
    """A sum over them overflows: the screen that asks for a closer look is wrong, and nothing is told."""
    cell = """import tensorflow as tf
v = tf.Variable(tf.fill([9000], 3e38))
s = tf.Variable(tf.fill([90], 3e38))
@tf.function
def step(x):
    v.assign(v * x)
    s.assign(s * x)
    return s, tf.cast(s, tf.float64) * 1e269"""
    run = Run(cell, "for i in range(3):\n    y = step(tf.constant(1.0))")

    assert [] == run.origins("y") + run.origins("v") + run.origins("s")
    assert not run.log.events
    assert bool(np.isfinite(run.names["v"].numpy()).all())


def test_a_step_of_an_unknown_batch_is_told_too() -> None:
    """Sizes that are not known while the graph is built."""
    cell = """import tensorflow as tf
w = tf.Variable(tf.ones((3, 2)))
@tf.function(input_signature=[tf.TensorSpec((None, 3)), tf.TensorSpec(None)])
def step(x, y):
    h = x @ w
    r = tf.math.log(h)
    w.assign(tf.exp(-r[:1] + [[0.0], [0.0], [0.0]]))
    return tf.reduce_sum(tf.math.sqrt(y))"""
    run = Run(cell, "for i in range(4):\n    out = step(tf.fill((i + 1, 3), float(i < 2)), tf.ones((2, i + 1)))")

    assert (0, 6, "log", "forward", 3) == run.said("w")


@pytest.mark.parametrize("place", [1, 3, 6, 8])
def test_each_operation_of_a_called_function_is_named(place: int) -> None:
    """The step is a function within a function, as in Keras's fit."""
    cell = _STEP + "@tf.function\ndef outer(x, where):\n    return step(x, where) + step(x, 0)\n"
    run = Run(cell, f"for i in range(3):\n    loss = outer(tf.ones((5, 8)), tf.constant({place} if i == 2 else 0))")
    told = [e for name in ("w", "b", "u", "loss") for e in run.origins(name)]

    assert {_LINES[place]} == {e.backward_site.line if place == 3 else e.site.line for e in told}


def test_what_a_called_function_absorbed_is_the_origin_of_its_gradient() -> None:
    """exp overflowed in a called function and `where` hid it from its result; the tape is in the caller: the exp is to blame."""
    cell = """import tensorflow as tf
w = tf.Variable([1.0, 100.0])
@tf.function
def loss_of(x):
    y = tf.exp(w * x)
    return tf.reduce_sum(tf.where(w < 50.0, y, 0.0))
@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = loss_of(x)
    g = tape.gradient(loss, w)
    w.assign_sub(g * 0.0)
    return loss"""
    run = Run(cell, "for i in range(3):\n    loss = step(tf.constant(float(i)))")

    assert (0, 5, "exp", 2) == (*run.place(run.origins("w")[0]), run.origins("w")[0].op, run.origins("w")[0].occurrence)


def test_what_a_function_absorbed_is_the_origin_of_a_gradient_taken_outside() -> None:
    """As above, with the tape in eager code: nothing non-finite leaves the function, only its gradient is lost."""
    cell = """import tensorflow as tf
w = tf.Variable([1.0, 100.0])
@tf.function
def loss_of(x):
    y = tf.exp(w * x)
    return tf.reduce_sum(tf.where(w < 50.0, y, 0.0))"""
    steps = """for i in range(3):
    with tf.GradientTape() as tape:
        loss = loss_of(tf.constant(float(i)))
    g = tape.gradient(loss, w)"""
    run = Run(cell, steps)

    assert (0, 5, "exp", "forward", 2) == run.said("g")
