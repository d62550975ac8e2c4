"""Checking TensorFlow tensors and finding them inside of Keras objects: exact, and never a claim about what was not read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from jupyter_numguard.backends.keras import KerasBackend  # noqa: E402 after the frameworks were found
from jupyter_numguard.backends.tensorflow import TensorFlowBackend, private  # noqa: E402
from jupyter_numguard.backends.tensorflow import flags as device_flags  # noqa: E402

BACKEND = TensorFlowBackend()
FLOATS = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128", "float8_e5m2"]


def _flags(*tensors: Any) -> list[bool | None]:
    probe = BACKEND.probe(tensors)
    BACKEND.read([probe])
    return probe.flags


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("special", ["nan", "inf", "-inf"])
def test_one_nonfinite_element_is_found_in_every_float_dtype(dtype: str, special: str) -> None:
    """A single NaN, +Inf or -Inf among finite values flags the tensor; the same tensor without it is finite."""
    values = np.linspace(-3, 3, 300).reshape(3, 100)
    clean = tf.cast(tf.constant(values), dtype)
    values[1, 42] = float(special)
    dirty = tf.cast(tf.constant(values), dtype)

    assert [False, True] == _flags(clean, dirty)
    counts, index = BACKEND.count(dirty)
    assert (300, 1, (1, 42)) == (counts.size, counts.num_nonfinite, index)
    assert {"nan": counts.nan, "inf": counts.posinf, "-inf": counts.neginf}[special] == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_largest_finite_numbers_are_finite(dtype: str) -> None:
    """Neither a sum that overflows nor a subnormal makes a tensor non-finite."""
    largest = float(tf.as_dtype(dtype).max)
    tensor = tf.cast(tf.constant([largest, largest, -largest, 0.0], tf.float64), dtype)

    assert [False] == _flags(tensor)


def test_what_cannot_hold_a_nan_is_finite() -> None:
    """Integers, booleans and strings are checked, and finite; so is an empty tensor."""
    tensors = [tf.constant([1]), tf.constant([True]), tf.constant(["nan"]), tf.zeros([0, 3])]

    assert [None] * 4 == [BACKEND.why_unchecked(t) for t in tensors]
    assert [False] * 4 == _flags(*tensors)


def test_variables_slices_sparse_and_ragged_tensors_are_looked_into() -> None:
    """Each kind of tensor is checked through the values that it stores, and its index is the user's."""
    nan = float("nan")
    kinds = [
        tf.Variable([1.0, nan]),
        tf.IndexedSlices(tf.constant([[nan]]), tf.constant([3])),
        tf.SparseTensor([[0, 1], [2, 2]], [1.0, nan], [3, 3]),
        tf.ragged.constant([[1.0], [2.0, nan]]),
    ]

    assert all(BACKEND.owns(k) for k in kinds)
    assert [True] * 4 == _flags(*kinds)
    assert (2, 2) == BACKEND.count(kinds[2])[1]


def test_variables_of_any_dtype_and_shape_are_read_together() -> None:
    """Their flags stay in order, between tensors that are no variables and integers that cannot be non-finite."""
    nan = float("nan")
    mixed = [
        tf.Variable([[1.0, nan]]), tf.Variable(3), tf.constant([nan]), tf.Variable(1.0, dtype=tf.float64),
        tf.Variable([nan, 1.0], dtype=tf.bfloat16), tf.Variable([1.0], shape=tf.TensorShape(None)),
    ]  # fmt: skip

    assert [True, False, True, False, True, False] == _flags(*mixed)
    assert [8, 0, 4, 8, 4, 4] == [BACKEND.nbytes(t) for t in mixed]


def test_variables_that_cannot_be_read_together_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without that operation, or one of them that holds nothing."""

    def refuse(op: str, *_: Any) -> None:
        raise tf.errors.NotFoundError(None, None, f"no {op}")

    monkeypatch.setattr(private, "run_ops", refuse)

    assert [True, False] == _flags(tf.Variable([float("inf")]), tf.Variable([2.0]))


def test_what_has_no_data_is_not_called_finite() -> None:
    """Symbolic and opaque tensors are named as unchecked, with the reason."""
    reasons: list[str | None] = []

    @tf.function
    def trace(x: Any) -> Any:
        reasons.append(BACKEND.why_unchecked(x))
        return x

    trace(tf.constant(1.0))
    variant = tf.raw_ops.OptionalFromValue(components=[tf.constant(1.0)])

    assert ["symbolic: no data"] == reasons[:1]
    assert "variant: its contents are opaque" == BACKEND.why_unchecked(variant)


def test_a_variable_is_known_by_its_handle_and_its_change_is_noticed() -> None:
    """Two names of one variable have one key; assignments of either kind change the fingerprint."""
    variable = tf.Variable([1.0, 2.0])
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    before = BACKEND.fingerprint(variable)
    variable.assign_add([1.0, 0.0])
    between = BACKEND.fingerprint(variable)
    variable.assign([5.0, 5.0])

    assert BACKEND.key(layer.kernel.value) == BACKEND.key(layer.trainable_variables[0].value)
    assert 3 == len({before, between, BACKEND.fingerprint(variable)})
    assert ("tfvar", variable.handle._id) == BACKEND.key(variable)


def test_a_scalar_variable_that_nobody_changed_is_the_same() -> None:
    """A step counter is read into another place each time."""
    counter = tf.Variable(3, dtype=tf.int64)
    looks, elsewhere = [], []
    for i in range(20):
        looks.append(BACKEND.shots([counter, tf.Variable([1.0])], 1_000)[0])
        elsewhere += [np.asarray(np.int64(i)) for _ in range(10)]  # takes the place that the last read was in
    counter.assign_add(1)

    assert 1 == len(set(looks))
    assert looks[0] != BACKEND.shots([counter], 1_000)[0]


def test_a_check_is_seen_by_no_tape_and_no_callback() -> None:
    """Reading a variable for a check records no gradient and fires no user's operation callback."""
    from tensorflow.python.framework import op_callbacks

    seen: list[str] = []

    def callback(op_type: Any, *_: Any, **__: Any) -> None:
        seen.append(str(op_type))

    variable, other = tf.Variable([1.0, float("nan")]), tf.Variable([2.0])
    op_callbacks.add_op_callback(callback)
    try:
        with tf.GradientTape() as tape:
            flags = _flags(variable, other)
            BACKEND.shots([variable, other], 1_000)
            BACKEND.count(variable)
            BACKEND.summarize(variable)
        watched = tape.watched_variables()
    finally:
        op_callbacks.remove_op_callback(callback)

    assert ([True, False], [], ()) == (flags, seen, watched)


def test_statistics_are_those_of_the_finite_values() -> None:
    """Extremes, zeros and exponents leave non-finite values out; counts tell them."""
    summary = BACKEND.summarize(tf.constant([0.0, -4.0, 3.0, float("nan"), float("-inf")]), "x")

    assert ("x", -4.0, 3.0, 4.0, 1, 1, 0, 1) == (
        summary.variable, summary.min, summary.max, summary.absmax, summary.zeros, summary.nan, summary.posinf, summary.neginf,
    )  # fmt: skip
    assert summary.exponents is not None
    assert (1, (1, 1)) == (summary.exponents.first, summary.exponents.counts)


def test_a_sample_is_a_private_copy_and_bounded() -> None:
    """The copy does not follow the variable; what does not fit is not copied."""
    variable = tf.Variable([1.0, 2.0])
    sample = BACKEND.copy_sample(variable, 1024)
    variable.assign([9.0, 9.0])

    assert [1.0, 2.0] == sample.numpy().tolist()
    assert BACKEND.copy_sample(tf.zeros([1000]), 1024) is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_flags_made_on_the_device_agree_with_those_of_the_host(dtype: str) -> None:
    """The reduction that runs where the tensor lies gives the same exact answer; many travel in one table."""
    special = [float("nan"), float("inf"), float("-inf"), 1.0]
    tensors = [tf.cast(tf.constant([1.0, s], tf.float64), dtype) for s in special]
    table = device_flags.summarize_on_device(tensors)

    assert (4, 3) == tuple(table.shape)
    assert [True, True, True, False] == (table.numpy() != 0).any(axis=1).tolist()


# --- Keras -------------------------------------------------------------------------------------------------------------
def _paths(path: str, value: object) -> dict[str, Any]:
    """Every tensor reachable through Keras's containers, by path."""
    if BACKEND.owns(value):
        return {path: value}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in _paths(f"{path}[{i}]", x).items()}
    found: dict[str, Any] = {}
    for suffix, child in KerasBackend().children(value) or ():
        found.update(_paths(path + suffix, child))
    return found


class _Encoder(keras.Model):  # type: ignore[misc]
    """A model as users write them: lists, plain tensors, weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [keras.layers.Dense(2), keras.layers.Dense(1)]
        self.scale = self.add_weight(shape=(2,), name="scale")
        self.last = tf.ones([2])

    def call(self, x: Any) -> Any:
        return self.blocks[1](self.blocks[0](x) * self.scale)


def test_every_path_into_a_keras_object_is_what_the_user_would_type() -> None:
    """Evaluating each path gives that variable, in sequential, functional and subclassed models and their optimizers."""
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    sequential.compile("adam", "mse")
    sequential.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    inputs = keras.Input((3,))
    functional = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    subclassed = _Encoder()
    subclassed(tf.ones([1, 3]))
    names = {"sequential": sequential, "functional": functional, "subclassed": subclassed}

    for name, model in names.items():
        found = _paths(name, model)
        for path, tensor in found.items():
            typed = eval(path, {}, names)
            assert BACKEND.key(getattr(typed, "value", typed)) == BACKEND.key(tensor), path
        weights = {BACKEND.key(w.value) for w in model.weights}
        assert weights <= {BACKEND.key(t) for t in found.values()}
    assert "sequential.layers[0].kernel" in _paths("sequential", sequential)
    assert "sequential.optimizer.variables[3]" in _paths("sequential", sequential)
    assert {"subclassed.blocks[0].kernel", "subclassed.last"} <= set(_paths("subclassed", subclassed))


def test_no_attribute_of_the_users_layer_is_taken_for_bookkeeping() -> None:
    """Also one that is named as something of Keras's own elsewhere."""

    class Mine(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.tracker, self.scale = np.zeros(2), np.ones(2)

    assert {"tracker", "scale"}.isdisjoint(KerasBackend().bookkeeping(Mine()))
