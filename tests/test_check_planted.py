"""Trace names each operation of a training step that makes a NaN: none is sampled, none too small, none too large."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from jupyter_numguard.backends.torch.values import key

from .test_record_torch import ancestors, run

MODELS = {
    "MLP": "model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3))\nx = torch.rand(5, 4)",
    "CNN": (
        "model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten(),"
        " nn.Linear(18, 3))\nx = torch.rand(5, 1, 8, 8)"
    ),
    "transformer": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.q, self.out, self.norm = nn.Linear(4, 12), nn.Linear(4, 3), nn.LayerNorm(4)\n"
        "    def forward(self, x):\n        q, k, v = self.q(self.norm(x)).chunk(3, -1)\n"
        "        w = (q @ k.transpose(-2, -1) / 2.0).softmax(-1)\n        return self.out(x + F.gelu(w @ v)).mean(1)\n"
        "model = Net()\nx = torch.rand(5, 6, 4)"
    ),
}
STEP = """
torch.manual_seed(0)
{model}
opt = torch.optim.SGD(model.parameters(), lr=0.1)
with fault:
    loss = F.mse_loss(model(x), torch.zeros(5, 3))
    loss.backward()
"""


class Fault(TorchDispatchMode):
    """Writes a NaN into the first element of what the `at`-th computing operation returns."""

    MOVES = (
        "view",
        "squeeze",
        "transpose",
        "t.default",
        "detach",
        "expand",
        "split",
        "reshape",
        "alias",
        "ones_like",
        "zeros",
        "copy_",
        "clone",
    )

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.seen, self.hit, self.node = at, 0, "", ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run, and spoil."""
        with torch._C.DisableTorchFunction():  # the plant is not the user's own writing
            return self._spoiled(func, args, kwargs or {})

    def _spoiled(self, func: Any, args: Any, kwargs: Any) -> Any:
        out = func(*args, **kwargs)
        first = out[0] if isinstance(out, (tuple, list)) and out else out
        if (
            not isinstance(first, torch.Tensor)
            or not first.is_floating_point()
            or any(m in str(func) for m in self.MOVES)
        ):
            return out
        self.seen += 1
        if self.seen == self.at:
            self.hit = str(func)
            node = torch._C._current_autograd_node()
            self.node = node.name() if node is not None else ""
            first.view(-1)[0] = float("nan") if first.is_contiguous() else first.fill_(float("nan")).view(-1)[0]
        return out


@pytest.mark.parametrize("name", MODELS)
def test_every_operation_of_a_step_is_named(name: str) -> None:
    """A NaN planted in each operation in turn: if a gradient is lost, its origin has the phase and the node of the plant."""
    wrong, survived = [], 0
    for at in range(1, 200):
        fault = Fault(at)
        log, names = run(STEP.format(model=MODELS[name]), fault=fault)
        if not fault.hit:
            break
        lost = [p.grad for p in names["model"].parameters() if p.grad is not None and bool(p.grad.isnan().any())]
        if not lost:
            continue
        survived += 1
        created = [e for g in lost for e in ancestors(log.event_of(key(g))) if e.kind == "created"]
        first = min(created, key=lambda e: e.order, default=None)
        phase = "backward" if fault.node else "forward"
        if first is None or first.phase != phase or (fault.node and fault.node not in first.native_op):
            wrong.append((at, fault.hit, fault.node, first and (first.phase, first.native_op)))

    assert survived > 10
    assert [] == wrong
