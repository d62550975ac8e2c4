"""Truth programs for Keras: fit, evaluate, predict, with layers, losses, metrics and steps of one's own (see `program.py`)."""

from __future__ import annotations

from .program import Program

_KERAS = "import keras\nimport numpy as np\nimport tensorflow as tf"


def _p(name: str, phase: str, op: str, cells: tuple[str, ...], variables: tuple[str, ...], **more: object) -> Program:
    return Program(name, "tensorflow", phase, op, cells, variables, **{"where": "other cell", **more})  # type: ignore[arg-type]


def _fit(
    rows: int, bad: int, compile_: str, call: str, value: str = "0.0", x: str = "np.ones(({rows}, 2), 'float32')"
) -> str:
    """Compile `model` and train it on batches of two whose input holds one unusual row."""
    return (
        f"model.compile({compile_})\nx = {x.format(rows=rows)}\nx[{bad}] = {value}\ny = np.ones(({rows}, 1), 'float32')\n"
        f"{call}"
    )  # fmt: skip


_CALL = "h = model.fit(x, y, batch_size=2, shuffle=False, verbose=0)"

_LAYER_FILE = """import keras
import tensorflow as tf
class Inverse(keras.layers.Layer):
    def call(self, x):
        total = tf.reduce_sum(x, axis=-1, keepdims=True)
        return x / total  # origin
"""

_GAN = """class Critic(keras.Model):
    def __init__(self):
        super().__init__()
        self.score = keras.layers.Dense(1)
    def call(self, x):
        return self.score(x)
    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            gap = self.score(x) - y
            share = gap / tf.reduce_sum(x)  # origin
            loss = tf.reduce_mean(share ** 2)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss}
model = Critic()"""

_VAE = """class Sampling(keras.layers.Layer):
    def call(self, inputs):
        mean, log_var = inputs
        noise = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(0.5 * log_var) * noise  # origin
a = keras.Input((2,))
mean = keras.layers.Dense(2)(a)
log_var = keras.layers.Dense(2, kernel_initializer="ones")(a)
model = keras.Model(a, keras.layers.Dense(1)(Sampling()([mean, log_var])))"""

_ATTENTION = """class Attend(keras.layers.Layer):
    def call(self, x, mask):
        scores = tf.matmul(x, x, transpose_b=True)
        masked = tf.where(mask[:, None, :], scores, float("-inf"))
        return tf.nn.softmax(masked)  # origin
a, m = keras.Input((3, 2)), keras.Input((3,), dtype="bool")
model = keras.Model([a, m], keras.layers.Dense(1)(keras.layers.Flatten()(Attend()(a, m))))
model.compile("sgd", "mse")"""

_METRIC = """class Share(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="share")
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.all = self.add_weight(name="all", initializer="zeros")
    def update_state(self, y, p, sample_weight=None):
        self.all.assign_add(tf.reduce_sum(tf.cast(p > 1e6, tf.float32)))
    def result(self):
        return self.hits / self.all  # origin
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=[Share()])"""

_OWN_LOSS = """class Ratio(keras.losses.Loss):
    def call(self, y_true, y_pred):
        scale = tf.reduce_mean(y_true)
        return tf.square(y_pred - y_true) / scale  # origin
model = keras.Sequential([keras.layers.Dense(1)])"""

_LOG_LOSS = """def loss_of(y, p):
    q = tf.sigmoid(p)
    return -tf.reduce_mean(tf.math.log(q))  # origin
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])"""

_ROOT_LAYER = """class Root(keras.layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1],), initializer="ones", name="w")
    def call(self, x):
        return tf.sqrt(self.w * x)  # origin
model = keras.Sequential([Root(), keras.layers.Dense(1)])"""

_SQUARE16 = """class Square(keras.layers.Layer):
    def call(self, x):
        return tf.square(x)  # origin
model = keras.Sequential([Square(dtype="float16"), keras.layers.Dense(1)])"""

_CELL = """class Cell(keras.layers.Layer):
    state_size = 2
    def build(self, shape):
        self.built = True
    def call(self, x, states):
        h = states[0] * 1e10  # origin
        return h + x, [h + x]
x = np.ones((4, 9, 2), "float32")
model = keras.Sequential([keras.layers.RNN(Cell()), keras.layers.Dense(1)])
model.compile("sgd", "mse")"""

KERAS: tuple[Program, ...] = (
    _p("adam_without_epsilon", "update", "update",
       (_KERAS, "model = keras.Sequential([keras.layers.Dense(1)])\nmodel.compile(keras.optimizers.Adam(epsilon=0.0), 'mse')\n"
                "x, y = np.zeros((4, 2), 'float32'), np.zeros((4, 1), 'float32')",
        "h = model.fit(x, y, verbose=0)  # origin"), ("model",), where="cell"),
    _p("fit_own_train_step", "forward", "div",
       (_KERAS, _GAN, _fit(8, 4, "keras.optimizers.SGD(0.1)", "x[5] = 0.0\n" + _CALL)), ("model", "h"), step=3, where="layer"),
    _p("fit_own_loss_class", "forward", "div",
       (_KERAS, _OWN_LOSS, "model.compile('adam', Ratio())\nx, y = np.ones((8, 2), 'float32'), np.ones((8, 1), 'float32')\n"
                           "y[6:] = 0.0\n" + _CALL), ("model", "h"), step=4),
    _p("fit_compiled_by_xla", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(10, 4, "keras.optimizers.SGD(1e-6), loss_of, jit_compile=True", _CALL, "-200.0")),
       ("model", "h"), step=3),
    _p("fit_run_eagerly", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(10, 4, "keras.optimizers.SGD(1e-6), loss_of, run_eagerly=True", _CALL, "-200.0")),
       ("model", "h"), step=3),
    _p("fit_several_steps_per_call", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(16, 10, "keras.optimizers.SGD(1e-6), loss_of, steps_per_execution=4, jit_compile=False",
                                _CALL, "-200.0")), ("model", "h"), step=6),
    _p("fit_of_a_dataset", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(8, 3, "keras.optimizers.SGD(1e-6), loss_of", "data = tf.data.Dataset.from_tensor_slices((x, y))"
                                ".batch(2)\nh = model.fit(data, verbose=0)", "-200.0")), ("model", "h"), step=2),
    _p("train_on_batch_loop", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(8, 6, "keras.optimizers.SGD(1e-6), loss_of", "for i in range(4):\n"
                                "    loss = model.train_on_batch(x[2 * i:2 * i + 2], y[:2])", "-200.0")),
       ("model", "loss"), step=4),
    _p("evaluate", "forward", "log",
       (_KERAS, _LOG_LOSS, _fit(6, 5, "'sgd', loss_of", "score = model.evaluate(x, y, batch_size=2, verbose=0)", "-200.0")),
       ("score", "model"), step=3),
    _p("predict_with_layer_of_file", "forward", "div",
       (_KERAS, "from scaling import Inverse\nmodel = keras.Sequential([Inverse()])",
        "x = np.ones((8, 2), 'float32')\nx[5] = 0.0\np = model.predict(x, batch_size=2, verbose=0)"),
       ("p",), step=3, where="file", files={"scaling.py": _LAYER_FILE}),
    _p("fit_sampling_layer", "forward", "exp",
       (_KERAS, _VAE, _fit(8, 7, "'adam', 'mse'", _CALL, "500.0")), ("model", "h"), step=4, where="layer"),
    _p("fit_whole_row_masked", "forward", "softmax",
       (_KERAS, _ATTENTION, "x = np.ones((8, 3, 2), 'float32')\nkeep = np.ones((8, 3), bool)\nkeep[3] = False\n"
                            "h = model.fit([x, keep], np.ones((8, 1)), batch_size=2, shuffle=False, verbose=0)"),
       ("model", "h"), step=2, where="layer"),
    _p("fit_own_metric", "forward", "div",
       (_KERAS, _METRIC, "x, y = np.ones((6, 2), 'float32'), np.ones((6, 1), 'float32')\n" + _CALL), ("h",), where="layer"),
    _p("fit_gradient_of_layer", "backward", "sqrt",
       (_KERAS, _ROOT_LAYER, _fit(8, 5, "keras.optimizers.SGD(1e-6), 'mse'", _CALL)), ("model", "h"), step=3, where="layer"),
    _p("fit_half_precision_layer", "forward", "pow",
       (_KERAS, _SQUARE16, _fit(8, 2, "'sgd', 'mse'", _CALL, "300.0")), ("model", "h"), step=2, where="layer"),
    _p("fit_own_activation", "forward", "log",
       (_KERAS, "def squash(x):\n    shifted = x - 1.0\n    return tf.math.log(shifted)  # origin\n"
                "model = keras.Sequential([keras.layers.Activation(squash), keras.layers.Dense(1)])",
        _fit(8, 3, "'sgd', 'mse'", "x[:] = 2.0\nx[3] = 1.0\n" + _CALL)), ("model", "h"), step=2),
    _p("fit_own_regularizer", "forward", "log",
       (_KERAS, "def sparse(w):\n    return -0.0 * tf.reduce_sum(tf.math.log(tf.abs(w)))  # origin\n"
                "model = keras.Sequential([keras.layers.Dense(1, kernel_initializer='zeros', kernel_regularizer=sparse)])",
        _fit(8, 3, "'sgd', 'mse'", _CALL)), ("model", "h")),
    _p("fit_update_overflows", "update", "update",
       (_KERAS, "model = keras.Sequential([keras.layers.Dense(1, kernel_initializer='ones')])\n"
                "model.compile(keras.optimizers.SGD(3e38), 'mse', jit_compile=False)\n"
                "x, y = np.full((4, 2), 9.0, 'float32'), np.zeros((4, 1), 'float32')",
        "h = model.fit(x, y, batch_size=4, verbose=0)  # origin"), ("model",), where="cell"),
    _p("fit_recurrent_cell", "forward", "mul", (_KERAS, _CELL, "h = model.fit(x, np.ones((4, 1)), verbose=0)"),
       ("model", "h"), step=5, where="layer"),
    _p("fit_nan_in_labels", "data", "data",
       (_KERAS, "model = keras.Sequential([keras.layers.Dense(1)])\nmodel.compile('sgd', 'mse')\nx = np.ones((8, 2), 'float32')",
        "y = np.ones((8, 1), 'float32')\ny[5] = np.nan  # origin\n" + _CALL), ("y",), kind="introduced", where="cell"),
    # --- nothing to say ---------------------------------------------------------------------------------------------
    _p("healthy_fit_with_callbacks", "forward", "log",
       (_KERAS, "keras.utils.set_random_seed(1)\nstop = keras.callbacks.EarlyStopping(patience=1)\n"
                "slow = keras.callbacks.ReduceLROnPlateau()\nx = np.random.rand(32, 4).astype('float32')\n"
                "model = keras.Sequential([keras.layers.Dense(8, activation='relu'), keras.layers.BatchNormalization(),\n"
                "    keras.layers.Dropout(0.5), keras.layers.Dense(3, activation='softmax')])",
        "model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])\nbest = float('inf')\n"
        "h = model.fit(x, np.arange(32) % 3, validation_split=0.25, epochs=2, callbacks=[stop, slow], verbose=0,\n"
        "    class_weight={0: 1.0, 1: 0.0, 2: 2.0})\nbest = min(best, h.history['val_loss'][-1])  # origin"), (), alarms=False),
    _p("healthy_masks_in_recurrent_layers", "forward", "log",
       (_KERAS, "a = keras.Input((5,), dtype='int32')\ne = keras.layers.Embedding(9, 4, mask_zero=True)(a)\n"
                "model = keras.Model(a, keras.layers.Dense(1)(keras.layers.LSTM(3)(e)))",
        "model.compile('adam', 'mse')\nx = np.array([[1, 2, 0, 0, 0], [0, 0, 0, 0, 0]] * 4)\n"
        "h = model.fit(x, np.ones((8, 1)), batch_size=4, verbose=0)  # origin"), (), alarms=False),
    _p("healthy_causal_attention", "forward", "log",
       (_KERAS, "a = keras.Input((5, 4))\nt = keras.layers.MultiHeadAttention(2, 3)(a, a, use_causal_mask=True)\n"
                "model = keras.Model(a, keras.layers.Dense(1)(keras.layers.LayerNormalization()(t)))",
        "model.compile('adam', 'mse')\nbias = tf.where(tf.linalg.band_part(tf.ones((5, 5)), -1, 0) > 0, 0.0, float('-inf'))\n"
        "h = model.fit(np.ones((8, 5, 4), 'float32'), np.ones((8, 5, 1)), batch_size=4, verbose=0)  # origin"),
       (), alarms=False),
    _p("healthy_loss_scaling_skips_a_step", "forward", "log",
       (_KERAS, "keras.utils.set_random_seed(0)\nmodel = keras.Sequential([keras.layers.Dense(8, dtype='mixed_float16'),\n"
                "    keras.layers.Dense(1, dtype='float32')])\n"
                "opt = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-4), initial_scale=2.0**24)",
        "model.compile(opt, 'mse', jit_compile=False)\n"
        "h = model.fit(np.ones((16, 4), 'float32'), np.zeros((16, 1)), batch_size=4, verbose=0)  # origin"),
       (), alarms=False),
)  # fmt: skip
