"""Watch reads what a cell could reach: no way to a variable, however roundabout, hides that it went non-finite."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run

# Name -> (earlier cells, the cell that makes `x` or `w` non-finite without always naming it).
WAYS: dict[str, tuple[str, str]] = {
    "a view of numpy": ("v = x[:2]", "v[:] = np.nan"),
    "the owner of a view": ("big = np.ones(9)\nx = big[3:5]", "big[:] = np.nan"),
    "memory shared with torch": ("t = torch.from_numpy(x)", "t.log_().mul_(np.inf).sub_(np.inf)"),
    ".data in a list": ("box = [w]", "box[0].data.fill_(float('nan'))"),
    "numpy of a parameter": ("a = w.detach().numpy()", "a[0] = np.nan"),
    "a function's global": ("def f():\n    x[:] = np.nan", "f()"),
    "a function's function's global": ("def f():\n    x[:] = np.nan\ndef g():\n    f()", "g()"),
    "a closure": ("def make(a):\n    def inner():\n        a[:] = np.nan\n    return inner\nf = make(x)", "f()"),
    "a callback in a dictionary": ("d = {'f': lambda: x.fill(np.nan)}", "d['f']()"),
    "a default argument": ("def f(a=x):\n    a[:] = np.nan", "f()"),
    "a method": ("class A:\n    def f(self):\n        x[:] = np.nan\no = A()", "o.f()"),
    "a property": ("class A:\n    @property\n    def f(self):\n        x[:] = np.nan\no = A()", "o.f"),
    "an inherited method": ("class A:\n    def f(self):\n        x[:] = np.nan\nclass B(A): pass\no = B()", "o.f()"),
    "an attribute of an object": ("class A: pass\no = A()\no.a = {'k': [x]}", "o.a['k'][0][:] = np.nan"),
    "a finaliser": ("class A:\n    def __del__(self):\n        x[:] = np.nan\no = A()", "del o"),
    "a context manager": (
        "import contextlib\n@contextlib.contextmanager\ndef c():\n    x[:] = np.nan\n    yield", "with c():\n    pass"),
    "a partial": ("import functools\np = functools.partial(np.divide, x, 0, x)", "p()"),
    "a generator": ("def g():\n    x[:] = np.nan\n    yield 1\nit = g()", "next(it)"),
    "an iterator": ("it = iter([x])", "next(it)[:] = np.nan"),
    "a view of a dictionary": ("d = {'k': x}\nvs = d.values()", "for v in vs:\n    v[:] = np.nan"),
    "a weak reference": ("import weakref\nr = weakref.ref(x)", "r()[:] = np.nan"),
    "a bound method of C": ("fill = x.fill", "fill(np.nan)"),
    "a lambda made and run": ("", "(lambda: x.fill(np.nan))()"),
    "a function made and run": ("", "def f():\n    x.fill(np.nan)\nf()"),
    "globals()": ("", "globals()['x'][:] = np.nan"),
    "exec": ("", "exec('x' + '[:] = np.nan')"),
    "the shell's namespace": ("", "get_ipython().user_ns['x'][:] = np.nan"),
    "%time": ("", "%time x[:] = np.nan"),
    "%%time": ("", "%%time\nx[:] = np.nan"),
    "the last output": ("x", "_[:] = np.nan"),
    "an older output": ("Out.clear()\nx", "list(Out.values())[-1][:] = np.nan"),
    "the main module": ("import sys", "sys.modules['__main__'].x[:] = np.nan"),
    "a module of the user's": ("import mine\nx = mine.state", "mine.step()"),
    "a function of a module of the user's": ("from mine import state as x, step", "step()"),
    "a class of a module of the user's": ("from mine import state as x, Stepper\no = Stepper()", "o.step()"),
    "a frame": ("import inspect", "inspect.currentframe().f_globals['x'][:] = np.nan"),
    "the collector": ("import gc\nx = [1.0, 2.0]", "for o in gc.get_objects():\n    if o is x:\n        o[0] = float('nan')"),
    "a gradient of an unnamed leaf": ("loss = (w * 0).sqrt().sum()", "loss.backward()"),
    "a gradient in a function": ("loss = (w * 0).sqrt().sum()\ndef f(l):\n    l.backward()", "f(loss)"),
    "a gradient by torch.autograd": ("loss = (w * 0).sqrt().sum()", "torch.autograd.backward(loss)"),
    "an optimizer": ("o = torch.optim.SGD([w], lr=float('inf'))\nw.grad = torch.zeros(3)", "o.step()"),
    "a fused optimizer": ("o = torch.optim.SGD([w], lr=1e38, fused=True)\nw.grad = torch.full((3,), 1e38)", "o.step()"),
    "batch norm's statistics": (
        "m = torch.nn.BatchNorm1d(3)\nd = {'m': m}\nbad = torch.full((2, 3), 1e38)", "d['m'](bad * 10).shape"),
    "a hook of a module": (
        "seen = []\nm = torch.nn.Linear(3, 3)\nh = m.register_forward_hook(lambda m, i, o: x.fill(np.nan))",
        "m(torch.ones(1, 3)).shape"),
    "a node's hook": ("z = w * 2\nz.grad_fn.register_hook(lambda a, b: x.fill(np.nan)) and 0", "z.sum().backward()"),
    "a backward of the user's": (
        "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(c, a):\n        return a * 1\n    @staticmethod\n"
        "    def backward(c, g):\n        x.fill(np.nan)\n        return g\nz = F.apply(w).sum()", "z.backward()"),
    "a hook of a tensor": ("z = w * 2\nh = z.register_hook(lambda g: x.fill(np.nan))", "z.sum().backward()"),
    "a sort key": ("f = lambda v: x.fill(np.nan) or v", "sorted([1, 2], key=f)"),
    "another name of the object": ("y = x", "y[:] = np.nan"),
    "a name that moved": ("q = 1.0", "q = float('inf') - float('inf')"),
    "an await": ("async def f():\n    x[:] = np.nan", "await f()"),
}  # fmt: skip
SETUP = "import numpy as np, torch\nx = np.ones(3)\nw = torch.ones(3, requires_grad=True)"
MINE = (
    "import numpy as np\nstate = np.ones(3)\ndef step():\n    state[:] = np.nan\n"
    "class Stepper:\n    def step(self):\n        state[:] = np.nan\n"
)


@pytest.fixture(scope="module")
def ran() -> dict[str, list[Cell]]:
    """All ways, watched, in one process; between making the way and using it a cell that reaches nothing."""
    notebooks: list[dict[str, Any]] = [
        {
            "cells": [SETUP, before or "0", "unrelated = 1", "unrelated = 2", after],
            "traced": [],
            "files": {"mine.py": MINE},
        }
        for before, after in WAYS.values()
    ]
    return dict(zip(WAYS, run(notebooks), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_followed(way: str, ran: dict[str, list[Cell]]) -> None:
    """The cell that made it non-finite is the one that tells."""
    *healthy, last = ran[way]

    assert last.ok, last.error
    assert [[]] * len(healthy) == [cell.alarms for cell in healthy]
    assert [] != last.alarms
