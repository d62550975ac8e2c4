"""What numpy's recorder promises: the user sees no change, and each signal becomes an event at the right place and step."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import contextvars
import io
import itertools
import linecache
import threading
import traceback
import warnings
from typing import Any

import numpy as np
import pytest
from numpy._core import _ufunc_config

from jupyter_numguard.backends.numpy import NumpyBackend
from jupyter_numguard.backends.numpy.signals import SignalRecorder
from jupyter_numguard.errors import NonFiniteError
from jupyter_numguard.opevents import OpEvent
from jupyter_numguard.oplog import OpLog

_numbers = itertools.count()


def run(cell: str, log: OpLog | None = None, **names: Any) -> tuple[OpLog, dict[str, Any]]:
    """Run a cell statement by statement, as IPython does, under the recorder; numpy's warnings are not shown."""
    log = log or OpLog()
    file = f"<ipython-input-numpy-{next(_numbers)}>"
    linecache.cache[file] = (len(cell), None, cell.splitlines(True), file)
    namespace = {"np": np, "__name__": "__main__", **names}
    recorder = NumpyBackend().intercept(log)
    with warnings.catch_warnings(), recorder:
        warnings.simplefilter("ignore")
        for index, statement in enumerate(ast.parse(cell).body):
            log.statement = index
            recorder.resume()
            exec(compile(ast.Module([statement], []), file, "exec"), namespace)
    return log, namespace


def only(log: OpLog) -> OpEvent:
    """The one event that survived."""
    (event,) = log.signals()
    return event


def line(event: OpEvent) -> int:
    """The line of an event."""
    assert event.site is not None
    return event.site.line


# --- the user sees no change --------------------------------------------------------------------------------------------------
STATE = """
import warnings
def divide(a, b):
    return np.asarray(a) / b
@np.errstate(divide="ignore")
def decorated():
    out.append(np.geterr())
    np.log(np.zeros(1))
    np.log(np.array([-1.0]))
@np.errstate(over="log", call=Sink())
def to_sink():
    np.exp(np.array([1000.0]))
    np.log(np.zeros(1))
for _ in range(3):
    divide([1.0], 0.0)
decorated()
to_sink()
with np.errstate(all="ignore"):
    out.append(np.geterr())
    divide([0.0], 0.0)
with np.errstate(invalid="raise", over="ignore"):
    out.append(np.geterr())
    np.exp(np.float64(1000))
    try:
        np.sqrt(-1.0)
    except FloatingPointError as e:
        out.append(repr(e))
old = np.seterrcall(called)
out.append((old, np.geterrcall()))
was = np.seterr(all="call")
out.append(was)
divide([1.0], 0.0)
np.seterr(**was)
np.seterrcall(old)
out.append((np.geterr(), np.geterrcall()))
divide([0.0], 0.0)
old = np.seterrcall(Sink())
was = np.seterr(divide="log")
divide([1.0], 0.0)
divide([0.0], 0.0)
np.seterr(**was)
np.seterrcall(old)
out.append(np.getbufsize())
np.setbufsize(16384)
out.append((np.getbufsize(), np.geterr()))
np.setbufsize(8192)
for wrong in ({"all": "nonsense"}, {"over": 3}):
    try:
        np.seterr(**wrong)
    except Exception as e:
        out.append(repr(e))
try:
    np.seterrcall("no callable")
except Exception as e:
    out.append(repr(e))
try:
    np.linalg.inv(np.zeros((2, 2)))
except np.linalg.LinAlgError as e:
    out.append(repr(e))
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        divide([1.0], 0.0)
    except RuntimeWarning as e:
        out.append([(f.name, f.lineno, f.line) for f in traceback.extract_tb(e.__traceback__)][1:])
np.float16(60000) * np.float16(2)
np.full(3, 1e308).sum()
np.mean([])
np.ones((3, 1)).std(axis=1, ddof=1)
np.log(np.array([1e-400 + 1j]).astype(float))
np.array([1e6]).astype(np.float16)
out.append(sorted(map(str, globals().get("__warningregistry__", {}))))
np.seterr(under="warn", over="ignore")
"""


def observe(*, recorded: bool, filters: str) -> tuple[list[Any], list[Any], list[str], dict[str, str]]:
    """Run `STATE` and collect all that a user can see of numpy's error handling."""
    file = "<ipython-input-numpy-state>"
    linecache.cache[file] = (len(STATE), None, STATE.splitlines(True), file)
    out: list[Any] = []
    calls: list[Any] = []

    class Sink:
        def write(self, message: str) -> None:
            calls.append(message)

        def __repr__(self) -> str:
            return "sink"

        __eq__ = lambda self, other: type(other).__name__ == "Sink"  # noqa: E731
        __hash__ = None  # type: ignore[assignment]

    def called(kind: str, flags: int) -> None:
        calls.append((kind, flags))

    namespace = {"np": np, "out": out, "Sink": Sink, "called": called, "traceback": traceback, "__name__": "__main__"}
    shown: list[str] = []
    recorder = NumpyBackend().intercept(OpLog()) if recorded else contextlib.nullcontext()
    with (
        np.errstate(),
        warnings.catch_warnings(record=filters != "print") as caught,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        warnings.simplefilter(filters if filters != "print" else "default")  # type: ignore[arg-type]
        with recorder:
            for statement in ast.parse(STATE).body:
                if isinstance(recorder, SignalRecorder):
                    recorder.resume()  # the user's own handlers end in some of them
                exec(compile(ast.Module([statement], []), file, "exec"), namespace)
        after = np.geterr()
        shown = [f"{w.message} {w.category.__name__} {w.filename} {w.lineno}" for w in caught or ()] + [err.getvalue()]
    out = [x if not callable(x) else "callable" for x in out]
    return [repr(x).split(" at 0x")[0] for x in out], calls, shown, after


@pytest.mark.parametrize("filters", ["always", "once", "default", "print", "ignore"])
def test_the_user_sees_numpy_as_without_us(filters: str) -> None:
    """Warnings (text, category, file, line, once-per-line), handlers, errors, tracebacks and `seterr` are the same."""
    assert observe(recorded=False, filters=filters) == observe(recorded=True, filters=filters)


def test_a_setting_made_in_the_cell_stays_and_nothing_else() -> None:
    """After the cell `np.geterr` is what the cell set; numpy's functions and call object are as before."""
    functions = (np.seterr, np.geterr, np.seterrcall, np.geterrcall, np.errstate.__enter__, np.errstate.__call__)
    inner = (_ufunc_config._make_extobj, _ufunc_config._get_extobj_dict)  # type: ignore[attr-defined]
    with np.errstate():
        run("np.seterr(over='raise')\nwith np.errstate(all='ignore'): pass")
        assert np.geterr() == {"divide": "warn", "over": "raise", "under": "ignore", "invalid": "warn"}
        assert np.geterrcall() is None
    assert inner == (_ufunc_config._make_extobj, _ufunc_config._get_extobj_dict)  # type: ignore[attr-defined]
    assert functions == (
        np.seterr, np.geterr, np.seterrcall, np.geterrcall, np.errstate.__enter__, np.errstate.__call__,
    )  # fmt: skip


def test_anothers_wrapper_on_top_of_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another party put over our function stays, and works after we are gone."""
    name = "_get_extobj_dict"
    monkeypatch.setattr(_ufunc_config, name, getattr(_ufunc_config, name))
    recorder = SignalRecorder(OpLog())
    with recorder:
        ours = getattr(_ufunc_config, name)
        theirs = lambda: ours()  # noqa: E731
        setattr(_ufunc_config, name, theirs)
    assert getattr(_ufunc_config, name) is theirs
    assert np.geterr() == {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def test_nested_recorders_and_other_threads_keep_apart() -> None:
    """The innermost recorder hears; the outer one again after it; another thread's signals are nobody's."""
    outer, inner = OpLog(), OpLog()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with SignalRecorder(outer):
            with SignalRecorder(inner):
                np.log(np.zeros(1))
            assert (len(outer.signals()), len(inner.signals())) == (0, 1)
            thread = threading.Thread(target=lambda: np.sqrt(np.array([-1.0])))
            thread.start()
            thread.join()
            np.log(np.array([-1.0]))
    assert [e.op for e in outer.signals()] == ["log"]
    assert [e.state.nan for e in outer.signals()] == [True]


def test_a_task_of_its_own_context_is_heard_and_outlives_us() -> None:
    """A statement that runs in a new context (a cell with await) is heard after `resume`; a context that was copied while
    we listened warns as numpy does once we are gone."""
    log = OpLog()
    recorder = SignalRecorder(log)
    empty = contextvars.Context()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with recorder:
            empty.run(lambda: (recorder.resume(), np.log(np.zeros(1))))
            copy = contextvars.copy_context()
        assert len(log.signals()) == 1
        copy.run(lambda: np.sqrt(np.array([-1.0])))
        assert copy.run(np.geterr) == np.geterr()
    assert [str(w.message) for w in caught] == [
        "divide by zero encountered in log",
        "invalid value encountered in sqrt",
    ]
    assert len(log.signals()) == 1


def test_a_coroutine_is_recorded() -> None:
    """A signal after an `await` has its place in the coroutine."""
    source = (
        "async def main(x):\n    await asyncio.sleep(0)\n    return np.log(x)\nresult = asyncio.run(main(np.zeros(2)))"
    )
    assert (line(only(run(source, asyncio=asyncio)[0])), only(run(source, asyncio=asyncio)[0]).op) == (3, "log")


def test_our_own_failure_is_no_failure_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside the recorder is noted and the operation goes on."""

    def broken(*args: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("jupyter_numguard.backends.numpy.signals.repeat_operation", broken)
    log, names = run("y = np.log(np.zeros(1))")
    assert np.isneginf(names["y"]).all()
    assert [n.what for n in log.not_traced] == ["a numpy signal"]


def test_stop_raises_at_the_first_creation() -> None:
    """With `--stop` the operation raises and the rest does not run."""
    namespace: dict[str, Any] = {}
    with pytest.raises(NonFiniteError, match="log"):
        run(
            "seen.append(1)\ny = np.log(np.zeros(1))\nseen.append(2)",
            OpLog(stop=True),
            seen=namespace.setdefault("seen", []),
        )
    assert namespace["seen"] == [1]
    assert np.geterr()["divide"] == "warn"


# --- operation, operands, result ----------------------------------------------------------------------------------------------
OPERATIONS = [
    ("y = np.log(x)", "x = np.array([1.0, 0.0])", "log", "numpy.log"),
    ("y = np.log(x)", "x = np.float64(-1)", "log", "numpy.log"),
    ("y = 1 / x", "x = np.zeros(2)", "div", "numpy.divide"),
    ("y = x / x", "x = np.zeros(2)", "div", "numpy.divide"),
    ("x /= 0", "x = np.ones(2)", "div", "numpy.divide"),
    ("y = x ** 2.0", "x = np.array([1e200])", "pow", "numpy.power"),
    ("y = x ** 0.5", "x = np.array([-1.0])", "pow", "numpy.power / numpy.sqrt"),
    ("y = np.power(x, 400)", "x = np.array([10.0])", "pow", "numpy.power"),
    ("y = np.arccos(x)", "x = np.array([2.0])", "acos", "numpy.arccos"),
    ("y = x.sum()", "x = np.full(3, 1e308)", "sum", "numpy.sum"),
    ("y = np.add.reduce(x)", "x = np.full(3, 1e308)", "sum", "numpy.add.reduce"),
    ("y = np.cumsum(x)", "x = np.full(3, 1e308)", "cumsum", "numpy.cumsum"),
    ("y = x.mean()", "x = np.zeros(0)", "mean", "numpy.mean / numpy.divide"),
    ("y = np.std(x, ddof=1)", "x = np.ones(1)", "std", "numpy.std / numpy.divide"),
    ("y = x.astype(np.float16)", "x = np.array([1e6])", "cast", "numpy.cast"),
    ("y = np.float16(x)", "x = 1e6", "cast", "numpy.cast"),
    ("y[:] = x", "y = np.zeros(2, np.float16); x = np.full(2, 1e6)", "cast", "numpy.cast"),
    ("y = x @ x", "x = np.full(2, 1e200)", "matmul", "numpy.matmul"),
    ("y = np.linalg.norm(x)", "x = np.full(2, 1e200)", "norm", "numpy.norm / numpy.dot"),
]


@pytest.mark.parametrize(("statement", "before", "op", "native"), OPERATIONS, ids=lambda v: v if " " in str(v) else "")
def test_the_operation_is_named_as_the_user_wrote_it(statement: str, before: str, op: str, native: str) -> None:
    """Methods, operators, ufuncs, in-place and composite forms get the canonical and the native name, and their line."""
    event = only(run(f"{before}\n\n{statement}")[0])
    assert (event.op, event.native_op, line(event), event.occurrence, event.phase) == (op, native, 3, 1, "forward")
    assert event.result is None or (event.result.nan or 0) + (event.result.posinf or 0) + (event.result.neginf or 0) > 0


def test_operands_are_measured_where_they_still_exist() -> None:
    """Names, indexing, arithmetic and functions that only compute are measured; what an in-place operation overwrote is not."""
    event = only(run("class M: pass\nm = M()\nm.w = [np.array([1.0, 0.0, 4.0])]\ny = np.log(m.w[0][1:] * 2)")[0])
    (operand,) = event.operands
    assert (operand.variable, operand.min, operand.max, operand.zeros, operand.measured) == (None, 0.0, 8.0, 1, "at_op")
    event = only(run("class M: pass\nm = M()\nm.w = [np.array([1.0, 0.0, 4.0])]\ny = np.log(m.w[0])")[0])
    assert [o.variable for o in event.operands] == ["m.w[0]"]
    event = only(run("x = np.array([3.0, 0.0])\ny = 1 / np.take(np.sort(np.tile(x, 2)), [0, 3])")[0])
    assert [o.zeros for o in event.operands] == [0, 1]
    for statement in ("x /= z", "np.divide(x, z, out=x)", "np.divide(x, z, x)", "np.divide(x * 1, z, out=x[:])"):
        event = only(run(f"x, z = np.ones(3), np.zeros(3)\n{statement}")[0])
        assert [(o.zeros, o.measured) for o in event.operands] == [(None, "after"), (3, "at_op")], statement
        assert (event.result and event.result.posinf) == 3


def test_nothing_with_an_effect_is_repeated() -> None:
    """A call of the user's, a property and a generator run as often as without us."""
    cell = """
count = []
def f():
    count.append("call")
    return np.zeros(2)
class P:
    @property
    def x(self):
        count.append("property")
        return np.zeros(2)
    def __getitem__(self, i):
        count.append("item")
        return np.zeros(2)
p, g = P(), iter([np.zeros(2)])
a = np.log(f())
b = np.log(p.x)
c = np.log(p[0])
d = np.log(next(g))
e = np.where(f() > 0, np.log(f()), f())
h = np.log(np.pad(np.zeros(2), 1, lambda *args: count.append("pad")))
"""
    log, names = run(cell)
    assert names["count"] == ["call", "property", "item", "call", "call", "call", "pad"]
    assert [line(e) for e in log.signals()] == [15, 16, 17, 18, 19, 20]


def test_ignored_blocks_and_pandas_are_heard_silently() -> None:
    """`errstate(all="ignore")` and pandas arithmetic signal to us; the user's line and operation are named."""
    pd = pytest.importorskip("pandas")
    cell = """
df = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 2.0]})
df["c"] = df["a"] / df["b"]
with np.errstate(all="ignore"):
    y = np.log(np.zeros(1))
"""
    log, _ = run(cell, pd=pd)
    assert [(line(e), e.op) for e in log.signals()] == [(3, "div"), (5, "log")]
    assert [o.variable for o in log.signals()[0].operands] == ["df['a']", "df['b']"]


TABLE = {"a": [2.0, 0.0, 1.0], "b": [5.0, 5.0, 5.0], "c": [0.0, 0.0, 1.0]}


@pytest.mark.parametrize(
    ("statement", "op", "zeros"),
    [
        ("z = (t[['a', 'b']] - t[['a', 'b']].mean()) / t[['a', 'b']].std()", "div", [4, 1]),  # a table: by column
        ("g = t['a'].pct_change()", "div", [1, 1]),  # it divides by the row before
        ("r = t['a'] / t['a'].shift(1)", "div", [1, 1]),  # missing values elsewhere are no reason
        ("p = t['a'] ** -0.5", "pow", [1, 0]),
        ("f = t['c'].pct_change().fillna(0)", "div", [2, 2]),  # 0/0 and 1/0 in one call
    ],
)
def test_operands_of_pandas_are_measured(statement: str, op: str, zeros: list[int]) -> None:
    """Tables, columns and their plain methods are evaluated again, so that the rules have numbers."""
    pd = pytest.importorskip("pandas")
    log, _ = run(statement, pd=pd, t=pd.DataFrame(TABLE))
    (event,) = log.signals()
    assert (event.op, [o.zeros for o in event.operands]) == (op, zeros)


def test_an_integer_cast_and_an_integer_overflow_are_no_creation() -> None:
    """What stays finite is no event: NaN to int, int64 overflow."""
    log, _ = run("x = np.array([np.nan])\ni = x.astype(int)\nj = np.int64(2) ** 62 * np.int64(4)")
    assert log.signals() == []


# --- which step ---------------------------------------------------------------------------------------------------------------
LOOPS = [
    ("for i in range(3, 20):\n    y = np.log(np.float64(9 - i))", 7),
    ("for i in range(20, 0, -2):\n    y = np.log(np.float64(i - 10))", 6),
    ("for i, v in enumerate([3., 2., 0., 1.]):\n    y = np.log(np.float64(v))", 3),
    ("for k, v in zip(range(9), np.array([3., 2., 0., 1.])):\n    y = np.log(v)", 3),
    ("xs = [np.ones(2), np.zeros(2)]\nfor x in xs:\n    y = np.log(x)", 2),
    ("x = np.ones((4, 2))\nx[2] = 0\nfor row in x:\n    y = np.log(row)", 3),
    ("d = {'a': np.ones(1), 'b': np.zeros(1)}\nfor k, v in d.items():\n    y = np.log(v)", 2),
    ("for a, (b, c) in enumerate([(1., 2.), (0., 1.)], start=5):\n    y = np.log(np.float64(b))", 2),
    ("for v in reversed([0., 1., 2.]):\n    y = np.log(np.float64(v))", 3),
    ("i = 0\nwhile i < 9:\n    i += 1\n    y = np.log(np.float64(5 - i))", 5),
    ("i = 0\nwhile i < 9:\n    y = np.log(np.float64(5 - i))\n    i = i + 1", 6),
    ("y = [np.log(np.float64(3 - i)) for i in range(4)]", 4),
    ("y = sum(np.log(v) for v in np.array([2., 1., 0.]))", 3),
    ("for e in range(3):\n    for b in range(4):\n        y = np.log(np.float64(9 - (4 * e + b)))", 10),
    ("def f(v):\n    return np.log(v)\n"
     "for e in range(3):\n    for v in [5., 4., float(e < 2)]:\n        y = f(np.float64(v))", 9),
    ("def fit(x, n):\n    for k in range(n):\n        x = x - 1\n        y = np.log(x)\n    return y\n"
     "for lr in (0.1, 0.2):\n    y = fit(np.float64(25 if lr < 0.15 else 15), 20)", 35),
    ("def f(v): return np.log(v)\ny = list(map(f, np.array([1., 0.])))", 0),
    ("y = np.vectorize(lambda v: np.log(v))(np.array([1., 0.]))", 0),
    ("for v in iter(np.array([1., 0.])):\n    y = np.log(v)", 2),
    ("def g():\n    yield from (1., 0.)\nfor v in g():\n    y = np.log(np.float64(v))", 0),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "step"), LOOPS, ids=range(len(LOOPS)))
def test_the_step_is_read_from_the_loops(cell: str, step: int) -> None:
    """Positions in all forms of loops, folded over nested ones and over the callers'; 0 where it cannot be told."""
    assert only(run(cell)[0]).occurrence == step


# --- what survives --------------------------------------------------------------------------------------------------------------
def test_an_absorbed_overflow_is_not_blamed() -> None:
    """A sigmoid that overflows at every step hides neither the operation nor the step of the true NaN."""
    cell = """
def sigmoid(x):
    e = np.exp(-x)
    return 1 / (1 + e)
def train():
    w = np.float64(1.0)
    for step in range(60):
        p = sigmoid(np.array([-1000.0]))
        w = w - 1 / 37
        loss = np.sqrt(w + p.sum() + 1e-9 * (step < 37))
    return loss
loss = train()
"""
    event = only(run(cell)[0])
    assert (event.op, line(event), event.occurrence, event.confidence) == ("sqrt", 10, 38, "exact")


@pytest.mark.parametrize(
    "statement",
    [
        "y = np.where(x > 0, np.log(x), 0.0)", "y = 1 / (1 + np.exp(-x * 1e5 - 1e5))", "y = np.nan_to_num(np.log(x))",
        "y = (np.log(x) > 0).all()", "y = np.log(x).clip(-100)",
    ],
)  # fmt: skip
def test_a_value_absorbed_by_its_own_expression_is_no_event(statement: str) -> None:
    """What the expression around it makes finite is dropped at once."""
    assert run(f"x = np.array([1.0, 0.0])\n{statement}")[0].signals() == []


def test_an_operand_that_came_out_finite_absorbs_what_it_is_made_of() -> None:
    """In `log(1 / (1 + exp(x)))` the overflow gave a 0: the log of it is the creation."""
    assert only(run("x = np.array([1000.0])\ny = np.log(1 / (1 + np.exp(x)))")[0]).op == "log"


def test_an_inf_that_became_nan_is_the_parent() -> None:
    """`inf - inf` leads back to the overflow that made the Inf, in one expression and through names."""
    for cell in ("y = np.exp(x) - np.exp(x)", "def f(x):\n    e = np.exp(x)\n    return e - e\ny = f(x)"):
        log, _ = run("x = np.array([1000.0])\n" + cell)
        last = log.signals()[-1]
        assert (last.op, [p.op for p in last.parents]) == ("sub", ["exp"])


def test_the_first_of_several_is_likely_only() -> None:
    """Two independent creations in one statement: both are kept in order, each only likely."""
    log, _ = run("def f(x):\n    a = np.log(x)\n    b = np.sqrt(x - 1)\n    return a, b\na, b = f(np.zeros(2))")
    assert [(e.op, e.confidence) for e in log.signals()] == [("log", "likely"), ("sqrt", "likely")]


def test_a_value_held_by_its_own_name_only_is_confined_to_it() -> None:
    """An overflow that stays in `e` is a candidate for `e`, not for the loss that never reads it again."""
    cell = "for i in range(9):\n    e = np.exp(np.array([1000.0]))\n    p = 1 / (1 + e)\n    loss = np.log(p - (i == 8) + 1e-9)"
    log, _ = run(cell)
    assert [(e.op, e.confined_to) for e in log.signals()] == [("exp", ("e",)), ("log", None)]


def test_the_first_step_of_a_lasting_nan_is_kept() -> None:
    """A loss that is non-finite from step 5 on was made so at step 5, however often the line signals after."""
    log, _ = run("total = 0.0\nfor i in range(1, 200):\n    total = total + np.log(np.float64(5 - i))")
    assert only(log).occurrence == 5
    log, _ = run("for i in range(1, 200):\n    loss = -np.log(np.float64(max(5 - i, 0)))")
    assert only(log).occurrence == 5


def test_a_function_used_by_two_statements_has_an_event_for_each() -> None:
    """The same line signals for two variables: each statement keeps its own."""
    log, _ = run("def f(x):\n    return np.log(x)\na = f(np.zeros(1))\nb = f(np.zeros(2))")
    assert [(e.statement, line(e), e.result and e.result.size) for e in log.signals()] == [(1, 2, 1), (2, 2, 2)]


def test_a_storm_is_counted_and_bounded() -> None:
    """Thousands of signals of one line leave one event, and its count."""
    log, _ = run("for i in range(5000):\n    y = np.log(np.float64(0.0))")
    event = only(log)
    assert (event.occurrence, len(log.events)) == (1, 1)
    assert event.site is not None
    assert event.site.count > 4000


def test_a_later_round_of_a_loop_is_another_evaluation() -> None:
    """A signal of one round that went nowhere is dropped when the next round signals further right in the same statement."""
    cell = """
def first_finite(a, b):
    return a if np.isfinite(a) else b
for i in range(2):
    y = first_finite(np.exp(np.float64(1000 - 999 * i)), 0.0) + np.log(np.float64(1 - i))
"""
    event = only(run(cell)[0])
    assert (event.op, event.occurrence, event.confidence) == ("log", 2, "exact")
