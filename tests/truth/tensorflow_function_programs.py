"""Truth programs for `tf.function` in all its forms: branches, loops, calls, gradients, updates (see `program.py`)."""

from __future__ import annotations

from .program import Program

_TF = "import tensorflow as tf"
_KERAS = "import keras\nimport tensorflow as tf"


def _p(name: str, phase: str, op: str, cells: tuple[str, ...], variables: tuple[str, ...], **more: object) -> Program:
    return Program(name, "tensorflow", phase, op, cells, variables, **{"where": "other cell", **more})  # type: ignore[arg-type]


_NESTED = """@tf.function
def inner(x):
    return tf.math.log(x)  # origin
@tf.function
def outer(x):
    y = inner(x - 1.0)
    return tf.reduce_sum(y * 2.0)"""

_HELPER = """import tensorflow as tf
@tf.function
def geometric(a, b):
    product = a * b
    return tf.sqrt(product)  # origin
"""

_PENALTY = """v = tf.Variable([1.0, 1.0])
@tf.function
def penalised(x):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            score = tf.reduce_sum(v * x * x)
        g = inner.gradient(score, x)
        norm = tf.sqrt(tf.reduce_sum(g * g))  # origin
        loss = (norm - 1.0) ** 2
    return outer.gradient(loss, v)"""

_MODULE = """class Scale(tf.Module):
    def __init__(self):
        self.factor = tf.Variable(1.0)
    @tf.function
    def shrink(self, x):
        self.factor.assign_sub(0.25)
        return x / self.factor  # origin
scale = Scale()"""

FUNCTIONS: tuple[Program, ...] = (
    # --- tf.function ------------------------------------------------------------------------------------------------
    _p("nested_functions", "forward", "log", (_TF, _NESTED, "z = outer(tf.constant([1.0, 5.0]))"), ("z",)),
    _p("nested_functions_loop", "forward", "log",
       (_TF, _NESTED, "for i in range(5):\n    z = outer(tf.constant([4.0 - i, 7.0]))"), ("z",), step=4),
    _p("function_in_file", "forward", "sqrt",
       (_TF, "from means import geometric", "m = geometric(tf.constant([2.0]), tf.constant([-2.0]))"),
       ("m",), where="file", files={"means.py": _HELPER}),
    _p("function_in_file_loop", "forward", "sqrt",
       (_TF, "from means import geometric",
        "for i in range(9):\n    m = geometric(tf.constant([2.0]), tf.constant([5.5 - i]))"),
       ("m",), step=7, where="file", files={"means.py": _HELPER}),
    _p("map_fn_in_function", "forward", "div",
       (_TF, "@tf.function\ndef inverses(x):\n    return tf.map_fn(lambda row: 1.0 / row, x)  # origin",
        "r = inverses(tf.constant([1.0, 2.0, 0.0, 4.0]))"), ("r",), step=3),
    _p("scan_in_function", "forward", "exp",
       (_TF, "def grow(state, x):\n    return tf.exp(state) + x  # origin\n"
             "@tf.function\ndef run(x):\n    return tf.scan(grow, x)",
        "s = run(tf.constant([1.0, 1.0, 1.0, 1.0, 1.0]))"), ("s",), step=4),
    _p("while_loop_in_function", "forward", "log",
       (_TF, "def body(i, x):\n    x = x - 1.0\n    y = tf.math.log(x)  # origin\n    return i + 1, x + 0.0 * y\n"
             "@tf.function\ndef run(x):\n    return tf.while_loop(lambda i, x: i < 5, body, [0, x])[1]",
        "v = run(tf.constant(4.0))"), ("v",), step=4),
    _p("switch_case_in_function", "forward", "rsqrt",
       (_TF, "def first(x):\n    return x\ndef second(x):\n    return tf.math.rsqrt(x)  # origin\n"
             "@tf.function\ndef pick(i, x):\n    return tf.switch_case(i, [lambda: first(x), lambda: second(x)])",
        "for i in range(4):\n    y = pick(tf.constant(i % 2), tf.constant(0.0))\n    if i:\n        break"), ("y",)),
    _p("mask_of_a_whole_row_in_function", "forward", "softmax",
       (_TF, "@tf.function\ndef attend(scores, keep):\n    masked = tf.where(keep, scores, float('-inf'))\n"
             "    return tf.nn.softmax(masked)  # origin",
        "for i in range(4):\n    w = attend(tf.ones([2, 3]), tf.constant([[True, True, True], [i < 2, False, False]]))"),
       ("w",), step=3),
    _p("cast_to_half_in_function_loop", "forward", "cast",
       (_TF, "@tf.function\ndef halve(x):\n    big = x * 10.0\n    return tf.cast(big, tf.float16)  # origin",
        "x = tf.constant(1.0)\nfor i in range(8):\n    half = halve(x)\n    x = x * 10.0"), ("half",), step=5),
    _p("method_of_module_loop", "forward", "div",
       (_TF, _MODULE, "for i in range(6):\n    y = scale.shrink(tf.constant(2.0))\n    if i == 3:\n        break"),
       ("y",), step=4, where="layer"),
    _p("function_with_signature", "forward", "pow",
       (_TF, "@tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])\ndef power(x):\n    y = x - 2.0\n"
             "    return {'p': tf.pow(y, 0.5)}  # origin",
        "for n in range(1, 6):\n    out = power(tf.range(6.0 - n, 6.0))"), ("out",), step=5),
    _p("result_in_tuple_loop", "forward", "div",
       (_TF, "@tf.function\ndef both(x):\n    return x, tf.math.reciprocal(x)  # origin",
        "for i in range(5):\n    a, b = both(tf.constant(3.0 - i))\n    if i == 3:\n        break"), ("b",), step=4),
    _p("compiled_by_xla", "forward", "log",
       (_TF, "@tf.function(jit_compile=True)\ndef f(x):\n    y = x * 2.0\n    return tf.math.log(y)  # origin",
        "for i in range(4):\n    y = f(tf.constant([2.0 - i]))\n    if i == 2:\n        break"), ("y",), step=3),
    # --- gradients in functions -------------------------------------------------------------------------------------
    _p("second_gradient_in_function", "backward", "sqrt", (_TF, _PENALTY, "g = penalised(tf.zeros([2]))"), ("g",)),
    _p("second_gradient_in_function_loop", "backward", "sqrt",
       (_TF, _PENALTY, "for i in range(4):\n    g = penalised(tf.ones([2]) * (2.0 - i))\n    if i == 2:\n        break"),
       ("g",), step=3),
    _p("persistent_tape_in_function", "backward", "pow",
       (_TF, "@tf.function\ndef grads(x):\n    with tf.GradientTape(persistent=True) as tape:\n        tape.watch(x)\n"
             "        a = x * 3.0\n        b = tf.pow(x, 0.5)  # origin\n    return tape.gradient(a, x), tape.gradient(b, x)",
        "for i in range(3):\n    first, second = grads(tf.constant([2.0 - i]))"), ("second",), step=3),
    _p("own_gradient_in_function", "backward", "div",
       (_TF, "@tf.custom_gradient\ndef scaled(x):\n    def grad(up):\n        return up / x  # origin\n    return x * 1.0, grad\n"
             "@tf.function\ndef slope(x):\n    with tf.GradientTape() as tape:\n        tape.watch(x)\n        y = scaled(x)\n"
             "    return tape.gradient(y, x)",
        "for i in range(3):\n    g = slope(tf.constant(2.0 - i))"), ("g",), step=3),
    _p("tape_outside_of_function_loop", "backward", "sqrt",
       (_TF, "@tf.function\ndef length(x):\n    total = tf.reduce_sum(x * x)\n    return tf.sqrt(total)  # origin",
        "x = tf.Variable([3.0])\nfor i in range(4):\n    with tf.GradientTape() as tape:\n        y = length(x)\n"
        "    g = tape.gradient(y, x)\n    x.assign_sub([1.0])"), ("g",), step=4),
    _p("gradient_of_inner_function", "backward", "sqrt",
       (_TF, "w = tf.Variable(2.0)\n@tf.function\ndef inner(x):\n    d = x - 1.0\n    return tf.sqrt(d)  # origin\n"
             "@tf.function\ndef outer(k):\n    with tf.GradientTape() as tape:\n        loss = inner(w * k)\n"
             "    return tape.gradient(loss, w)", "for k in (2.0, 1.0, 0.5):\n    g = outer(tf.constant(k))"), ("g",), step=3),
    _p("gradient_in_loop_body", "backward", "sqrt",
       (_TF, "w = tf.Variable(4.0)\n@tf.function\ndef train(n):\n    for i in tf.range(n):\n"
             "        with tf.GradientTape() as tape:\n            d = w - 1.0\n            loss = tf.sqrt(d)  # origin\n"
             "        g = tape.gradient(loss, w)\n        w.assign_sub(tf.cast(i < 1, tf.float32) * 3.0 + 0.0 * g)",
        "train(tf.constant(5))"), ("w",), step=2),
    _p("branch_in_loop_with_gradient", "forward", "exp",
       (_TF, "w = tf.Variable(2.0)\n@tf.function\ndef step(n):\n    with tf.GradientTape() as tape:\n        s = w\n"
             "        for i in tf.range(n):\n            if i % 2 == 0:\n                s = s * s\n            else:\n"
             "                s = tf.exp(s)  # origin\n        loss = s\n    w.assign_sub(0.0 * tape.gradient(loss, w))\n"
             "    return loss", "for n in range(1, 6):\n    loss = step(tf.constant(n))\n    if n == 4:\n        break"),
       ("loss", "w"), step=4),
    # --- updates in functions ---------------------------------------------------------------------------------------
    _p("optimizer_in_function_loop", "update", "update",
       (_KERAS, "w = keras.Variable([1.0])\nopt = keras.optimizers.SGD(1e30)\nopt.build([w])\n@tf.function\ndef step(g):\n"
                "    opt.apply([g], [w])  # origin", "for i in range(12):\n    step(tf.constant([10.0]) ** float(i))"),
       ("w",), step=10),
    _p("assigned_sum_in_function_loop", "forward", "add",
       (_TF, "total = tf.Variable(1e38)\n@tf.function\ndef more(x):\n    total.assign(total + x)  # origin",
        "for _ in range(6):\n    more(tf.constant(1e38))"), ("total",), step=3),
    # --- nothing to say -------------------------------------------------------------------------------------------------
    _p("healthy_safe_logarithm_in_function", "forward", "log",
       (_TF, "@tf.function\ndef entropy(p):\n    safe = tf.where(p > 0.0, p, 1.0)\n"
             "    return -tf.reduce_sum(p * tf.math.log(safe))  # origin",
        "for _ in range(3):\n    h = entropy(tf.constant([0.0, 1.0]))"), (), alarms=False),
    _p("healthy_second_gradient_through_a_loop", "forward", "log",
       (_TF, "w = tf.Variable(0.5)\n@tf.function\ndef f(x):\n    with tf.GradientTape() as outer:\n"
             "        with tf.GradientTape() as inner:\n            s = x\n            for _ in tf.range(3):\n"
             "                s = s * w\n"
             "            loss = tf.reduce_sum(s)\n        g = inner.gradient(loss, w)\n    return outer.gradient(g, w)",
        "h = f(tf.constant([1.0, 2.0]))  # origin"), (), alarms=False),
    _p("healthy_maximum_from_minus_infinity", "forward", "log",
       (_TF, "@tf.function\ndef running(x):\n    best = tf.constant(float('-inf'))\n    for i in tf.range(3):\n"
             "        best = tf.maximum(best, x[i])  # origin\n    return best", "m = running(tf.constant([1.0, 3.0, 2.0]))"),
       (), alarms=False),
)  # fmt: skip
