"""What the torch recorder promises on devices, proved without one: nothing is read while the cell runs.

Structure (launches, reads) is proved on fake CUDA tensors. What is said at the end is proved on the host, with host memory
declared to be a device's and flags that land when the test says so: the code in between is that of a device.
"""

# ruff: noqa: E501  # a case is a row of a table

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from jupyter_numguard.backends.torch import flight, judging
from jupyter_numguard.backends.torch.values import alive as lives
from jupyter_numguard.backends.torch.values import key
from jupyter_numguard.errors import NonFiniteError
from jupyter_numguard.oplog import OpLog

from .test_record_torch import Count, origin, run


class Flights(flight.Flight):
    """Real flights that land when told; `reads` counts the host's waits, `sent` the flags of each flight."""

    landed = False
    reads = 0
    sent: Sequence[int] = ()

    def __init__(self, flags: Sequence[Any]) -> None:
        super().__init__(flags)
        Flights.sent = [*Flights.sent, len(flags)]

    def is_landed(self) -> bool:
        """As the test says."""
        return Flights.landed

    def read(self) -> list[int]:
        """Count and read."""
        Flights.reads += 1
        return super().read()


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[Flights]:
    """Host memory counts as a device's; flags do not land before they are waited for."""
    monkeypatch.setattr(flight, "is_on_device", lambda t: True)
    monkeypatch.setattr(flight, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(flight, "Flight", Flights)
    Flights.landed, Flights.reads, Flights.sent = False, 0, ()
    return Flights


class _Fake(flight.Flight):
    """The flags of fake tensors: they hold nothing, so nothing is sent. `sizes` lists how many there were."""

    sizes: Sequence[int] = ()

    def __init__(self, flags: Sequence[Any]) -> None:
        self._size = len(flags)
        _Fake.sizes = [*_Fake.sizes, len(flags)]

    def is_landed(self) -> bool:
        """Not while the cell runs."""
        return False

    def read(self) -> list[int]:
        """All finite."""
        return [0] * self._size


_LOOP = """
for step in range(3):
    h = (x @ w).relu().log() + 1.0
    h = h.clone().view(-1).exp()
    h.mul_(2.0)
"""


def test_on_cuda_each_result_is_one_launch_and_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fused reduction per operation that can create, none for views and copies, no host read, one flight at the end."""
    monkeypatch.setattr(flight, "hidden", torch.no_grad)  # so that the counting mode sees our launches
    monkeypatch.setattr(judging, "hidden", torch._C.DisableTorchFunction)
    monkeypatch.setattr(flight, "values_of", lambda t: t)
    monkeypatch.setattr(flight, "why_unreadable", lambda t: None)
    monkeypatch.setattr(flight, "Flight", _Fake)
    _Fake.sizes = ()
    with FakeTensorMode():
        x, w = torch.ones(3, 3, device="cuda"), torch.ones(3, 3, device="cuda")
        with Count() as count:
            log, _ = run(_LOOP, x=x, w=w)

    # Six operations and one copy a step; the inputs are looked at together with the first operation.
    assert 3 * 6 == count.ops.count("aten._foreach_norm.Scalar")
    assert 1 == len(_Fake.sizes)
    assert not {"aten._local_scalar_dense.default", "aten._to_copy.default", "aten.item.default"} & set(count.ops)
    assert () == log.not_traced


CELLS = {
    "forward": ("for i in range(3):\n    x = torch.full((2,), 2.0 - i)\n    y = x.log()\n    z = y * 0", "z"),
    "in place": ("x = torch.ones(3)\nx.sub_(1)\nx.log_()", "x"),
    "gradient": ("x = torch.zeros(2, requires_grad=True)\nh = x * 2\nh.sqrt().sum().backward()", "x.grad"),
    "where trap": ("x = torch.zeros(2, requires_grad=True)\ny = torch.where(x > 0, x.log(), x)\ny.sum().backward()", "x.grad"),
    "lost loss": ("x = torch.full((2,), 1e30, requires_grad=True)\nloss = (x * x).sum()\nloss.backward()\nz = x.grad * loss", "z"),
    "written update": ("w = torch.ones(3, requires_grad=True)\n(w * 1e30).sum().backward()\nwith torch.no_grad():\n    w.sub_(w.grad, alpha=1e10)", "w"),
    "optimizer": ("w = nn.Parameter(torch.ones(3))\nopt = torch.optim.SGD([w], lr=1e20)\nfor i in range(3):\n    opt.zero_grad()\n"
                  "    (w * (1e20 if i == 2 else 0.0)).sum().backward()\n    opt.step()", "w"),
    "second moment": ("w = nn.Parameter(torch.ones(3))\nopt = torch.optim.Adam([w])\nfor i in range(3):\n    opt.zero_grad()\n"
                      "    (w * (1e25 if i == 2 else 1.0)).sum().backward()\n    opt.step()\nv = opt.state[w]['exp_avg_sq']", "v"),
    "custom backward": ("class Root(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        ctx.save_for_backward(x)\n"
                        "        return x.sqrt()\n    @staticmethod\n    def backward(ctx, g):\n        x, = ctx.saved_tensors\n"
                        "        return g / (2 * x.sqrt())\nx = torch.zeros(2, requires_grad=True)\nRoot.apply(x).sum().backward()", "x.grad"),
    "attention": ("m = nn.MultiheadAttention(4, 1)\nx = torch.ones(2, 1, 4)\ny, _ = m(x, x, x, key_padding_mask=torch.ones(1, 2, dtype=torch.bool))", "y"),
    "number": ("x = torch.zeros(1)\nv = (x / x).item()\ny = torch.tensor([v])", "y"),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_a_device_says_what_the_host_says(name: str, request: pytest.FixtureRequest) -> None:
    """Operation, phase, line and occurrence worked out from late flags are those of the host."""
    cell, variable = CELLS[name]
    log, names = run(cell)
    on_host = origin(log, eval(variable, names))
    request.getfixturevalue("device")
    log, names = run(cell)

    assert on_host == origin(log, eval(variable, names))


def test_one_read_at_the_end(device: type[Flights]) -> None:
    """A cell without an optimizer reads once, after it; one that is healthy leaves no event."""
    log, names = run("x = torch.ones(3)\nfor i in range(20):\n    x = x * 1.5\nreads = device.reads", device=device)

    assert (0, 1) == (names["reads"], device.reads)
    assert [] == log.events


def test_operands_that_are_still_there_are_measured(device: type[Flights]) -> None:
    """Statistics at the operation and an exact origin, although the flag came late."""
    log, _ = run("x = torch.tensor([0.0, 2.0])\ny = x.log()")

    (event,) = log.events
    assert ("exact", 1, 2.0) == (event.confidence, event.operands[0].zeros, event.operands[0].max)


def test_overwritten_operands_are_not_used(device: type[Flights]) -> None:
    """An operand whose version moved has shape and dtype, no numbers, and the origin is likely."""
    log, _ = run("x = torch.zeros(2)\ny = x.log()\nx.add_(5.0)")

    event = log.events[0]
    assert ("likely", "float32", (2,), None) == (
        event.confidence,
        event.operands[0].dtype,
        event.operands[0].shape,
        event.operands[0].zeros,
    )


def test_operands_beyond_the_budget_are_let_go(device: type[Flights], monkeypatch: pytest.MonkeyPatch) -> None:
    """Held operands never exceed the share of the device's memory: the oldest go first, their statistics with them."""
    monkeypatch.setattr(flight, "budget", lambda device: 100)
    log, _ = run("x = torch.zeros(20)\ny = x.log()\nfor i in range(4):\n    t = torch.ones(20) * 2\n")

    event = log.events[0]
    assert ("likely", None) == (event.confidence, event.operands[0].zeros)


def test_operands_are_held_for_one_step_at_most(device: type[Flights]) -> None:
    """Two optimizer steps later, flags that never landed hold nothing any more."""
    cell = """
for i in range(4):
    batch = torch.ones(3)
    alive.append(lives(batch))
    opt.zero_grad()
    (w * batch).sum().backward()
    opt.step()
    del batch
held = [f() for f in alive]
"""
    w = torch.nn.Parameter(torch.ones(3))
    gc.collect()
    _, names = run(cell, w=w, opt=torch.optim.SGD([w], lr=0.1), alive=[], lives=lives)

    assert [False, False] == names["held"][:2]
    assert [False] * 4 == [f() for f in names["alive"]]


def test_flags_that_land_in_time_are_judged_while_the_cell_runs(device: type[Flights]) -> None:
    """Polling never waits, and takes what is there."""
    device.landed = True
    cell = """
for i in range(3):
    (w * 2).log().sum().backward()
    opt.step()
said = len(record.events)
"""
    w = torch.nn.Parameter(torch.zeros(2))
    log = OpLog()
    _, names = run(cell, log, w=w, opt=torch.optim.SGD([w], lr=0.1), record=log)

    assert 0 < names["said"]


def test_nothing_is_launched_while_a_graph_is_captured(device: type[Flights], monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch of ours would become part of the user's CUDA graph: it is listed instead."""
    monkeypatch.setattr(flight, "is_capturing", lambda device: True)
    log, _ = run("x = torch.zeros(2)\ny = x.log()")

    assert ["CUDA graph"] == [n.what for n in log.not_traced]
    assert () == device.sent


def test_stop_reads_after_each_operation(device: type[Flights]) -> None:
    """`--stop` raises at the operation, device or not."""
    _, names = run("x = torch.zeros(2)\ny = x.log()\nz = 1", OpLog(stop=True), error=NonFiniteError)

    assert "z" not in names


def test_a_mask_on_a_device_is_written(device: type[Flights]) -> None:
    """A literal keeps being a literal: no creation from a mask that is absorbed."""
    log, names = run("m = torch.full((2, 2), float('-inf')).triu(1)\np = (torch.ones(2, 2) + m).softmax(-1)")

    assert "created" not in {e.kind for e in log.events}
    assert log.event_of(key(names["p"])) is None
