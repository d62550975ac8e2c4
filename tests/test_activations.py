"""The softmax or sigmoid that a model of the user's ends in is seen through its call, and the rewrite works on its logits."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import run

HEAD = "import torch, torch.nn as nn, torch.nn.functional as F\ntorch.manual_seed(0)\n"
POLICY = (
    HEAD
    + "class Policy(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, 3)\n"
    "    def forward(self, x):\n        h = self.fc(x)\n        return F.softmax(h, dim=-1)\n"
    "pi = Policy()\nstate = torch.randn(5, 4) * 500\n"
)
GATE = (
    HEAD
    + "class Gate(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.l = nn.Linear(4, 1)\n"
    "    def forward(self, x):\n        return torch.sigmoid(self.l(x)).squeeze(-1)\n"
    "gate = Gate()\nX = torch.randn(6, 4) * 900\ny = torch.tensor([1.0, 0, 1, 0, 1, 0])\n"
)
NESTED = (
    HEAD + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax(-1))\n"
    "    def forward(self, x):\n        return self.net(x)\nmodel = Net()\nx = torch.randn(5, 4)\n"
    "with torch.no_grad(): model.net[2].weight.mul_(1000)\n"
)
KERAS = (
    "import tensorflow as tf\ntf.random.set_seed(1)\nclass Net(tf.keras.Model):\n"
    "    def __init__(self):\n        super().__init__()\n"
    "        self.d = tf.keras.layers.Dense(3)\n    def call(self, x):\n        z = self.d(x)\n        return tf.nn.softmax(z)\n"
    "net = Net()\nx = tf.random.normal((5, 4)) * 800.0\n"
)


def first(cells: list[str], variable: str) -> dict[str, Any]:
    """The first diagnosis of a variable of the last cell, which alone is traced."""
    (answers,) = run([{"cells": cells, "traced": [len(cells) - 1]}])
    finding = next(f for f in answers[-1].alarms if f["variable"] == variable)
    diagnosis: dict[str, Any] = finding["diagnoses"][0]
    return diagnosis


@pytest.mark.parametrize(
    ("cells", "variable", "rule", "after"),
    [
        ([POLICY, "p = pi(state)\nlogp = torch.log(p)\n"], "logp", "NG201", "logp = F.log_softmax(pi.fc(state), -1)"),
        (
            [GATE, "out = gate(X)\nbce = -(y * torch.log(out) + (1 - y) * torch.log(1 - out)).mean()\n"],
            "bce",
            "NG202",
            "bce = -(y * F.logsigmoid(gate.l(X).squeeze(-1)) + (1 - y) * F.logsigmoid(-gate.l(X).squeeze(-1))).mean()",
        ),
        ([NESTED, "v = torch.log(model(x)).sum()\n"], "v", "NG201", "v = F.log_softmax(model.net[:-1](x), -1).sum()"),
        (
            [NESTED, "def f(x):\n    p = model(x)\n    return -(p * p.log()).sum()\n", "v = f(x)\n"],
            "v",
            "NG201",
            "return -(p * F.log_softmax(model.net[:-1](x), -1)).sum()",
        ),
        ([KERAS, "p = net(x)\nce = -tf.math.log(p)\n"], "ce", "NG201", "ce = -tf.nn.log_softmax(net.d(x))"),
    ],
)
def test_a_models_own_activation_is_told(cells: list[str], variable: str, rule: str, after: str) -> None:
    """The caller's line works on what goes into the activation, and that was run on the user's own layers."""
    told = first(cells, variable)

    assert told["rewrite"]["verified"], told["rewrite"]
    assert (told["rule"], told["rewrite"]["after"]) == (rule, after)


@pytest.mark.parametrize(
    "cells",
    [
        [POLICY.replace("F.softmax(h, dim=-1)", "F.relu(h)"), "logp = torch.log(pi(state))\n"],
        [POLICY.replace("F.softmax(h, dim=-1)", "F.softmax(h, dim=-1) - 1"), "logp = torch.log(pi(state) + 1)\n"],
        [
            POLICY.replace("        return", "        if len(x) < 9:\n            return F.relu(h)\n        return"),
            "logp = torch.log(pi(state))\n",
        ],
    ],
)
def test_a_model_that_ends_in_something_else_is_not_taken_for_one(cells: list[str]) -> None:
    """Zeros of a ReLU, a softmax that is gone on from or returned in another case only: a logarithm of zero and no more."""
    assert first(cells, "logp")["rule"] == "NG101"


@pytest.mark.parametrize(
    "cell",
    [
        POLICY.replace("h = self.fc(x)", "h = F.dropout(self.fc(x))"),
        HEAD + "pi = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 3), nn.Softmax(-1))\n"
        "state = torch.randn(5, 4) * 5000\n",
    ],
)
def test_a_dropout_on_the_way_is_not_computed_again(cell: str) -> None:
    """A second call would drop other units: the activation is told, and what is shown guards the line and calls no layer."""
    told = first([cell, "p = pi(state)\nlogp = torch.log(p)\n"], "logp")

    assert ("NG201", "logp = torch.log(torch.clamp(p, min=1e-12))") == (told["rule"], told["rewrite"]["after"])


def test_parameters_that_moved_on_prove_nothing() -> None:
    """After the step the layers hold NaN: the rewrite is shown as not run, not as refuted by them."""
    step = "opt = torch.optim.SGD(pi.parameters(), 0.1)\nv = -torch.log(pi(state)).mean()\nv.backward()\nopt.step()\n"
    told = first([POLICY, step], "v")

    assert told["rule"] == "NG201"
    assert not told["rewrite"]["verified"]
    assert "have moved on" in told["rewrite"]["note"]
