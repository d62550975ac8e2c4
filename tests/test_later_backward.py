"""A backward pass through a graph from before the recording is seen, and leaves no hook behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_numguard.backends.torch.recorder import TorchRecorder
from jupyter_numguard.opevents import OpEvent
from jupyter_numguard.oplog import OpLog


def recorded(run: Any) -> list[OpEvent]:
    """The creations of one recording."""
    log = OpLog()
    recorder = TorchRecorder(log)
    with recorder:
        run()
    return [e for e in log.events if e.kind == "created"]


def graph() -> tuple[torch.Tensor, torch.Tensor]:
    """A leaf at the singular point, and a loss."""
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    return x, torch.sqrt(x).sum()


def test_the_node_that_creates_is_named() -> None:
    """By its operation and its node; with the operands that it saved."""
    _, loss = graph()

    (event,) = recorded(loss.backward)

    assert ("sqrt", "SqrtBackward0", "backward", "likely") == (event.op, event.native_op, event.phase, event.confidence)
    assert 1 == event.operands[0].zeros


def test_no_hook_is_left_on_the_graph() -> None:
    """After the pass the nodes are as before it: a second recording hooks them once, not twice."""
    x, loss = graph()
    node = loss.grad_fn.next_functions[0][0]
    calls: list[int] = []

    recorded(lambda: loss.backward(retain_graph=True))
    x.grad = None
    handle = node.register_hook(lambda *_: calls.append(1))
    (event,) = recorded(lambda: loss.backward(retain_graph=True))

    assert "SqrtBackward0" == event.native_op
    assert [1] == calls
    handle.remove()
    assert x._post_accumulate_grad_hooks is None


def test_hooks_that_an_earlier_recording_left_name_the_forward_line() -> None:
    """Exactly: they know it."""
    made: list[torch.Tensor] = []
    recorded(lambda: made.extend(graph()))

    (event,) = recorded(made[1].backward)

    assert event.site is not None
    assert ("sqrt", graph.__code__, "exact") == (event.op, event.site.code, event.confidence)


def test_hooks_without_a_recording_do_nothing() -> None:
    """A backward pass that nobody listens to is plain."""
    made: list[torch.Tensor] = []
    recorded(lambda: made.extend(graph()))

    made[1].backward()

    assert torch.isinf(made[0].grad[0])


@pytest.mark.parametrize("keep", [False, True])
def test_a_healthy_graph_makes_no_event(keep: bool) -> None:
    """Through old and new nodes, once or twice."""
    x = torch.tensor([1.0, 4.0], requires_grad=True)
    old = torch.sqrt(x)

    def run() -> None:
        loss = (old * 2).sum()
        loss.backward(retain_graph=keep)
        if keep:
            loss.backward()

    assert [] == recorded(run)
