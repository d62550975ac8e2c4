"""Truth programs for TensorFlow and Keras (see `program.py`): each once straight, each once in a loop with a later step."""

from __future__ import annotations

from .keras_programs import KERAS
from .program import Program
from .tensorflow_function_programs import FUNCTIONS

_TF = "import tensorflow as tf"
_KERAS = "import keras\nimport tensorflow as tf"


def _p(name: str, phase: str, op: str, cells: tuple[str, ...], variables: tuple[str, ...], **more: object) -> Program:
    return Program(name, "tensorflow", phase, op, cells, variables, **more)  # type: ignore[arg-type]


# --- custom layers, in other cells and in the traced one -------------------------------------------------------------------
_LOG_LAYER = """class LogLayer(keras.layers.Layer):
    def call(self, x):
        shifted = x - 1.0
        return tf.math.log(shifted)  # origin
model = keras.Sequential([LogLayer()])"""

_NORM_LAYER = """class Unit(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.w = self.add_weight(shape=(3,), initializer="ones", name="w")
    def call(self, x):
        length = tf.norm(self.w * x)  # origin
        return length + 1.0
unit = Unit()
_ = unit(tf.ones([3]))"""

_RATIO = """def ratio(a, b):
    total = a + b
    return a / total  # origin"""

_SHARPEN = """import tensorflow as tf
def sharpen(x, power):
    scaled = x * 2.0
    return tf.pow(scaled, power)  # origin
"""

_ENTROPY = """import tensorflow as tf
def entropy(logits):
    p = tf.nn.softmax(logits)
    return -tf.reduce_sum(p * tf.math.log(p))  # origin
"""

EAGER: tuple[Program, ...] = (
    # --- forward ----------------------------------------------------------------------------------------------------
    _p("log_in_custom_layer", "forward", "log", (_KERAS, _LOG_LAYER, "y = model(tf.ones([2, 3]))\nz = y * 0.5"),
       ("y", "z"), where="layer"),
    _p("log_in_custom_layer_loop", "forward", "log",
       (_KERAS, _LOG_LAYER, "for i in range(50):\n    y = model(tf.ones([1, 2]) * (20.0 - i))"),
       ("y",), step=20, where="layer"),
    _p("division_in_function", "forward", "div",
       (_TF, _RATIO, "x = tf.constant([1.0, 0.0])\nr = ratio(x, -x)\nm = tf.reduce_mean(r)"),
       ("r", "m"), where="other cell"),
    _p("division_in_function_loop", "forward", "div",
       (_TF, _RATIO, "for i in range(6):\n    r = ratio(tf.constant(1.0), tf.constant(float(i) - 6.0))"),
       ("r",), step=6, where="other cell"),
    _p("pow_in_file", "forward", "pow",
       (_TF, "from sharpening import sharpen", "x = sharpen(tf.constant([3.0, 1e20]), 2.0)\ns = tf.reduce_sum(x)"),
       ("x", "s"), where="file", files={"sharpening.py": _SHARPEN}),
    _p("pow_in_file_loop", "forward", "pow",
       (_TF, "from sharpening import sharpen",
        "x = tf.constant(2.0)\nfor _ in range(9):\n    x = sharpen(x, 2.0)"),
       ("x",), step=6, where="file", files={"sharpening.py": _SHARPEN}),
    _p("log_of_softmax_in_file", "forward", "log",
       (_TF, "from entropies import entropy", "h = entropy(tf.constant([[0.0, 200.0]]))"),
       ("h",), where="file", files={"entropies.py": _ENTROPY}),
    _p("log_of_sigmoid", "forward", "log",
       (_TF, "logits = tf.constant([-200.0, 1.0])\np = tf.sigmoid(logits)\nloss = -tf.reduce_mean(tf.math.log(p))  # origin"),
       ("loss",)),
    _p("log_of_sigmoid_loop", "forward", "log",
       (_TF, "logits = tf.constant([-1.0, 1.0])\nfor i in range(12):\n    logits *= 2.0\n"
             "    loss = -tf.reduce_mean(tf.math.log(tf.sigmoid(logits)))  # origin"),
       ("loss",), step=7),
    _p("cast_to_half_overflows", "forward", "cast",
       (_TF, "big = tf.constant([7e4, 1.0])\nhalf = tf.cast(big, tf.float16)  # origin\nback = tf.cast(half, tf.float32)"),
       ("half", "back")),
    _p("cast_to_half_overflows_loop", "forward", "cast",
       (_TF, "x = tf.constant(1.0)\nfor i in range(20):\n    x = x * 10.0\n    half = tf.cast(x, tf.float16)  # origin"),
       ("half",), step=5),
    _p("exp_operator_chain", "forward", "exp",
       (_TF, "a = tf.constant([50.0, 90.0])\nweights = tf.exp(a)  # origin\nshare = weights / tf.reduce_sum(weights)"),
       ("weights", "share")),
    _p("log_in_cond_branch_of_function", "forward", "log",
       (_TF, "@tf.function\ndef safe(x):\n    if tf.reduce_sum(x) > 10.0:\n        return x\n    else:\n"
             "        return tf.math.log(x)  # origin",
        "for i in range(4):\n    y = safe(tf.constant([2.0 - i]))"),
       ("y",), step=3, where="other cell"),
    _p("rsqrt_in_while_of_function", "forward", "rsqrt",
       (_TF, "@tf.function\ndef shrink(x):\n    for _ in tf.range(6):\n        x = x - 1.0\n"
             "        y = tf.math.rsqrt(x)  # origin\n        x = x + y * 0.0\n    return x",
        "v = shrink(tf.constant([3.0]))"),
       ("v",), step=3, where="other cell"),
    _p("softmax_of_fully_masked_row", "forward", "softmax",
       (_TF, "scores = tf.zeros([2, 3])\nmask = tf.constant([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])\n"
             "masked = tf.where(mask > 0, float('-inf'), scores)\nattention = tf.nn.softmax(masked)  # origin"),
       ("attention",)),
    _p("several_independent", "forward", "sqrt",
       (_TF, "a = tf.sqrt(tf.constant(-1.0))  # origin\nb = tf.math.log(tf.constant(0.0))\nc = tf.constant(1.0) / 0.0"),
       ("a",)),
    _p("exception_after", "forward", "asin",
       (_TF, "angle = tf.asin(tf.constant([2.0]))  # origin\nraise RuntimeError('later')"), ("angle",)),
    _p("normalize_zero_vector_method", "forward", "normalize",
       (_TF, "v = tf.zeros([3])\nunit, length = tf.linalg.normalize(v)  # origin\nout = unit * 2.0"), ("unit", "out")),
    # --- backward ---------------------------------------------------------------------------------------------------
    _p("norm_gradient_at_zero_in_layer", "backward", "norm",
       (_KERAS, _NORM_LAYER, "with tf.GradientTape() as tape:\n    loss = unit(tf.zeros([3]))\n"
                             "grad = tape.gradient(loss, unit.w.value)"),
       ("grad",), where="layer"),
    _p("norm_gradient_at_zero_in_layer_loop", "backward", "norm",
       (_KERAS, _NORM_LAYER, "for i in range(5):\n    with tf.GradientTape() as tape:\n"
                             "        loss = unit(tf.ones([3]) * (4.0 - i))\n    grad = tape.gradient(loss, unit.w.value)"),
       ("grad",), step=5, where="layer"),
    _p("where_trap", "backward", "log",
       (_TF, "x = tf.Variable([0.0, 2.0])\nwith tf.GradientTape() as tape:\n    y = tf.math.log(x)  # origin\n"
             "    safe = tf.where(x > 0.0, y, 0.0)\n    loss = tf.reduce_sum(safe)\ng = tape.gradient(loss, x)\n"
             "x.assign_sub(g)\ny = safe = None"),
       ("x", "g")),
    _p("pow_gradient_at_zero_loop", "backward", "pow",
       (_TF, "x = tf.Variable(3.0)\nfor i in range(6):\n    with tf.GradientTape() as tape:\n"
             "        loss = (x - i) ** 0.5  # origin\n    g = tape.gradient(loss, x)\n    if i == 3:\n        break"),
       ("g",), step=4),
    _p("function_step_gradient", "backward", "sqrt",
       (_TF, "w = tf.Variable([1.0])\n@tf.function\ndef step(k):\n    with tf.GradientTape() as tape:\n"
             "        loss = tf.reduce_sum(tf.sqrt(w * k))  # origin\n    g = tape.gradient(loss, w)\n    w.assign_sub(0.0 * g)\n"
             "    return loss",
        "for i in range(6):\n    loss = step(4.0 - tf.cast(i, tf.float32))"),
       ("w", "loss"), step=5, where="other cell"),
    # --- update -----------------------------------------------------------------------------------------------------
    _p("optimizer_overflow", "update", "update",
       (_KERAS, "w = keras.Variable([1.0, 2.0])\nopt = keras.optimizers.SGD(1e30)",
        "grad = tf.constant([1e10, 1.0])\nopt.apply([grad], [w])  # origin"),
       ("w",)),
    _p("optimizer_overflow_loop", "update", "update",
       (_KERAS, "w = keras.Variable([1.0, 2.0])\nopt = keras.optimizers.SGD(1e30)",
        "for i in range(12):\n    grad = tf.constant([10.0, 1.0]) ** float(i)\n    opt.apply([grad], [w])  # origin"),
       ("w",), step=10),
    _p("assign_add_overflow_loop", "update", "update",
       (_TF, "total = tf.Variable(1e38)\nfor _ in range(6):\n    total.assign_add(1e38)  # origin"), ("total",), step=3),
    # --- data, introduced -------------------------------------------------------------------------------------------
    _p("assign_of_nan", "data", "data",
       (_TF, "v = tf.Variable([1.0, 2.0])\nv.assign([1.0, float('nan')])  # origin\nw = v * 2.0"),
       ("v", "w"), kind="introduced"),
    # --- Keras fit --------------------------------------------------------------------------------------------------
    _p("fit_with_own_loss", "forward", "log",
       (_KERAS + "\nimport numpy as np", "def margin_loss(y, p):\n    gap = tf.nn.relu(y - 2.0)\n"
        "    return tf.reduce_mean(tf.math.log(gap) + 0.0 * p)  # origin",
        "model = keras.Sequential([keras.layers.Dense(1)])\nmodel.compile('sgd', margin_loss)\n"
        "y = np.full((8, 1), 3.0, 'float32')\ny[4:] = 1.0\n"
        "history = model.fit(np.ones((8, 2), 'float32'), y, batch_size=2, shuffle=False, verbose=0)"),
       ("model", "history"), step=3, where="other cell"),
    _p("fit_custom_layer_division", "forward", "div",
       (_KERAS + "\nimport numpy as np", "class Mean(keras.layers.Layer):\n    def call(self, x):\n"
        "        return x / tf.reduce_sum(x, axis=-1, keepdims=True)  # origin",
        "model = keras.Sequential([Mean(), keras.layers.Dense(1)])\nmodel.compile('sgd', 'mse', jit_compile=False)\n"
        "x = np.ones((8, 2), 'float32')\nx[6:] = 0\n"
        "history = model.fit(x, np.ones((8, 1), 'float32'), batch_size=2, shuffle=False, verbose=0)"),
       ("model", "history"), step=4, where="layer"),
    _p("builtin_layer_dense_overflow", "forward", "matmul",
       (_KERAS, "layer = keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant(1e30), use_bias=False)",
        "out = tf.ones([1, 2])\nfor i in range(4):\n    out = layer(out)  # origin"),
       ("out",), step=2, where="layer"),
    # --- nothing to say ---------------------------------------------------------------------------------------------
    _p("log_absorbed_by_where", "forward", "log",
       (_TF, "x = tf.constant([0.0, 1.0])\ny = tf.where(x > 0.0, tf.math.log(x), 0.0)  # origin"), (), alarms=False),
    _p("ratio_absorbed_by_nan_to_num", "forward", "div",
       (_TF, "x = tf.constant([0.0, 1.0])\ny = tf.math.multiply_no_nan(x / x, tf.cast(x > 0, tf.float32))  # origin"),
       (), alarms=False),
)  # fmt: skip

PROGRAMS = (*EAGER, *FUNCTIONS, *KERAS)
