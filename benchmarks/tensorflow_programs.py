"""TensorFlow training programs of usual shapes: one call is a piece of training, made in eager code, in a function or in fit."""

from __future__ import annotations

from collections.abc import Callable

Piece = Callable[[], object]
STEPS = 20  # training steps in one piece


def _network() -> object:
    import keras

    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(256, activation="relu") for _ in range(3)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def _batch() -> tuple[object, object]:
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(128, 64)).astype("float32"), rng.integers(0, 10, 128)


def _step() -> Callable[[object, object], object]:
    import keras
    import tensorflow as tf

    model, optimizer = _network(), keras.optimizers.Adam()
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(x: object, y: object) -> object:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))  # type: ignore[operator]
        variables = model.trainable_variables  # type: ignore[attr-defined]
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def eager() -> Piece:
    """Four dense layers, Adam, a gradient tape."""
    import tensorflow as tf

    step = _step()
    x, y = (tf.constant(a) for a in _batch())

    def piece() -> None:
        for _ in range(STEPS // 4):
            step(x, y)

    return piece


def function() -> Piece:
    """The same step in a tf.function."""
    import tensorflow as tf

    step = tf.function(_step())
    x, y = (tf.constant(a) for a in _batch())

    def piece() -> None:
        for _ in range(STEPS):
            step(x, y)

    return piece


def fit(jit_compile: bool) -> Piece:
    """The same network in `Model.fit`, compiled by XLA as Keras does by default, or not."""
    import numpy as np

    model = _network()
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit_compile)  # type: ignore[attr-defined]
    x, y = _batch()
    xs, ys = np.tile(x, (STEPS, 1)), np.tile(y, STEPS)  # type: ignore[arg-type]
    return lambda: model.fit(xs, ys, batch_size=128, verbose=0)  # type: ignore[attr-defined]
