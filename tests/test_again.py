"""A watched cell that fails: its statements are run once more on copies, so that watch says what the trace would."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run

T = "import torch\nimport torch.nn.functional as F\n"
EXPLAINED: dict[str, tuple[list[str], tuple[int, int, str, str]]] = {
    "an expression": (
        [T + "score = torch.tensor([30.])", "loss = -torch.log(1 - torch.sigmoid(score)).mean()"],
        (1, 1, "log", "C2"),
    ),
    "statements before it in the cell": (
        [T + "x = torch.tensor([2., 0.])", "share = x / x.sum()\nentropy = -(share * share.log()).sum()"],
        (1, 2, "log", "C2"),
    ),
    "a gradient": (
        [T + "w = torch.zeros(4, requires_grad=True)", "size = w.norm(p=2) + (w * w).sum().sqrt()\nsize.backward()"],
        (1, 1, "sqrt", "C3"),
    ),
    "a gradient of values that random numbers made": (
        [T + "w = (torch.rand(4) * 0).requires_grad_()", "size = (w * w).sum().sqrt()", "size.backward()\nseen = w.grad"],
        (1, 1, "sqrt", "C3"),
    ),
    "a function of an earlier cell": (
        [T + "def scaled(v):\n    spread = v.std()\n    return (v - v.mean()) / spread", "out = scaled(torch.ones(5))"],
        (0, 5, "div", "C4"),
    ),
    "a loop whose start is known": (
        [
            T + "x = torch.arange(1., 9.)",
            "w = torch.zeros((), requires_grad=True)\nopt = torch.optim.SGD([w], lr=1.0)",
            "for step in range(60):\n    opt.zero_grad()\n    loss = ((w * x - 3 * x) ** 2).mean()\n    loss.backward()\n"
            "    opt.step()\n    print(step, loss.item())",
        ],
        (2, 3, "pow", "C7"),
    ),
    "the start of a loop is changed since": (
        [T + "x = torch.ones(3)\nx *= 0", "y = torch.log(x)\nx += 1"],
        (1, 1, "log", "C1"),
    ),
    "a value that is only displayed": ([T + "x = torch.zeros(2)", "y = x + 0\ny.log().mean()"], (1, 2, "log", "C1")),
    "the last turn of a loop with random numbers": (
        [
            T + "batches = [torch.rand(3) + 1, torch.zeros(3)]",
            "for b in iter(batches):\n    noise = torch.rand(1) * 0\n    part = b - noise\n    low = torch.log(part).sum()",
        ],
        (1, 4, "log", "C1"),
    ),
    "a function that reads what another cell bound": (
        [T + "eps = 0.0\ndef total(v):\n    return v.sum() + eps\ndef share(v):\n    return v / total(v)", "v = torch.zeros(3)",
         "eps = 0.0 * 2\ns = share(v)"],
        (0, 7, "div", "C1"),
    ),
    "an error at the end of the cell": (
        [T + "x = torch.zeros(2)", "try_it = torch.log(x)\nint('no number')"],
        (1, 1, "log", "C1"),
    ),
    "TensorFlow": (
        ["import tensorflow as tf\nz = tf.constant([[95., 1.]])", "e = tf.exp(z)\np = e / tf.reduce_sum(e)"],
        (1, 1, "exp", "C2"),
    ),
    "a tape of TensorFlow's": (
        [
            "import tensorflow as tf\nv = tf.Variable([0., 1.])",
            "with tf.GradientTape() as tape:\n    r = tf.reduce_sum(tf.sqrt(v))\ng = tape.gradient(r, v)",
        ],
        (1, 2, "sqrt", "C3"),
    ),
}  # fmt: skip

# Each ends with a cell that prints what would have been done twice, and what it must print. Every one has a NaN.
HOSTILE: dict[str, tuple[list[str], str]] = {
    "a generator": (
        [T + "it = iter([torch.zeros(1)] * 5)", "y = torch.log(next(it))", "print(len(list(it)))"], "4"
    ),
    "an iterator in a loop": (
        [T + "it = iter([torch.zeros(1)] * 5)", "for v in it:\n    y = torch.log(v)\n"
         "    break", "print(len(list(it)))"], "4"
    ),
    "pop": (
        [T + "stack = [torch.zeros(1)] * 3", "y = torch.log(stack.pop())", "print(len(stack))"], "2"
    ),
    "append": (
        [T + "log, x = [], torch.zeros(1)", "y = torch.log(x)\nlog.append(y)", "print(len(log))"], "1"
    ),
    "print": (
        [T + "x = torch.zeros(1)", "y = torch.log(x)\nprint('said', y.item())", "print('end')"], "end"
    ),
    "input": (
        [T + "asked = []\ndef input(*a):\n    asked.append(1)\n"
         "    return '0'", "y = torch.log(torch.tensor(float(input())))",
         "print(len(asked))"], "1"
    ),
    "random numbers": (
        [T + "torch.manual_seed(0)", "x = torch.rand(3) * 0\ny = torch.log(x)",
         "a = torch.rand(1)\ntorch.manual_seed(0)\nb = torch.rand(3), torch.rand(1)\nprint(torch.equal(a, b[1]))"], "True"
    ),
    "numpy's random numbers": (
        [T + "import numpy as np\nrng = np.random.default_rng(0)", "y = torch.log(torch.tensor(rng.normal() * 0))",
         "print(np.random.default_rng(0).normal(size=2)[1] == rng.normal())"], "True"
    ),
    "dropout": (
        [T + "x = torch.zeros(4)\ntorch.manual_seed(1)", "y = torch.log(F.dropout(x))",
         "a = torch.rand(1)\ntorch.manual_seed(1)\nF.dropout(x)\nprint(torch.equal(a, torch.rand(1)))"], "True"
    ),
    "a global counter": (
        [T + "calls = 0\ndef f(x):\n    global calls\n    calls += 1\n    return torch.log(x)\n"
         "x = torch.zeros(1)", "y = f(x)",
         "print(calls)"], "1"
    ),
    "a counter in a closure": (
        [T + "def make():\n    seen = []\n    def f(x):\n        seen.append(1)\n        return torch.log(x)\n"
         "    return f, seen\n"
         "f, seen = make()\nx = torch.zeros(1)", "y = f(x)", "print(len(seen))"], "1"
    ),
    "a default argument": (
        [T + "def f(x, seen=[]):\n    seen.append(1)\n    return torch.log(x)\nx = torch.zeros(1)", "y = f(x)",
         "print(len(f.__defaults__[0]))"], "1"
    ),
    "a property": (
        [T + "class Box:\n    reads = 0\n    @property\n    def data(self):\n        Box.reads += 1\n"
         "        return torch.zeros(1)\n"
         "box = Box()", "y = torch.log(box.data)", "print(Box.reads)"], "1"
    ),
    "__getattr__": (
        [T + "class Box:\n    def __getattr__(self, name):\n        asked.append(name)\n        return torch.zeros(1)\n"
         "asked = []\nbox = Box()", "y = torch.log(box.grad)", "print(asked.count('grad'))"], "1"
    ),
    "methods named as a framework's": (
        [T + "class Box:\n    n = 0\n    def mean(self):\n        Box.n += 1\n        return torch.zeros(1)\nbox = Box()",
         "y = torch.log(box.mean())", "print(Box.n)"], "1"
    ),
    "operators of a class": (
        [T + "class Box:\n    n = 0\n    def __mul__(self, other):\n        Box.n += 1\n"
         "        return torch.zeros(1)\nbox = Box()",
         "y = torch.log(box * 2)", "print(Box.n)"], "1"
    ),
    "a subclass of Tensor": (
        [T + "n = []\nclass Sub(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, f, t, a=(), k=None):\n"
         "        n.append(getattr(f, '__name__', ''))\n        return super().__torch_function__(f, t, a, k or {})\n"
         "x = torch.zeros(2).as_subclass(Sub)", "y = torch.log(x)", "print(n.count('log'))"], "1"
    ),
    "a subclass of ndarray": (
        [T + "import numpy as np\nn = []\nclass Sub(np.ndarray):\n"
         "    def __array_ufunc__(self, u, m, *a, **k):\n        n.append(1)\n"
         "        return torch.zeros(1)\nx = np.zeros(2).view(Sub)", "y = torch.log(x * 2)", "print(len(n))"], "1"
    ),
    "a hook on a tensor": (
        [T + "n = []\nw = torch.zeros(1, requires_grad=True)\nh = w.register_hook(lambda g: n.append(1))",
         "w.sqrt().sum().backward()", "print(len(n))"], "1"
    ),
    "a hook on a layer": (
        [T + "n = []\nf = torch.nn.Softmax(-1)\nh = f.register_forward_hook(lambda *a: n.append(1))\n"
         "x = torch.full((3,), -float('inf'))", "y = f(x)", "print(len(n))"], "1"
    ),
    "a hook on every layer": (
        [T + "n = []\nfrom torch.nn.modules.module import register_module_forward_hook as reg\nf = torch.nn.Softmax(-1)\n"
         "x = torch.full((3,), -float('inf'))\nh = reg(lambda *a: n.append(1))", "y = f(x)", "h.remove()\n"
         "print(len(n))"], "1"
    ),
    "a hook on every optimizer": (
        [T + "n = []\nfrom torch.optim.optimizer import register_optimizer_step_post_hook as reg\n"
         "h = reg(lambda *a: n.append(1))",
         "w = torch.zeros(1, requires_grad=True)\nopt = torch.optim.SGD([w], lr=1.)\nw.sqrt().sum().backward()\nopt.step()",
         "h.remove()\nprint(len(n))"], "1"
    ),
    "a mode of the user's": (
        [T + "from torch.overrides import TorchFunctionMode\nn = []\nclass Mode(TorchFunctionMode):\n"
         "    def __torch_function__(self, f, t, a=(), k=None):\n        n.append(getattr(f, '__name__', ''))\n"
         "        return f(*a, **(k or {}))\nx = torch.zeros(2)\nmode = Mode()\nq = mode.__enter__()", "y = torch.log(x)",
         "q = mode.__exit__(None, None, None)\nprint(n.count('log'))"], "1"
    ),
    "in place": (
        [T + "x = torch.full((2,), -1.)\nx0 = x", "x.add_(1)\n"
         "y = torch.log(x)", "print(x0.tolist(), x._version)"], "[0.0, 0.0] 1"
    ),
    "out=": (
        [T + "x, o = torch.zeros(2), torch.ones(2)", "y = torch.log(x, out=o)", "print(o._version)"], "1"
    ),
    "numpy's out=": (
        [T + "import numpy as np\no = np.ones(2)", "r = np.add(o, 1, out=o)\n"
         "y = torch.log(torch.tensor(o - 2))", "print(o.tolist())"],
        "[2.0, 2.0]",
    ),
    "a variable of TensorFlow's": (
        ["import tensorflow as tf\nv = tf.Variable([-1.])", "q = v.assign_add([1.])\n"
         "y = tf.math.log(v)", "print(v.numpy()[0])"],
        "0.0",
    ),
    "gradients add up": (
        [T + "w = torch.tensor([4.], requires_grad=True)\nz = torch.zeros(1, requires_grad=True)",
         "(w.sqrt() + z.sqrt()).sum().backward()", "print(w.grad.item())"], "0.25"
    ),
    "an optimizer's state": (
        [T + "w = torch.zeros(1, requires_grad=True)\nopt = torch.optim.Adam([w])", "w.sqrt().sum().backward()\nopt.step()",
         "print(opt.state[w]['step'].item())"], "1.0"
    ),
    "a file": (
        [T + "import pathlib\nf = pathlib.Path('lines.txt')\nf.write_text('')",
         "with open('lines.txt', 'a') as h:\n    q = h.write('x')\n"
         "    y = torch.log(torch.zeros(1))", "print(f.read_text())"], "x"
    ),
    "code as text": (
        [T + "n = []", "exec('n.append(1)')\ny = eval('torch.log(torch.zeros(1))')", "print(len(n))"], "1"
    ),
    "a name that hides a builtin": (
        [T + "n = []\ndef abs(x):\n    n.append(1)\n    return x\n"
         "x = torch.zeros(1)", "y = torch.log(abs(x))", "print(len(n))"], "1"
    ),
    "a module of the user's": (
        [T + "import types\nmod = types.ModuleType('torch.fake')\nn = []\n"
         "mod.log = lambda x: (n.append(1), torch.log(x))[1]\n"
         "x = torch.zeros(1)", "y = mod.log(x)", "print(len(n))"], "1"
    ),
    "a function of torch replaced": (
        [T + "n = []\nold = torch.log\ndef log(x):\n    n.append(1)\n    return old(x)\ntorch.log = log\n"
         "x = torch.zeros(1)",
         "y = torch.log(x)", "torch.log = old\nprint(len(n))"], "1"
    ),
    "a class with a layer's name": (
        [T + "n = []\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        n.append(1)\n"
         "        return torch.log(x)\n"
         "net = Net()\nx = torch.zeros(1)", "y = net(x)", "print(len(n))"], "1"
    ),
    "numpy's error handler": (
        [T + "import numpy as np\nn = []\nold = np.seterr(all='call'), np.seterrcall(lambda *a: n.append(1))\n"
         "x = torch.zeros(1)",
         "y = torch.log(x)\nz = np.zeros(1) / np.zeros(1)\nw = torch.tensor(z) + y",
         "q = np.seterrcall(old[1]), np.seterr(**old[0])\nprint(len(n))"], "1"
    ),
    "a method of Tensor replaced": (
        [T + "n = []\nold = torch.Tensor.log\nx = torch.zeros(1)\ntorch.Tensor.log = lambda x: (n.append(1), old(x))[1]",
         "y = x.log()", "torch.Tensor.log = old\nprint(len(n))"], "1"
    ),
    "warnings": (
        [T + "import warnings\nn = []\nold = warnings.showwarning\nwarnings.showwarning = lambda *a, **k: n.append(1)\n"
         "warnings.simplefilter('always')\nx = torch.ones(1)", "y = x.std() * 1", "warnings.showwarning = old\n"
         "print(len(n))"], "1"
    ),
}  # fmt: skip


# What is not run again, and why.
REFUSED: dict[str, tuple[list[str], str]] = {
    "a layer with random numbers that is trained": (
        [T + "x = torch.ones(4, 2)\nnet = torch.nn.Linear(2, 1)\nopt = torch.optim.SGD(net.parameters(), lr=1e30)",
         "for k in range(5):\n    loss = net(x).square().mean()\n    opt.zero_grad()\n    loss.backward()\n    opt.step()"],
        "`torch.nn.Linear` may do more than compute",
    ),
    "what is too large": ([T + "x = torch.zeros(17_000_000)", "y = torch.log(x)"], "`y` is larger than 64 MiB"),
    "what the turn before left": (
        [T + "x = torch.rand(4)", "for k in range(3):\n    x = x - x.mean()\n    y = x / (x * 0).sum()"],
        "`torch.rand` may do more than compute",
    ),
    "what changed since under another name": (
        [T + "x = torch.rand(3) * 0 + 1\nv = x.view(3)", "y = torch.log(x - 1)\nv.mul_(2)"],
        "`torch.rand` may do more than compute",
    ),
    "what ends never": (
        [
            # The limit is put where this loop is beyond it on any machine.
            T + "n, x = 0, torch.ones(1)\nimport jupyter_numguard.again as a; a.MAX_SECONDS = 0.02",
            "while n < 3 * 10**6:\n    n += 1\n    if n > 3 and n < 6:\n        x = x / 0",
        ],
        "it took more than 10 seconds",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def refused() -> dict[str, list[Cell]]:
    """The notebooks of `REFUSED`, watched."""
    notebooks: list[dict[str, Any]] = [{"cells": cells, "traced": []} for cells, _ in REFUSED.values()]
    return dict(zip(REFUSED, run(notebooks), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_run_again_is_told_with_its_reason(refused: dict[str, list[Cell]], name: str) -> None:
    """Nothing is claimed of an operation, and the trace is offered."""
    cell = refused[name][-1]

    assert [f"not run again: {REFUSED[name][1]}"] == [n["reason"] for n in cell.reports[0]["execution"]["not_traced"]]
    assert {False} == {f["origin"]["run_again"] for f in cell.alarms}
    assert "put %%numguard on top of the cell and run it again" in cell.text


def test_no_copy_outlives_the_report() -> None:
    """Functions of the second run and the namespace that they are defined in hold each other: they are let go."""
    cells = [
        T + "import gc\ngc.collect()\ngc.disable()\ndef f(v):\n    return torch.log(v)\nx = torch.zeros(400_000)",
        "y = f(x) + x",
        "print(sum(issubclass(type(o), torch.Tensor) and o.numel() == 400_000 for o in gc.get_objects()))\ngc.enable()",
    ]
    ran = run([{"cells": cells, "traced": []}])[0]

    assert ran[1].alarms[0]["origin"]["run_again"]
    assert "2" == ran[2].text.strip()


@pytest.fixture(scope="module")
def explained() -> dict[str, list[Cell]]:
    """The notebooks of `EXPLAINED`, watched."""
    notebooks: list[dict[str, Any]] = [{"cells": cells, "traced": []} for cells, _ in EXPLAINED.values()]
    return dict(zip(EXPLAINED, run(notebooks), strict=True))


@pytest.fixture(scope="module")
def hostile() -> dict[str, list[Cell]]:
    """The notebooks of `HOSTILE`, watched."""
    notebooks: list[dict[str, Any]] = [{"cells": cells, "traced": []} for cells, _ in HOSTILE.values()]
    return dict(zip(HOSTILE, run(notebooks), strict=True))


@pytest.mark.parametrize("name", EXPLAINED)
def test_watch_says_what_the_trace_would(explained: dict[str, list[Cell]], name: str) -> None:
    """Line, operation, operands and category, as likely, and that it was seen in a second run."""
    cells, (cell, line, op, category) = explained[name], EXPLAINED[name][1]
    alarm = next(c for c in reversed(cells) if c.alarms).alarms[0]
    origin = alarm["origin"]

    assert (cell, line, op, category, "likely", True) == (
        origin["execution"]["count"] - cells[0].count,
        origin["line"],
        origin["op"],
        alarm["diagnoses"][0]["category"],
        origin["confidence"],
        origin["run_again"],
    )
    assert origin["operands"]
    assert "seen by running its statements again on copies" in cells[-1].text


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_done_twice(hostile: dict[str, list[Cell]], name: str) -> None:
    """What a statement does beside computing happened once, and the NaN was found."""
    *before, last = hostile[name]

    assert [] == [c.error for c in hostile[name] if c.error]
    assert any(c.alarms for c in before)
    assert HOSTILE[name][1] == last.text.strip().split("\n")[-1].strip()
    assert sum(c.text.count("said") for c in before) == (1 if name == "print" else 0)
