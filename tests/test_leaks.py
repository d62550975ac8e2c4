"""No tensor of the user outlives its names because of numguard: neither in healthy cells nor in failing ones."""

from __future__ import annotations

import pytest

from .harness import run

KEEP = "import weakref, gc\nrefs = []\ndef note(t):\n    refs.append(weakref.ref(t))\n    return t\n"
COUNT = "gc.collect()\nprint('alive', sum(r() is not None for r in refs), 'of', len(refs))"
CELLS = {
    "torch, finite": [
        KEEP + "import torch",
        "w = torch.nn.Parameter(torch.ones(50, 50))\nopt = torch.optim.Adam([w])\n"
        "for _ in range(20):\n    h = note(w @ note(torch.randn(50, 50)))\n    loss = note(h.pow(2).mean())\n"
        "    opt.zero_grad(); loss.backward(); note(w.grad); opt.step()\n"
        "del h, loss, w, opt",
        COUNT,
    ],
    "torch, NaN in forward, backward and update": [
        KEEP + "import torch",
        "w = torch.nn.Parameter(torch.zeros(50))\nopt = torch.optim.SGD([w], lr=1e30)\n"
        "for _ in range(20):\n    h = note(torch.sqrt(w).log())\n    loss = note(h.mean())\n"
        "    opt.zero_grad(); loss.backward(); note(w.grad); opt.step()\n"
        "del h, loss, w, opt",
        COUNT,
    ],
    "torch, an exception after the NaN": [
        KEEP + "import torch",
        "def f():\n    x = note(torch.zeros(9))\n    y = note(x / x)\n    raise ValueError('stop')\n"
        "try:\n    f()\nexcept ValueError:\n    pass",
        COUNT,
    ],
    "torch, a NaN that stays in a variable that is deleted later": [
        KEEP + "import torch",
        "y = note(torch.log(torch.zeros(9)))",
        "del y\n" + COUNT,
    ],
    "numpy": [
        KEEP + "import numpy as np",
        "for i in range(20):\n    a = note(np.zeros(100))\n    b = note(a / a)\n    c = note(np.log(b))\ndel a, b, c",
        COUNT,
    ],
    "TensorFlow, eager and graph": [
        KEEP + "import tensorflow as tf",
        "v = tf.Variable(tf.zeros([9]))\n@tf.function\ndef g(t):\n    return tf.math.log(t) / t\n"
        "for _ in range(5):\n    with tf.GradientTape() as tape:\n        y = note(tf.sqrt(v) / note(tf.zeros([9])))\n"
        "    d = note(tape.gradient(y, v))\n    z = note(g(tf.zeros([9])))\n"
        "del y, d, z, tape, v, g",
        COUNT,
    ],
}


@pytest.fixture(scope="module", params=["watch", "trace"])
def printed(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the last cell of each notebook printed."""
    traced = None if request.param == "trace" else []
    out = run([{"cells": cells, "traced": traced} for cells in CELLS.values()])
    assert [None] * sum(map(len, CELLS.values())) == [c.error for cells in out for c in cells]
    return {
        name: next(line for line in cells[-1].text.split("\n") if line.startswith("alive"))
        for name, cells in zip(CELLS, out, strict=True)
    }


@pytest.mark.parametrize("name", CELLS)
def test_all_weak_references_are_dead_after_the_cell(name: str, printed: dict[str, str]) -> None:
    """Every tensor that the cell made and dropped is gone."""
    _, alive, _, made = printed[name].split()

    assert int(made) > 0
    assert "0" == alive
