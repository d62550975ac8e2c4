"""What the torch recorder promises on the host: the right operation, nothing changed, nothing kept, nothing left behind."""

# ruff: noqa: E501  # a case is a row of a table

from __future__ import annotations

import gc
import itertools
import linecache
import traceback
import warnings
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import optimizer as optimizers
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from jupyter_numguard.backends.torch.recorder import TorchRecorder
from jupyter_numguard.backends.torch.values import key
from jupyter_numguard.errors import NonFiniteError
from jupyter_numguard.opevents import OpEvent
from jupyter_numguard.oplog import OpLog
from jupyter_numguard.trim import trim

_numbers = itertools.count()
NAN = float("nan")


def run(
    cell: str, log: OpLog | None = None, error: type[BaseException] | None = None, **names: Any
) -> tuple[OpLog, dict[str, Any]]:
    """Run a cell under the recorder, entered and left as `%%numguard` does; `error` is what the cell must raise."""
    log = log or OpLog()
    file = f"<ipython-input-torch-{next(_numbers)}>"
    linecache.cache[file] = (len(cell), None, cell.splitlines(True), file)
    namespace = {"torch": torch, "nn": nn, "F": nn.functional, "__name__": "__main__", **names}
    recorder = TorchRecorder(log)
    recorder.__enter__()
    try:
        if error is None:
            exec(compile(cell, file, "exec"), namespace)
        else:
            with pytest.raises(error):
                exec(compile(cell, file, "exec"), namespace)
    finally:
        recorder.__exit__(None, None, None)
    return log, namespace


def ancestors(event: OpEvent | None) -> list[OpEvent]:
    """The event and all that it descends from."""
    seen: dict[int, OpEvent] = {}
    todo = [event]
    while todo:
        e = todo.pop()
        if e is not None and id(e) not in seen:
            seen[id(e)] = e
            todo += e.parents
    return list(seen.values())


def origin(log: OpLog, t: torch.Tensor) -> tuple[str, str, int, int]:
    """(op, phase, line, occurrence) of the first creation that a tensor descends from."""
    created = [e for e in ancestors(log.event_of(key(t))) if e.kind == "created"]
    first = min(created, key=lambda e: e.order)
    assert first.site is not None
    return first.op, first.phase, first.site.line, first.occurrence


def modes() -> list[object]:
    """torch's function mode stack."""
    return [torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]


class Quiet(TorchFunctionMode):
    """A user's mode that changes nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass on."""
        return func(*args, **(kwargs or {}))


class Count(TorchDispatchMode):
    """Lists every aten operation."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note and run."""
        self.ops.append(str(func))
        return func(*args, **(kwargs or {}))


# --- the right operation -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cell", "variable", "expected"),
    [
        ("x = torch.zeros(2)\ny = x.log()\nz = y * 0", "z", ("log", "forward", 2, 1)),
        ("x = torch.ones(3)\nx[1:].sub_(1).log_()", "x", ("log", "forward", 2, 1)),
        ("w = torch.ones(3, requires_grad=True)\nfor i in range(3):\n    (w * 1.5e38).sum().mul(0.5).backward()\n    w.grad.mul_(2)",
         "w.grad", ("mul", "forward", 4, 2)),
        ("w = torch.ones(3, requires_grad=True)\nfor i in range(3):\n    (w * 1.1e38).mean().mul(3).backward()\n"
         "    (w * 1.1e38).mean().mul(3).backward()", "w.grad", ("grad_accumulate", "backward", 4, 2)),
        ("w = torch.ones(3, requires_grad=True)\n(w * 1e30).sum().backward()\nw.data.sub_(w.grad, alpha=1e10)", "w", ("sub", "update", 3, 1)),
        ("x = torch.zeros(1)\nv = (x / x).item()\ny = torch.tensor([v])", "y", ("div", "forward", 2, 1)),
        ("x = torch.zeros(2, requires_grad=True)\nh = x * 2\nh.retain_grad()\nh.sqrt().sum().backward()", "h.grad", ("sqrt", "backward", 4, 1)),
        ("x = torch.zeros(2, requires_grad=True)\ny = x.sqrt().sum() + x.sum()\ng, = torch.autograd.grad(y, x)", "g", ("sqrt", "backward", 2, 1)),
        ("w = torch.ones(3, requires_grad=True)\nopt = torch.optim.LBFGS([w])\ndef closure():\n    opt.zero_grad()\n"
         "    loss = (w * 0).log().sum()\n    loss.backward()\n    return loss\nopt.step(closure)", "w", ("log", "forward", 5, 1)),
        ("class Mine(torch.optim.Optimizer):\n    def __init__(self, p):\n        super().__init__(p, {})\n    def step(self):\n"
         "        for p in self.param_groups[0]['params']:\n            p.data.add_(p.grad * 1e30)\n"
         "w = nn.Parameter(torch.ones(2))\nopt = Mine([w])\n(w * 1e20).sum().backward()\nopt.step()", "w", ("mul", "forward", 6, 1)),
        ("y = torch.func.vmap(lambda z: (z * 0).log())(torch.ones(3))", "y", ("log", "forward", 1, 1)),
        ("from torch.utils.checkpoint import checkpoint\ndef f(x):\n    return (x * 2).sqrt()\nfor i in range(3):\n"
         "    x = torch.full((2,), 2.0 - i, requires_grad=True)\n    checkpoint(f, x, use_reentrant=True).sum().backward()",
         "x.grad", ("sqrt", "backward", 3, 3)),
        ("x = torch.full((2,), 1e30, requires_grad=True)\nloss = (x * x).sum()\nloss.backward()\nz = loss * x.grad", "z", ("mul", "forward", 2, 1)),
    ],
)  # fmt: skip
def test_the_first_creation_is_named(cell: str, variable: str, expected: tuple[str, str, int, int]) -> None:
    """Operation, phase, line and the how-many-th run of that line."""
    log, names = run(cell)

    assert expected == origin(log, eval(variable, names))
    assert () == log.not_traced


@pytest.mark.parametrize(
    "call",
    [
        "F.linear(x, w, b)",
        "F.linear(x[0, 0], w, b)",
        "torch.einsum('bij,kj->bik', x, w)",
        "torch.tensordot(x, w, dims=([2], [1]))",
        "F.bilinear(x, x, w[None])",
    ],
)
def test_what_computes_and_answers_a_view_is_looked_at(call: str) -> None:
    """A layer over three dimensions, an einsum, a pooling: torch gives back a view of the memory that it filled."""
    big = torch.full((2, 3, 4), 3e38)

    log, names = run(f"y = {call}\nz = y.softmax(-1)", x=big, w=torch.ones(4, 4), b=torch.ones(4))

    assert names["y"]._is_view()
    assert origin(log, names["z"])[2:] == (1, 1)


def test_an_absorbed_value_is_no_ancestor() -> None:
    """What `where` leaves out is not among the causes of a later NaN."""
    log, names = run("x = torch.zeros(2)\nsafe = torch.where(x > 0, x.log(), x)\ny = safe / x")

    assert ("div", "forward", 3, 1) == origin(log, names["y"])
    assert ["div"] == [e.op for e in ancestors(log.event_of(key(names["y"])))]


def test_a_loss_that_was_lost_is_the_origin_of_its_gradients() -> None:
    """The gradient of an infinite loss descends from the operation that made the loss infinite."""
    log, names = run(
        "x = torch.full((2,), 100.0, requires_grad=True)\ny = x.exp()\nloss = (y - y.max()).sum().sqrt()\nloss.backward()"
    )

    assert ("exp", "forward", 2, 1) == origin(log, names["x"].grad)


def test_a_gradient_made_after_the_loss_was_lost_descends_from_the_loss() -> None:
    """Also where the node that made it saw only finite values in the forward pass."""
    log, names = run("w = torch.ones(2, requires_grad=True)\nh = w * 1e30\nloss = (h * 1e30).sum()\nloss.backward()")

    assert ("mul", "forward", 3, 1) == origin(log, names["w"].grad)


def test_gradients_that_meet_keep_their_own_cause() -> None:
    """Two tensors, each used twice: the engine adds up their gradients in new memory, and each keeps its origin."""
    cell = """
a = torch.zeros(2, requires_grad=True)
b = torch.zeros(2, requires_grad=True)
g = a * 1.0
h = b * 1.0
p = g.sqrt() + g
q = h.pow(0.5) + h
(p + q).sum().backward()
"""
    log, names = run(cell)

    assert ("sqrt", "backward", 6, 1) == origin(log, names["a"].grad)
    assert ("pow", "backward", 7, 1) == origin(log, names["b"].grad)


def test_a_written_value_is_no_creation() -> None:
    """Literals, masks and values that came in from outside are written; one that nothing is known of is only likely."""
    log, names = run(
        "a = torch.tensor([float('nan')])\nb = torch.ones(2)\nb[0] = float('-inf')\nc = old * 2",
        old=torch.tensor([NAN]),
    )

    assert {"written", "propagated"} == {e.kind for e in log.events}
    outside = [e for e in ancestors(log.event_of(key(names["c"]))) if e.kind == "written"]
    assert [(None, "data", "likely")] == [(e.site, e.phase, e.confidence) for e in outside]


def test_a_number_from_numpy_keeps_its_cause() -> None:
    """An array that was marked by another framework's recorder is the parent of the tensor made from it."""
    import numpy as np

    array = np.array([NAN, 1.0])
    log = OpLog()
    cause = log.record("created", "forward", None, "divide", "numpy.divide", _state())
    log.mark([("mem", "cpu", array.__array_interface__["data"][0])], cause)
    _, names = run("t = torch.tensor(array)\nu = torch.from_numpy(array) + 1", log, array=array)

    assert cause in ancestors(log.event_of(key(names["t"])))
    assert cause in ancestors(log.event_of(key(names["u"])))


def _state() -> Any:
    from jupyter_numguard.model import NonFiniteState

    return NonFiniteState(True, False)


def test_operands_are_what_the_operation_got() -> None:
    """The divisor's zeros, plain numbers in the order of the mathematics, and an in-place target before it was written."""
    log, _ = run("x = torch.tensor([0.0, 2.0])\ny = 1 / x\nx.log_()")

    division, logarithm = (e for e in log.events if e.kind == "created")
    assert [("int", 0), ("float32", 1)] == [(s.dtype, s.zeros) for s in division.operands]
    assert [(1, 2.0, 0)] == [(s.zeros, s.max, s.neginf) for s in logarithm.operands]


def test_a_gradient_shows_the_forward_operand() -> None:
    """What the node saved comes first: the zero under the root, then the gradient that came in."""
    log, _ = run("x = torch.tensor([0.0, 4.0], requires_grad=True)\nx.sqrt().sum().backward()")

    (event,) = log.events
    assert ("SqrtBackward0", 1) == (event.native_op, event.operands[0].zeros)
    assert event.backward_site is not None
    assert 2 == event.backward_site.line


def test_adding_up_gradients_through_an_addition_is_no_creation() -> None:
    """A NaN that several paths bring to one tensor descends from where it was made."""
    log, names = run(
        "x = torch.zeros(3, requires_grad=True)\nh = x + 1 - 1\nloss = (h.sqrt() + h * 2 + h).sum()\nloss.backward()"
    )

    assert ("sqrt", "backward", 3, 1) == origin(log, names["x"].grad)


def test_planted_faults_in_a_training_step_are_named() -> None:
    """Each float operation of an MLP step, corrupted in turn by a user's mode, is the origin of what is lost after it."""

    class Corrupt(TorchFunctionMode):
        """Makes a NaN in the result of the `at`-th call."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at, self.seen, self.hit = at, 0, ""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            """Run; add NaN once. The addition is the user's own operation: it makes the NaN, from a written one."""
            out = func(*args, **(kwargs or {}))
            if (
                type(out) is torch.Tensor
                and out.is_floating_point()
                and func.__name__ in ("linear", "gelu", "layer_norm", "mse_loss")
            ):
                self.seen += 1
                if self.seen == self.at:
                    self.hit = func.__name__
                    return out / (out - out)
            return out

    cell = """
model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 1))
opt = torch.optim.Adam(model.parameters())
with fault:
    loss = F.mse_loss(model(torch.ones(3, 4)), torch.zeros(3, 1))
    loss.backward()
    opt.step()
"""
    for at in range(1, 6):
        fault = Corrupt(at)
        log, names = run(cell, fault=fault)
        assert fault.hit
        weight = names["model"][0].weight
        created = [e for e in ancestors(log.event_of(key(weight))) if e.kind == "created"]
        assert "div" == min(created, key=lambda e: e.order).op
        assert "update" in {e.phase for e in ancestors(log.event_of(key(weight)))}


@pytest.mark.parametrize("step", ["momentum=0.9", "momentum=0.9, foreach=True"])
def test_momentum_that_overflows_explains_its_parameter(step: str) -> None:
    """Every gradient is finite: the sum that momentum is was too large, and the parameter descends from it."""
    log, names = run(
        f"w = torch.zeros(3, requires_grad=True)\nopt = torch.optim.SGD([w], lr=1e-3, {step})\n"
        "for i in range(3):\n    opt.zero_grad()\n    (w * 3e38).sum().backward()\n    opt.step()"
    )

    assert torch.isfinite(names["w"].grad).all()
    (created,) = (e for e in ancestors(log.event_of(key(names["w"]))) if e.kind == "created")
    assert ("SGD.step momentum_buffer", 6, 2) == (
        created.native_op,
        created.site and created.site.line,
        created.occurrence,
    )


# --- nothing changed -----------------------------------------------------------------------------------------------------
PROGRAMS = {
    "training": """
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.GELU(), nn.Linear(8, 3))
opt = torch.optim.AdamW(model.parameters())
for i in range(4):
    loss = F.cross_entropy(model(torch.randn(6, 4)), torch.randint(0, 3, (6,)))
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
result = torch.cat([p.flatten() for p in model.parameters()])
""",
    "encoder fast path": """
model = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
with torch.no_grad():
    result = model(torch.randn(2, 5, 8))
""",
    "attention fast path": """
model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
x = torch.randn(2, 5, 8)
with torch.inference_mode():
    result, _ = model(x, x, x)
""",
    "checkpointed dropout": """
from torch.utils.checkpoint import checkpoint
model = nn.LSTM(4, 5)
x = torch.randn(3, 2, 4, requires_grad=True)
for i in range(2):
    F.dropout(checkpoint(lambda z: model(z)[0], x, use_reentrant=False)).sum().backward()
result = x.grad
""",
    "autocast": """
model = nn.Linear(4, 4)
with torch.autocast('cpu', dtype=torch.bfloat16):
    result = model(torch.randn(3, 4)).softmax(-1)
result = result.float()
""",
    "traced by jit": """
f = torch.jit.trace(lambda x: x.log() + 1, torch.ones(3))
result = torch.tensor(str(f.graph).count('aten::'))
""",
    "gradient of a gradient": """
x = torch.randn(3, requires_grad=True)
g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
(g ** 2).sum().backward()
result = x.grad
""",
    "line search": """
w = torch.randn(3, requires_grad=True)
opt = torch.optim.LBFGS([w], line_search_fn='strong_wolfe')
def closure():
    opt.zero_grad(); loss = (w ** 4).sum(); loss.backward(); return loss
opt.step(closure)
result = w.detach()
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_and_random_numbers_are_those_of_the_untraced_program(name: str) -> None:
    """Bit for bit."""
    untraced: dict[str, Any] = {"torch": torch, "nn": nn, "F": nn.functional, "__name__": "__main__"}
    torch.manual_seed(0)
    exec(PROGRAMS[name], untraced)
    random = torch.get_rng_state()
    torch.manual_seed(0)
    _, traced = run(PROGRAMS[name])

    assert torch.equal(untraced["result"], traced["result"])
    assert torch.equal(random, torch.get_rng_state())


def test_a_users_dispatch_mode_sees_only_the_users_operations() -> None:
    """Counting operations counts the same with and without the recorder."""
    cell = """
x = torch.ones(3, requires_grad=True)
opt = torch.optim.Adam([x])
with count:
    y = (x * 2).log().sum()
    y.backward()
    opt.step()
    x.data.mul_(2)
    y.item()
"""
    plain, traced = Count(), Count()
    exec(cell, {"torch": torch, "count": plain})
    run(cell, count=traced)

    assert plain.ops == traced.ops


def test_grad_inference_and_autocast_modes_are_the_users() -> None:
    """What a cell asks about torch's modes is answered as without the recorder."""
    cell = """
said = []
for mode in (torch.no_grad, torch.enable_grad, torch.inference_mode):
    with mode():
        y = torch.ones(2, requires_grad=True) / 0
        said.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), y.requires_grad, y.is_inference()))
"""
    plain: dict[str, Any] = {"torch": torch}
    exec(cell, plain)

    assert plain["said"] == run(cell)[1]["said"]


def test_compiled_functions_run_as_compiled() -> None:
    """A compiled function is compiled once, sees no mode of ours, is listed, and its call is named where its result is lost."""
    compiled: list[int] = []

    def backend(graph: Any, _: Any) -> Any:
        compiled.append(len(graph.graph.nodes))
        return graph.forward

    log, _ = run(
        "f = torch.compile(lambda x: (x * 2).log(), backend=backend)\na = f(torch.ones(3))\nb = f(torch.zeros(3))",
        backend=backend,
    )
    torch._dynamo.reset()

    assert [4] == compiled
    assert ["torch.compile"] == [n.what for n in log.not_traced]
    assert [("created", "compiled", "likely", 3)] == [
        (e.kind, e.op, e.confidence, e.site.line) for e in log.events if e.site
    ]


# --- nothing left behind ----------------------------------------------------------------------------------------------------
def test_torch_is_as_before_after_any_end() -> None:
    """Mode stack, optimizer hooks, replaced functions and leaf hooks; after success, an error, an interrupt."""
    asked, compile_ = torch.overrides.has_torch_function, torch.compile
    leaf = torch.ones(3, requires_grad=True)
    for cell, error in (
        ("(leaf * 2).sum().backward()", None),
        ("(leaf * 2).sum().backward()\n1 / 0", ZeroDivisionError),
        ("torch.ones(2) @ torch.ones(3)", RuntimeError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
    ):
        run(cell, error=error, leaf=leaf)

        assert [] == modes()
        assert not optimizers._global_optimizer_pre_hooks
        assert not optimizers._global_optimizer_post_hooks
        assert (asked, compile_) == (torch.overrides.has_torch_function, torch.compile)
        assert leaf._post_accumulate_grad_hooks is None


def test_users_modes_come_and_go_in_the_cell() -> None:
    """A mode entered in an earlier cell can be left, and one entered in this cell stays, in their order."""
    old, new = Quiet(), Quiet()
    old.__enter__()
    log, _ = run("new.__enter__()\nnew.__exit__(None, None, None)\nold.__exit__(None, None, None)\nnew.__enter__()\ntorch.zeros(2).log()",
                 old=old, new=new)  # fmt: skip

    assert [new] == modes()
    new.__exit__(None, None, None)
    assert ["log"] == [e.op for e in log.events]


def test_the_default_device_can_be_set_in_the_cell() -> None:
    """torch insists on the bottom of the mode stack for its device mode: set before, in, and unset in the cell."""
    torch.set_default_device("cpu")
    log, _ = run(
        "a = torch.zeros(2).log()\ntorch.set_default_device(None)\ntorch.set_default_device('cpu')\nb = torch.zeros(2).log()"
    )
    left = len(modes())
    torch.set_default_device(None)

    assert 1 == left
    assert [1, 4] == [e.site.line for e in log.events if e.site]


def test_a_step_that_raises_stops_nothing() -> None:
    """Operations after a failed optimizer step are recorded."""
    cell = """
w = torch.ones(3, requires_grad=True)
opt = torch.optim.SGD([w], lr=1.0)
w.grad = torch.ones(3)
opt.param_groups[0]['lr'] = 'fast'
try:
    opt.step()
except (TypeError, ValueError):
    failed = True
y = torch.zeros(2).log()
"""
    log, names = run(cell)

    assert names["failed"]
    assert [("log", 10)] == [(e.op, e.site.line) for e in log.events if e.site]


def test_no_tensor_is_kept() -> None:
    """Of hundreds of tensors, finite or not, graphs and gradients included, none lives for us, in the cell or after it."""
    cell = """
def work():
    for i in range(40):
        x = torch.ones(3)
        y = (x * w).log() * float('nan')
        z = y.sum()
        z.backward()
        e = torch.empty(3)
        refs.extend(weakref.ref(t) for t in (x, y, z, e, w.grad))
        w.grad = None
work()
inside = sum(r() is not None for r in refs)
"""
    gc.collect()
    gc.disable()
    try:
        log, names = run(cell, w=nn.Parameter(torch.ones(3)), refs=[], weakref=weakref)
        after = sum(r() is not None for r in names["refs"])
    finally:
        gc.enable()

    assert (200, 0, 0) == (len(names["refs"]), names["inside"], after)
    assert len(log.events) < 12


def test_hooks_on_a_graph_that_outlives_the_cell_do_nothing() -> None:
    """Asking for the gradient in a later cell records nothing and fails nothing."""
    log, names = run("x = torch.zeros(2, requires_grad=True)\ny = x.sqrt().sum()")
    names["y"].backward()

    assert [] == log.events
    assert torch.isinf(names["x"].grad).all()


@pytest.mark.parametrize(
    "cell",
    ["y = torch.zeros(2).log()\nz = 1", "x = torch.zeros(2, requires_grad=True)\nx.sqrt().sum().backward()\nz = 1"],
)
def test_stop_raises_at_the_creation(cell: str) -> None:
    """`--stop`: forward and backward; the statements after it do not run, and nothing is left."""
    _, names = run(cell, OpLog(stop=True), error=NonFiniteError)

    assert "z" not in names
    assert [] == modes()


def test_memory_of_empty_is_no_finding_once_written() -> None:
    """`empty` is marked only while nothing was written to it; filling it row by row does not read all of it each time."""
    log, names = run(
        "never = torch.empty(4)\nbuffer = torch.empty(8, 2)\nfor i in range(8):\n    buffer[i] = torch.ones(2)\nfull = torch.empty(4).fill_(1.0)\nout = torch.empty(4)\ntorch.add(full, 1, out=out)"
    )

    event = log.event_of(key(names["never"]))
    assert event is not None
    assert "uninitialised" == event.kind
    assert log.event_of(key(names["full"])) is None
    assert log.event_of(key(names["out"])) is None


def test_a_nan_loop_keeps_few_events() -> None:
    """A thousand steps over lost values are one event per site."""
    log, _ = run("x = torch.zeros(2).log()\nfor i in range(1000):\n    x = x * 2 + 1")

    assert 3 == len(log.events)


# --- warnings ---------------------------------------------------------------------------------------------------------
STD = "torch.tensor([1.]).std()"


def heard(cell: str, filter: str, traced: bool) -> tuple[list[tuple[Any, ...]], list[tuple[str, int, str]]]:
    """The warnings of a cell, which lines remember that they warned included, and where its error passed, trimmed."""
    file = "<ipython-input-torch-warnings>"
    linecache.cache[file] = (len(cell), None, cell.splitlines(True), file)
    namespace: dict[str, Any] = {"torch": torch, "nn": nn, "F": nn.functional, "__name__": "__main__"}
    recorder = TorchRecorder(OpLog())
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # else torch itself gives some of them once per process
    passed: list[tuple[str, int, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(filter)  # type: ignore[arg-type]
        if traced:
            recorder.__enter__()
        try:
            exec(compile(cell, file, "exec"), namespace)
        except Warning as error:
            trim(error)
            frames = traceback.extract_tb(error.__traceback__)[1:]
            passed = [(f.filename, f.lineno or 0, f.name) for f in frames]
        finally:
            if traced:
                recorder.__exit__(None, None, None)
            torch.set_warn_always(always)
    found: list[tuple[Any, ...]] = [(w.filename, w.lineno, w.category, str(w.message)) for w in caught]
    remembered = namespace.get("__warningregistry__", {})
    found += sorted((k[2], k[1].__name__, k[0]) for k in remembered if isinstance(k, tuple))
    return found, passed


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (f"y = 1\nx = {STD}", [2]),
        (f"for _ in range(3):\n    {STD}", [2]),
        (f"{STD}\n{STD}", [1, 2]),
        (f"def f():\n    return {STD}\nfor _ in range(2):\n    f()\nf()", [2]),
        ("loss = torch.ones(1, requires_grad=True)\nfor _ in range(2):\n    total = float(loss)", [3]),
        ("w = torch.ones(1, requires_grad=True)\n(w * 2).grad", [2]),
        ("a = torch.ones(2)\ntorch.add(a, 1, out=torch.ones(3))", [2]),
        ("x = torch.ones(3, 3)\nx[0] = torch.ones(3).T", [2]),
        ("x = torch.ones(2)\n\nF.softmax(x)", [3]),
        ("x = torch.ones(2)\nF.mse_loss(x, x[:, None])", [2]),
        ("w = torch.ones(2, requires_grad=True)\nnn.MSELoss()(w, torch.ones(2, 1))", []),
        ("w = torch.ones(1, requires_grad=True)\n(w * 2).sum().backward(create_graph=True)", []),
    ],
)
def test_warnings_name_the_line_that_they_name_untraced(cell: str, lines: list[int]) -> None:
    """File, line, category, text, and once per line; a library's own line stays the library's."""
    plain, _ = heard(cell, "default", traced=False)
    traced, _ = heard(cell, "default", traced=True)

    assert plain
    assert plain == traced
    assert lines == [w[1] for w in traced if w[0] == "<ipython-input-torch-warnings>"]


@pytest.mark.parametrize(
    "cell",
    [
        f"def f():\n    return {STD}\n\nf()",
        "loss = torch.ones(1, requires_grad=True)\nfloat(loss)",
        "a = torch.ones(2)\ntorch.add(a, 1, out=torch.ones(3))",
        "x = torch.ones(2)\nF.softmax(x)",
        "x = torch.ones(2)\nF.mse_loss(x, x[:, None])",
    ],
)
def test_a_warning_made_an_error_passes_the_frames_that_it_passes_untraced(cell: str) -> None:
    """`simplefilter("error")`: the traceback has each of the user's lines once and none of ours."""
    _, plain = heard(cell, "error", traced=False)
    _, traced = heard(cell, "error", traced=True)

    assert plain
    assert plain == traced


def test_an_operation_inside_a_call_of_torch_is_called_from_the_users_frames_once() -> None:
    """What stands in for the user's line in warnings is no frame of the user's."""
    log, _ = run("def f(x):\n    return F.mse_loss(x, x)\n\ny = f(torch.full((2,), float('inf')))")

    created = [e for e in log.events if e.kind == "created"]
    assert [("f", 2)] == [(e.site.function, e.site.line) for e in created if e.site is not None]
    assert [("<module>", 4)] == [(code.co_name, line) for code, _, line in created[0].called_from[:1]]
