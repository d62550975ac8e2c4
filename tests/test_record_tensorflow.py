"""Recording TensorFlow: the right line, operation, phase and step, whatever the program; and nothing left behind."""

from __future__ import annotations

import gc
import linecache
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from jupyter_numguard.backends.keras import KerasBackend  # noqa: E402 after the frameworks were found
from jupyter_numguard.backends.tensorflow import TensorFlowBackend, private  # noqa: E402
from jupyter_numguard.errors import NonFiniteError  # noqa: E402
from jupyter_numguard.opevents import OpEvent  # noqa: E402
from jupyter_numguard.oplog import OpLog  # noqa: E402

from .truth.program import Program  # noqa: E402
from .truth.tensorflow_programs import EAGER  # noqa: E402

BACKEND = TensorFlowBackend()
_count = 0


class Run:
    """Cells that were run one after the other, the last one traced."""

    def __init__(self, *cells: str, stop: bool = False) -> None:
        global _count
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.log = OpLog(stop=stop)
        self.error: BaseException | None = None
        self.files: list[str] = []
        for i, cell in enumerate(cells):
            _count += 1
            file = f"<ipython-input-{_count}-numguard>"
            self.files.append(file)
            linecache.cache[file] = (len(cell), None, [line + "\n" for line in cell.split("\n")], file)
            code = compile(cell, file, "exec")
            if i < len(cells) - 1:
                exec(code, self.names)
                continue
            recording = BACKEND.intercept(self.log)
            assert recording is not None
            recording.__enter__()
            try:
                exec(code, self.names)
            except Exception as error:
                self.error = error
            finally:
                recording.__exit__(None, None, None)

    def origins(self, name: str) -> list[OpEvent]:
        """The first cause of each tensor reachable from a variable."""
        found = []
        for tensor in _tensors(self.names[name]):
            event = self.log.event_of(BACKEND.key(tensor))
            ancestry: list[OpEvent] = []
            todo = [event] if event is not None else []
            while todo:
                e = todo.pop()
                if e not in ancestry:
                    ancestry.append(e)
                    todo += e.parents
            causes = [e for e in ancestry if e.kind in ("created", "written")]
            if causes:
                found.append(min(causes, key=lambda e: (e.kind != "created", e.order)))
        return found

    def place(self, event: OpEvent) -> tuple[int | str, int]:
        """(index of the cell or file name, line)."""
        assert event.site is not None
        file = event.site.file
        return (self.files.index(file) if file in self.files else Path(file).name), event.site.line

    def said(self, name: str) -> tuple[Any, ...]:
        """(cell, line, op, phase, step) of the variable's origin."""
        event = self.origins(name)[0]
        return (*self.place(event), event.op, event.phase, event.occurrence)


def _tensors(value: object) -> Iterator[Any]:
    if BACKEND.owns(value):
        yield value
        return
    for _, child in KerasBackend().children(value) or ():
        yield from _tensors(child)


@pytest.mark.parametrize("program", EAGER, ids=lambda p: p.name)
def test_the_origin_of_every_truth_program(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line, operation, phase and step of the first creation are the program's, through layers, files and functions."""
    for name, text in program.files.items():
        (tmp_path / name).write_text(text)
        sys.modules.pop(Path(name).stem, None)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = Run(*program.cells)

    expected = (*program.place(), program.op, program.phase, program.step)
    said = [(*run.place(e), e.op, e.phase, e.occurrence) for name in program.variables for e in run.origins(name)]
    if program.alarms:
        assert expected in said
    else:
        assert all(np.isfinite(v.numpy()).all() for v in [run.names["y"]])


# --- eager -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [1, 7, 50])
def test_the_step_is_how_often_the_line_ran_whatever_it_does_inside(step: int) -> None:
    """A line that runs a whole model, with the same operation many times per execution, counts once per execution."""
    model = "m = keras.Sequential([keras.layers.Dense(3) for _ in range(4)])\n_ = m(tf.ones([1, 3]))"
    loop = (
        f"for i in range(50):\n    y = tf.math.log(1e-3 * m(x)[0, 0] ** 2 * float({step - 1} - i) + 0.0 * m(x)[0, 0])"
    )
    run = Run("import keras\nimport tensorflow as tf", model, "x = tf.ones([1, 3])\n" + loop)

    assert (2, 3, "log", "forward", step) == run.said("y")


def test_a_composite_in_a_loop_tells_the_step() -> None:
    """`for step in range(50)` over one line that calls a Keras layer gives the step at which the layer overflowed."""
    run = Run(
        "import keras\nimport tensorflow as tf",
        "layers = keras.Sequential([keras.layers.Dense(2, kernel_initializer='ones') for _ in range(3)])\nx = tf.ones([1, 2])",
        "for step in range(50):\n    y = layers(x * 10.0 ** float(step))",
    )

    assert (2, 2, "matmul", "forward", 39) == run.said("y")


def test_a_loss_that_was_lost_before_is_the_origin_of_its_gradient() -> None:
    """The gradient of a non-finite loss is told as the loss's own forward line, even of a variable that had no part in it."""
    cell = """w = tf.Variable(1000.0)
u = tf.Variable(0.0)
with tf.GradientTape() as t:
    big = tf.exp(w)
    loss = big + tf.sqrt(u)
g = t.gradient(loss, u)"""
    run = Run("import tensorflow as tf", cell)

    assert (1, 4, "exp", "forward", 1) == run.said("g")


def test_an_overflow_that_is_used_by_the_gradient_is_its_origin() -> None:
    """exp overflowed, `where` hid it from the loss, its gradient is 0 times Inf: the exp is to blame."""
    run = Run("import tensorflow as tf", "x = tf.Variable([1000.0, 1.0])\nwith tf.GradientTape() as t:\n"
              "    e = tf.exp(x)\n    loss = tf.reduce_sum(tf.where(x > 100.0, 0.0, e))\ng = t.gradient(loss, x)")  # fmt: skip

    assert (1, 3, "exp", "forward", 1) == run.said("g")


def test_the_operands_of_a_gradient_are_those_of_the_forward_operation() -> None:
    """Even where the tape keeps the result only (sqrt), the operand's zeros are told."""
    run = Run("import tensorflow as tf", "x = tf.Variable([0.0, 4.0])\nwith tf.GradientTape() as t:\n"
              "    loss = tf.reduce_sum(tf.sqrt(x))\ng = t.gradient(loss, x)")  # fmt: skip
    event = run.origins("g")[0]

    assert ("sqrt", "backward", 4) == (event.op, event.phase, event.backward_site and event.backward_site.line)
    assert [(1, 0.0, 4.0)] == [(o.zeros, o.min, o.max) for o in event.operands]


def test_users_own_gradient_function_is_named_by_its_own_line() -> None:
    """In a custom gradient the line inside of it is to blame."""
    run = Run(
        "import tensorflow as tf\n@tf.custom_gradient\ndef f(x):\n    def grad(up):\n        return up / 0.0\n"
        "    return x * 1.0, grad",
        "x = tf.Variable(1.0)\nwith tf.GradientTape() as t:\n    y = f(x)\ng = t.gradient(y, x)",
    )

    assert (0, 5, "div", "backward", 1) == run.said("g")


def test_values_that_leave_tensorflow_lead_back() -> None:
    """float(t), f-strings and .numpy() of a non-finite tensor are escapes; the ndarray's memory is known."""
    run = Run(
        "import tensorflow as tf", "t = tf.math.log(tf.constant([0.0]))\na = t.numpy()\nf = float(t[0])\ns = f'{t[0]}'"
    )
    address = run.names["a"].__array_interface__["data"][0]

    assert "log" == run.log.event_of(("mem", "cpu", address)).op  # type: ignore[union-attr]
    assert 3 <= len(run.log.escaped)


def test_stop_raises_at_the_operation() -> None:
    """With `stop`, the cell ends at the first creation."""
    run = Run("import tensorflow as tf", "y = tf.math.log(tf.constant(0.0))\ndone = True", stop=True)

    assert isinstance(run.error, NonFiniteError)
    assert "done" not in run.names


def test_a_cell_goes_on_when_the_recorder_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of our own ends the recording, says so, and is not the user's."""
    from jupyter_numguard.backends.tensorflow import eager

    monkeypatch.setattr(eager.EagerRecorder, "on_op", lambda *_: 1 / 0)
    run = Run("import tensorflow as tf", "y = tf.math.log(tf.constant(2.0))\ndone = True")

    assert run.error is None
    assert run.names["done"]
    assert ["TensorFlow operations"] == [n.what for n in run.log.not_traced]


# --- graphs ------------------------------------------------------------------------------------------------------------
_FUNCTIONS = """import tensorflow as tf
traces = []
@tf.function
def logs(x):
    traces.append("logs")
    return tf.math.log(x)
@tf.function
def divides(x):
    return 1.0 / x
@tf.function(jit_compile=True)
def compiled(x):
    return tf.reduce_sum(tf.where(x > 0.0, tf.sqrt(x), 0.0))
"""


def test_a_function_traced_before_is_seen_and_stays_as_it_was() -> None:
    """The user's trace cache is untouched, and the extra trace's side effects are told once."""
    run = Run(_FUNCTIONS + "_ = logs(tf.constant(1.0))", "count = logs.experimental_get_tracing_count()\nfor i in range(3):\n"
              "    y = logs(tf.constant(2.0 - i))\nsame = logs.experimental_get_tracing_count() == count")  # fmt: skip

    assert (0, 6, "log", "forward", 3) == run.said("y")
    assert run.names["same"]
    assert ["Python side effects of logs"] == [n.what for n in run.log.not_traced]
    assert ["logs", "logs"] == run.names["traces"]


def test_a_lost_step_gives_the_operands_that_its_failing_operation_got() -> None:
    """Although the step wrote over the variable that they came from."""
    cell = """import tensorflow as tf
v = tf.Variable([4.0, 1.0])
@tf.function
def step(x):
    ratio = v - x
    y = tf.math.log(ratio)
    v.assign(y)
    return y"""
    run = Run(cell, "for i in range(5):\n    y = step(tf.constant([1.0, 1.0]) if i else tf.constant([0.0, 0.0]))")
    event = run.origins("v")[0]

    assert (0, 6, "log", "forward", 2) == run.said("v")
    assert [(2, -1.0, pytest.approx(0.3862944))] == [(o.size, o.min, o.max) for o in event.operands]
    assert "exact" == event.confidence


def test_the_operands_after_a_loop_are_those_that_the_loop_left() -> None:
    """The lost step is run again with all turns of its loops."""
    cell = """import tensorflow as tf
@tf.function
def run(x):
    for _ in tf.range(5):
        x = x - 1.0
    return tf.math.log(x)"""
    run = Run(cell, "y = run(tf.constant([5.0, 7.0]))")

    assert [(2, 0.0, 2.0)] == [(o.size, o.min, o.max) for o in run.origins("y")[0].operands]


def test_a_step_that_is_run_again_has_no_effects(tmp_path: Path) -> None:
    """Neither a variable of the user's nor a file is touched when the operands are looked for."""
    cell = f"""import tensorflow as tf
count = tf.Variable(0.0)
@tf.function
def step(x):
    count.assign_add(1.0)
    tf.print("ran", output_stream="file://{tmp_path}/out.txt")
    return tf.math.log(x - count)"""
    run = Run(cell, "for _ in range(2):\n    y = step(tf.constant([2.0]))")

    assert [0.0] == [o.min for o in run.origins("y")[0].operands]
    assert 2.0 == float(run.names["count"])
    assert 2 == (tmp_path / "out.txt").read_text().count("ran")


def test_what_is_lost_otherwise_the_second_time_is_told_as_the_functions_call(tmp_path: Path) -> None:
    """A file that the step reads was written over since, so that another operation fails: that one was not to blame."""
    file = tmp_path / "number"
    cell = f"""import tensorflow as tf
@tf.function
def step(x, after):
    y = x * tf.strings.to_number(tf.io.read_file("{file}"))
    with tf.control_dependencies([y]):
        written = tf.io.write_file("{file}", after)
    with tf.control_dependencies([written]):
        logarithm = tf.math.log(y)
    return logarithm + 1.0 / (y - 2.0), logarithm"""

    def origin(after: str) -> tuple[Any, ...]:
        file.write_text("0")
        return Run(cell, f"x = tf.constant([2.0])\ny, _ = step(x, '{after}')\nz = y * 1.0").said("z")

    assert (0, 8, "log", "forward", 1) == origin("0")
    assert (1, 2, "function", "forward", 1) == origin("1")


def test_two_lost_functions_are_told_apart() -> None:
    """Each result, and what is made of it, leads into its own function; a finite one into none."""
    run = Run(_FUNCTIONS, "a = logs(tf.constant(0.0)) * 1.0\nb = divides(tf.constant(0.0)) * 1.0\nc = divides(tf.constant(2.0))\n"
              "d = tf.constant(float('nan')) * 1.0")  # fmt: skip

    assert (0, 6, "log", "forward", 1) == run.said("a")
    assert (0, 9, "div", "forward", 1) == run.said("b")
    assert [] == run.origins("c")
    assert ["written"] == [e.kind for e in run.origins("d")]


def test_a_harmless_step_before_does_not_hide_the_creation() -> None:
    """A node whose Inf was absorbed in step 1 is still the origin when it is not absorbed in step 4."""
    cell = """import tensorflow as tf
v = tf.Variable(0.0)
@tf.function
def step(x, keep):
    y = tf.math.log(x)
    v.assign(tf.where(keep, y, 1.0))
    return tf.where(keep, y, 0.0)"""
    run = Run(cell, "for i in range(4):\n    y = step(tf.constant(0.0 if i in (0, 3) else 1.0), tf.constant(i == 3))")

    assert (0, 5, "log", "forward", 4) == run.said("v")
    assert (0, 5, "log", "forward", 4) == run.said("y")


def test_a_branch_that_ran_harmlessly_before_is_not_the_origin_now() -> None:
    """What a branch made in step 1 was absorbed; in step 4 the other branch made what left the function."""
    cell = """import tensorflow as tf
@tf.function
def step(x, first, keep):
    if first:
        y = tf.math.log(x)
    else:
        y = 1.0 / x
    return tf.where(keep, y, 0.0)"""
    run = Run(cell, "for i in range(4):\n    y = step(tf.constant(0.0), tf.constant(i == 0), tf.constant(i == 3))")

    assert (0, 7, "div", "forward", 3) == run.said("y")


def test_xla_keeps_its_own_numerics() -> None:
    """A compiled function's gradient of sqrt at 0 is NaN where eager's is 0: found, and named in the compiled function."""
    run = Run(
        _FUNCTIONS,
        "x = tf.Variable([0.0, 1.0])\nwith tf.GradientTape() as t:\n    y = compiled(x)\ng = t.gradient(y, x)",
    )

    assert np.isnan(run.names["g"].numpy()[0])
    assert (0, 12, "sqrt", "backward", 1) == run.said("g")


def test_a_tape_outside_of_the_function_leads_into_it() -> None:
    """The gradient function of a traced function is built later; its creation is the forward line inside."""
    run = Run(_FUNCTIONS, "x = tf.Variable(0.0)\nfor i in range(3):\n    with tf.GradientTape() as t:\n"
              "        y = tf.where(x > 0.0, logs(x + 2.0 - i), 0.0)\n    g = t.gradient(y, x)")  # fmt: skip

    assert (0, 6, "log", "backward", 3) == run.said("g")


def test_what_came_into_a_function_non_finite_is_not_blamed_on_it() -> None:
    """A NaN made in eager code and passed through a function keeps its eager origin; NaN data is introduced."""
    run = Run(
        _FUNCTIONS, "x = tf.math.log(tf.constant(-1.0))\ny = divides(x) + 1.0\nz = divides(tf.constant(float('nan')))"
    )

    assert (1, 1, "log", "forward", 1) == run.said("y")
    assert ["written"] == [e.kind for e in run.origins("z")]


def test_what_is_not_seen_is_listed() -> None:
    """Concrete functions, data set functions, strategies and other threads are named, and the results still located."""
    cell = """import threading
concrete = logs.get_concrete_function(tf.TensorSpec([], tf.float32))
y = concrete(tf.constant(0.0))
data = list(tf.data.Dataset.from_tensor_slices([0.0]).map(lambda v: v / 0.0))
thread = threading.Thread(target=lambda: logs(tf.constant(1.0)))
thread.start()
thread.join()
with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
    divides(tf.constant(1.0))"""
    run = Run(_FUNCTIONS, cell)

    assert run.error is None
    assert {"logs", "tf.data functions", "other threads", "divides"} == {n.what for n in run.log.not_traced}
    assert (1, 3, "function", "forward", 1) == run.said("y")


def test_a_users_error_in_a_function_shows_no_frame_of_ours() -> None:
    """The traceback of an error while tracing holds the user's and TensorFlow's frames only, as without numguard."""
    cell = "import tensorflow as tf\n@tf.function\ndef f(x):\n    return tf.matmul(x, x)\n"
    run = Run(cell, "f(tf.constant(1.0))")
    frames = []
    trace = run.error.__traceback__ if run.error is not None else None
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next

    assert isinstance(run.error, ValueError)
    assert [] == [f for f in frames if "jupyter_numguard" in f]


# --- as if nothing had been there ------------------------------------------------------------------------------------------
def _state() -> tuple[Any, ...]:
    from tensorflow.python.eager import context, execute

    return (
        private.Function.__dict__["__call__"], private.func_graph.func_graph_from_py_func,
        private.gradients_util._GradientsHelper, execute.execute, tuple(context.context().op_callbacks),
        private.EagerTensorBase.__dict__["numpy"], private.EagerTensorBase.__dict__["_numpy"],
    )  # fmt: skip


def test_nothing_is_left_in_place_and_no_tensor_is_held() -> None:
    """After the trace, TensorFlow's entries are the originals, and every tensor and variable dies with its name."""
    before = _state()
    run = Run(_FUNCTIONS, "w = tf.Variable([1.0, 0.0])\nwith tf.GradientTape() as t:\n    y = logs(w) * w\n    s = tf.sqrt(y)\n"
              "g = t.gradient(s, w)\nw.assign_sub(g)\nz = compiled(w)")  # fmt: skip
    refs = {name: weakref.ref(run.names.pop(name)) for name in ("w", "t", "y", "s", "g", "z")}
    gc.collect()

    assert before == _state()
    assert [] == [name for name, ref in refs.items() if ref() is not None]


def test_a_wrapper_that_came_on_top_of_ours_is_left_alone() -> None:
    """Somebody else's replacement of what we replaced survives the end of the trace."""
    owner = private.gradients_util
    original = owner._GradientsHelper

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    recording = BACKEND.intercept(OpLog())
    assert recording is not None
    recording.__enter__()
    owner._GradientsHelper = theirs
    recording.__exit__(None, None, None)
    left, owner._GradientsHelper = owner._GradientsHelper, original

    assert left is theirs


_TRAINING = """import keras
import numpy as np
import tensorflow as tf
keras.utils.set_random_seed(3)
m = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.5), keras.layers.BatchNormalization(),
                      keras.layers.Dense(1)])
m.compile("adam", "mse", jit_compile={jit})
x = np.random.rand(32, 4).astype("float32")
h = m.fit(x, x.sum(1), batch_size=8, epochs=2, verbose=0)
with tf.GradientTape() as t:
    loss = tf.reduce_mean(m(x, training=True) ** 2)
g = t.gradient(loss, m.trainable_variables)
m.optimizer.apply(g, m.trainable_variables)
out = [w.numpy() for w in m.weights] + [loss.numpy(), np.array(h.history["loss"])]"""


@pytest.mark.parametrize("jit", [False, True])
def test_a_traced_training_is_bit_identical(jit: bool) -> None:
    """Weights, loss and history after fit and an eager step are the same bits with and without a trace."""
    cell = _TRAINING.replace("{jit}", str(jit))
    plain: dict[str, Any] = {}
    exec(compile(cell, "<ipython-input-plain>", "exec"), plain)
    run = Run(cell)

    assert run.error is None
    assert [] == [e for e in run.log.events if e.kind == "created"]
    assert all(np.array_equal(a, b) for a, b in zip(plain["out"], run.names["out"], strict=True))


def test_a_fit_after_a_fit_keeps_the_users_train_function() -> None:
    """A model that was trained before trains on in a traced cell and after it, with the user's own compiled step."""
    run = Run(_TRAINING.replace("{jit}", "False"), "before = m.train_function\nh = m.fit(x, x.sum(1), epochs=1, verbose=0)\n"
              "same = m.train_function is before")  # fmt: skip
    again = run.names["m"].fit(run.names["x"], run.names["x"].sum(1), epochs=1, verbose=0)

    assert run.error is None
    assert run.names["same"]
    assert np.isfinite(again.history["loss"]).all()


def test_other_threads_run_their_own_functions() -> None:
    """A thread that calls a function while a cell is traced gets the user's own, and its result."""
    cell = """import threading
out = []
thread = threading.Thread(target=lambda: out.append(divides(tf.constant(4.0))))
thread.start()
thread.join()"""
    run = Run(_FUNCTIONS, cell)

    assert 0.25 == float(run.names["out"][0])
    assert ["other threads"] == [n.what for n in run.log.not_traced]
