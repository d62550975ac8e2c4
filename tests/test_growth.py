"""How values grew: bounded series, the rising end of one, and what findings of real training loops show."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jupyter_numguard.growth import MAX_POINTS, Series, next_run, rising_end
from jupyter_numguard.model import History

from .harness import run

DIVERGING = """import torch
torch.manual_seed(0)
x, y = torch.randn(32, 4), torch.randn(32, 1)
layer = torch.nn.Linear(4, 1)
opt = torch.optim.SGD(layer.parameters(), lr={rate})
for step in range(200):
    opt.zero_grad()
    loss = ((layer(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
"""
BY_HAND = """import torch
w = torch.tensor(2.0, requires_grad=True)
for step in range(100):
    loss = w.pow(4)
    loss.backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
    w.grad = None
"""
LATER = """import torch
w = torch.tensor(1.0, requires_grad=True)
opt = torch.optim.SGD([w], lr=1.1)
for step in range(300):
    rest = torch.log(torch.tensor(3.0 - min(step, 3)))
    loss = w * w
    opt.zero_grad()
    loss.backward()
    opt.step()
"""
RECURRENCE = """import torch
torch.manual_seed(0)
W, h = torch.randn(64, 64), torch.ones(1, 64)
for t in range(200):
    h = h @ W
"""

FIRST_STEP = """import torch
torch.manual_seed(0)
layer = torch.nn.Linear(10, 1)
with torch.no_grad():
    layer.weight.normal_(0, 1e20)
opt = torch.optim.SGD(layer.parameters(), lr=0.1)
x, y = torch.randn(16, 10), torch.randn(16, 1)
for step in range(3):
    opt.zero_grad()
    loss = ((layer(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
"""


@pytest.fixture(scope="module")
def findings() -> dict[str, list[dict[str, Any]]]:
    """The alarms of each program, traced."""
    programs = {
        "optimizer": DIVERGING.format(rate=5.0),
        "one step": DIVERGING.format(rate=1e30),
        "healthy": DIVERGING.format(rate=0.05),
        "by hand": BY_HAND,
        "recurrence": RECURRENCE,
        "later": LATER,
        "first step": FIRST_STEP,
    }
    answers = run([{"cells": [source], "traced": None} for source in programs.values()])
    return {name: cells[0].alarms for name, cells in zip(programs, answers, strict=True)}


def test_a_series_stays_bounded_and_keeps_its_newest_points() -> None:
    """After ten thousand steps a report gets at most 200 points, in order, the last hundred without a gap."""
    series = Series()
    for step in range(1, 10_001):
        series.add(step, float(step))

    history = series.history("loss")

    assert history is not None
    assert len(series.step) <= 401
    assert MAX_POINTS == len(history.step)
    assert sorted(set(history.step)) == list(history.step)
    assert 1 == history.step[0]
    assert tuple(range(9901, 10_001)) == history.step[-100:]


def test_a_series_ends_with_its_first_nonfinite_point() -> None:
    """What comes after it says nothing about how it grew."""
    series = Series()
    for step, value in enumerate((1.0, 2.0, math.inf, 3.0, math.nan)):
        series.add(step, value)

    assert [1.0, 2.0, math.inf] == series.absmax


def test_costly_magnitudes_are_taken_ever_more_seldom() -> None:
    """Of ten thousand runs of a line fewer than thirty are measured."""
    runs, run_ = [], 1
    while run_ < 10_000:
        run_ = next_run(run_)
        runs.append(run_)

    assert [2, 3, 4, 6, 8, 12, 16, 24] == runs[:8]
    assert len(runs) < 30


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1.0, 2.0, 4.0, 8.0), (1.0, 8.0, 3)),
        ((100.0, 10.0, 1.0, 1e3, 1e6), (1.0, 1e6, 2)),  # it fell before it rose
        ((1.0, 5.0, 3.0, 50.0, 30.0, 500.0), (1.0, 500.0, 5)),  # swings do not end a rise
        ((8.0, 4.0, 2.0), None),
        ((1.0,), None),
        ((0.0, 0.0), None),
        ((1.0, 10.0, math.inf), (1.0, 10.0, 1)),
    ],
)
def test_the_rising_end_of_a_history(values: tuple[float, ...], expected: tuple[float, float, int] | None) -> None:
    """From the last minimum on; without non-finite points."""
    end = rising_end(History("x", tuple(range(len(values))), values))

    assert expected == (None if end is None else (end.first, end.last, end.steps))


def test_the_loss_of_a_diverging_training_shows_how_it_grew(findings: dict[str, list[dict[str, Any]]]) -> None:
    """One point per step, rising, up to the step that overflowed."""
    (loss,) = [f for f in findings["optimizer"] if f["variable"] == "loss"]

    history = loss["history"]

    assert "loss" == history["variable"]
    assert list(range(1, len(history["step"]) + 1)) == history["step"]
    assert "Infinity" == history["absmax"][-1]
    assert loss["origin"]["occurrence"] == history["step"][-1]
    assert history["absmax"][:-1] == sorted(history["absmax"][:-1])


def test_what_grew_after_the_failing_step_is_no_cause_of_it(findings: dict[str, list[dict[str, Any]]]) -> None:
    """A parameter and a loss that grow to 1e20 later did not make the logarithm of zero."""
    (rest,) = [f for f in findings["later"] if f["variable"] == "rest"]

    assert 4 == rest["origin"]["occurrence"]
    assert ["NG101"] == [d["rule"] for d in rest["diagnoses"]]


@pytest.mark.parametrize("program", ["optimizer", "one step", "by hand"])
def test_divergence_is_told_with_its_growth(findings: dict[str, list[dict[str, Any]]], program: str) -> None:
    """The first diagnosis is the divergence, its evidence names first and last magnitude."""
    best = findings[program][0]["diagnoses"][0]

    assert "NG701" == best["rule"]
    assert " grew from " in best["evidence"]


def test_what_overflows_in_the_first_forward_pass_has_not_diverged(findings: dict[str, list[dict[str, Any]]]) -> None:
    """Before any step there is the initialisation alone; a history of two values within it is no training."""
    alarm = findings["first step"][0]

    assert (alarm["origin"]["occurrence"], alarm["diagnoses"][0]["category"]) == (1, "C8")
    assert "C7" not in [d["category"] for d in alarm["diagnoses"]]


def test_numbers_of_the_evidence_are_points_of_a_recorded_history(findings: dict[str, list[dict[str, Any]]]) -> None:
    """No number is claimed that was not measured."""
    loss = next(f for f in findings["optimizer"] if f["variable"] == "loss")
    points = [a for a in loss["history"]["absmax"] if not isinstance(a, str)]

    assert f"grew from {min(points):.4g} to {max(points):.4g}" in loss["diagnoses"][0]["evidence"]


def test_a_layer_outside_training_has_a_history_too(findings: dict[str, list[dict[str, Any]]]) -> None:
    """The state of a recurrence, at runs 2, 3, 4, 6, 8, … of its line, and the run that failed."""
    history = findings["recurrence"][0]["history"]

    assert "h" == history["variable"]
    assert [2, 3, 4, 6, 8, 12] == history["step"][:6]
    assert findings["recurrence"][0]["origin"]["occurrence"] == history["step"][-1]


def test_a_healthy_training_raises_no_alarm(findings: dict[str, list[dict[str, Any]]]) -> None:
    """Measuring changes nothing."""
    assert [] == findings["healthy"]


LISTS = {
    "python": """x = 10.0
history = []
for i in range(5000):
    x = x - 1.1 * 2 * x
    history.append(x * x if abs(x) < 1e150 else x * 1e200)
""",
    "numpy": """import numpy as np
def train(X, y, lr, n):
    w = np.zeros(X.shape[1])
    losses = []
    for i in range(n):
        r = X @ w - y
        losses.append((r ** 2).mean())
        w = w - lr * 2 * X.T @ r / len(y)
    return w, losses
rng = np.random.default_rng(1)
X = rng.normal(size=(50, 3))
w, losses = train(X, X.sum(1), 1.5, 2000)
""",
    "tensorflow": """import tensorflow as tf
tf.random.set_seed(0)
X = tf.random.normal((50, 3))
y = tf.reduce_sum(X, 1, keepdims=True)
w = tf.Variable(tf.zeros((3, 1)))
for i in range(300):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((X @ w - y) ** 2)
    w.assign_sub(2.0 * tape.gradient(loss, w))
""",
    "data": "import numpy as np\nreadings = [1.0, 2.0, 30.0, 4e6, 5e9, float('nan'), 7.0]\n",
}


@pytest.fixture(scope="module")
def grown() -> dict[str, list[dict[str, Any]]]:
    """The findings of loops in other frameworks."""
    answers = run([{"cells": [source], "traced": None} for source in LISTS.values()])
    return {name: cells[0].findings for name, cells in zip(LISTS, answers, strict=True)}


@pytest.mark.parametrize(("name", "variable"), [("python", "history"), ("numpy", "losses")])
def test_a_list_that_a_loop_appended_is_a_history(
    grown: dict[str, list[dict[str, Any]]], name: str, variable: str
) -> None:
    """Its elements before the first non-finite one; also for the other variables of that origin."""
    assert variable in {f["history"]["variable"] for f in grown[name] if f["history"]}
    assert "NG701" == grown[name][0]["diagnoses"][0]["rule"]
    assert " grew from " in grown[name][0]["diagnoses"][0]["evidence"]


def test_a_list_of_data_is_no_history(grown: dict[str, list[dict[str, Any]]]) -> None:
    """Numbers that came in grew nowhere."""
    assert [None] == [f["history"] for f in grown["data"]]


def test_tensorflow_shows_how_its_loss_grew(grown: dict[str, list[dict[str, Any]]]) -> None:
    """In eager loops under a tape; the variable that is trained is told in the evidence."""
    (loss,) = [f for f in grown["tensorflow"] if f["variable"] == "loss"]

    assert "loss" == loss["history"]["variable"]
    assert len(loss["history"]["step"]) > 20
    assert loss["diagnoses"][0]["evidence"].startswith("The parameter `w` grew from ")
