"""A cell that diverged is trained once more on copies: the advice names a setting that was finite, and nothing else changes."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from .harness import Cell, run

MODEL = """import torch
torch.manual_seed(3)
size = torch.rand(48, 3) * 4
rent = size @ torch.tensor([[20.0], [5.0], [1.0]])
class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 8)
        self.last = torch.nn.Linear(8, 1)
    def forward(self, x):
        return self.last(self.first(x))
net = Line()
sgd = torch.optim.SGD(net.parameters(), lr=0.9)"""
FIT = """for turn in range(40):
    sgd.zero_grad()
    gap = (net(size) - rent).square().mean()
    gap.backward()
    sgd.step()
print("ran", type(net) is Line, round(torch.rand(1).item(), 6))"""
BATCHES = """from torch.utils.data import DataLoader, TensorDataset
batches = DataLoader(TensorDataset(size, rent), batch_size=16, shuffle=True)
net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Linear(8, 1))
rate = 0.8
sgd = torch.optim.SGD(net.parameters(), lr=rate)
for epoch in range(30):
    for some, price in batches:
        gap = (net(some) - price).square().mean()
        sgd.zero_grad()
        gap.backward()
        sgd.step()"""
FUNCTION = """def fit(net, x, y, turns):
    seen = []
    for turn in range(turns):
        sgd.zero_grad()
        gap = (net(x) - y).square().mean()
        gap.backward()
        sgd.step()
        seen.append(gap.item())
    return seen"""
NUMPY = """import numpy as np
rng = np.random.default_rng(2)
x = rng.uniform(0, 30, size=(40, 2))
y = x @ np.array([1.0, -2.0])"""
DESCENT = """w = rng.normal(size=2)
eta = 0.02
for i in range(600):
    off = x @ w - y
    cost = np.mean(off ** 2)
    w = w - eta * 2 * x.T @ off / 40"""
TENSORFLOW = """import tensorflow as tf
tf.random.set_seed(1)
x = tf.random.uniform((30, 2), maxval=5.0)
y = tf.reduce_sum(x, 1, keepdims=True)
w = tf.Variable(tf.zeros((2, 1)))
opt = tf.keras.optimizers.SGD(2.0)
@tf.function
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(x @ w - y))
    opt.apply_gradients(zip(tape.gradient(loss, [w]), [w]))
    return loss"""
GRAPH = "for i in range(150):\n    loss = step()"
SIGN = """import torch
torch.manual_seed(0)
a = torch.randn(20, 2)
w = torch.zeros(2, requires_grad=True)
for i in range(900):
    off = (a @ w - 1).square().mean()
    off.backward()
    with torch.no_grad():
        w += 0.3 * w.grad
    w.grad = None"""
CLEAR = """net = torch.nn.Linear(3, 1)
sgd = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for turn in range(3000):
    gap = (net(size) - rent).square().mean()
    gap.backward()
    sgd.step()"""
CALLBACK = """calls = []
def report(value):
    calls.append(open("seen.txt", "a").write("x"))
    return value
for turn in range(40):
    sgd.zero_grad()
    gap = report((net(size) - rent).square().mean())
    gap.backward()
    sgd.step()
print(len(calls), len(open("seen.txt").read()))"""
TRAINER = """class Trainer:
    turns = 50
    def __init__(self, net, step):
        self.net = net
        self.opt = torch.optim.SGD(net.parameters(), lr=step)
    def fit(self):
        for turn in range(self.turns):
            self.opt.zero_grad()
            gap = (self.net(size) - rent).square().mean()
            gap.backward()
            self.opt.step()
        return gap"""
SCHEDULE = """sched = torch.optim.lr_scheduler.ExponentialLR(sgd, gamma=3.0)
for turn in range(60):
    sgd.zero_grad()
    gap = (net(size) - rent).square().mean()
    gap.backward()
    sgd.step()
    sched.step()"""
NOTEBOOKS: dict[str, dict[str, Any]] = {
    "class": {"cells": [MODEL, FIT], "traced": [1]},
    "batches": {"cells": [MODEL, BATCHES], "traced": [1]},
    "function": {"cells": [MODEL, FUNCTION, "seen = fit(net, size, rent, 40)"], "traced": [2]},
    "numpy": {"cells": [NUMPY, DESCENT], "traced": [1]},
    "numpy watched": {"cells": [NUMPY, DESCENT.replace("rng.normal(size=2)", "np.zeros(2)")], "traced": []},
    "tensorflow": {"cells": [TENSORFLOW, GRAPH], "traced": [1]},
    "trainer": {"cells": [MODEL, TRAINER, "gap = Trainer(net, 0.6).fit()"], "traced": [2]},
    "schedule": {"cells": [MODEL, SCHEDULE], "traced": [1]},
    "sign": {"cells": [SIGN], "traced": [0]},
    "clear": {"cells": [MODEL, CLEAR], "traced": [1]},
    "callback": {"cells": [MODEL, CALLBACK], "traced": [1]},
    "nothing kept": {
        "cells": [MODEL, FIT, "import gc\nprint([type(o).__name__ for o in gc.get_objects() "
                  "if type(o).__name__ in ('Beginning', 'World', 'Ran', 'Trainer', 'Line')])"],
        "traced": [1],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def ran() -> dict[str, list[Cell]]:
    """All notebooks, one after the other, on a clock that a busy machine does not run out."""
    patient = {
        "cells": [
            "from jupyter_numguard import once_more, trainer\n"
            "trainer.MAX_SECONDS = trainer.MAX_CONTROL = once_more.MAX_CELL = 200.0"
        ],
        "traced": [],
    }
    return dict(zip(NOTEBOOKS, run([patient, *NOTEBOOKS.values()])[1:], strict=True))


def _advice(cells: list[Cell]) -> str:
    return str(next(f["diagnoses"][0]["advice"] for cell in reversed(cells) for f in cell.alarms))


def _after_plain(*cells: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), space)
    return space


@pytest.mark.parametrize(
    ("name", "pattern", "change"),
    [
        ("class", r"a learning rate of (\S+) in `sgd` in place of 0.9", "lr=0.9"),
        ("function", r"a learning rate of (\S+) in `sgd` in place of 0.9", "lr=0.9"),
        ("trainer", r"lr=(\S+) in place of 0.6", "0.6"),
        ("batches", r"lr=(\S+) in place of 0.8", "rate = 0.8"),
        ("numpy", r"eta = (\S+) in place of 0.02", "eta = 0.02"),
        ("numpy watched", r"eta = (\S+) in place of 0.02", "eta = 0.02"),
        ("tensorflow", r"a learning rate of (\S+) in `opt` in place of 2", "SGD(2.0)"),
    ],
)
def test_the_named_rate_is_finite_in_the_users_program(
    ran: dict[str, list[Cell]], name: str, pattern: str, change: str
) -> None:
    """The rate of the advice, put into the program, gives the finite loss that the advice says."""
    said = re.search(
        rf"Tried on copies: with {pattern} `(\w+)` stays finite and goes from (\S+) to (\S+) in (\d+) steps",
        _advice(ran[name]),
    )
    assert said is not None, _advice(ran[name])
    rate, loss, last = said[1], said[2], float(said[4])
    written = change.replace(change.strip(")").split("=")[-1].strip().split("(")[-1], rate)
    cells = [c.replace(change, written) for c in NOTEBOOKS[name]["cells"]]

    space = _after_plain(*cells)
    value = space["seen"][-1] if name == "function" else float(getattr(space[loss], "detach", lambda: space[loss])())

    assert math.isfinite(value)
    assert name == "tensorflow" or math.isclose(value, last, rel_tol=1e-2, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sign", "with the sign turned `off` stays finite"),
        ("clear", "with the gradients cleared after each step `gap` stays finite"),
        ("schedule", "Look at the update itself: its sign, what it adds, a schedule that raises the rate."),
        ("class", "With the gradient's norm clipped to 1 and the rate as it was, `gap` "),
    ],
)
def test_other_settings_are_tried_where_the_rule_is_about_them(
    ran: dict[str, list[Cell]], name: str, words: str
) -> None:
    """A wrong sign, gradients that are never cleared and steps without clipping are tried as such."""
    assert words in _advice(ran[name])


def test_what_the_user_has_is_as_without(ran: dict[str, list[Cell]]) -> None:
    """Random numbers, the class of a model and what was printed are those of the plain program."""
    space = _after_plain(MODEL, FIT.rsplit("\n", 1)[0])
    expected = f"ran True {round(space['torch'].rand(1).item(), 6)}"

    assert ran["class"][1].text.count("ran ") == 1
    assert expected in ran["class"][1].text


def test_a_loop_that_calls_code_with_an_effect_is_not_run_again(ran: dict[str, list[Cell]]) -> None:
    """The callback was called as often as the loop turned, and the advice says why nothing was tried."""
    assert "40 40" in ran["callback"][1].text
    assert "No other setting was tried: `open(" in _advice(ran["callback"])


def test_nothing_is_kept(ran: dict[str, list[Cell]]) -> None:
    """After the cell there is one model, the user's, and none of our copies."""
    assert "['Line']" in ran["nothing kept"][2].text
