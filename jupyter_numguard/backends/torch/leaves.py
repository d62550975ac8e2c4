"""Leaves: where gradients end up. A post-accumulate hook on each leaf that an operation used sees its `.grad`.

Only this sees the sum of two backward passes overflow, and memory that the engine took over for `.grad`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

from ...errors import NonFiniteError
from ...opevents import Key
from . import flight
from .judging import Recording, looks_nonfinite, unseen
from .operands import is_float
from .values import key, state

if TYPE_CHECKING:
    from .backward import Backward
    from .deferred import Deferred

_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter


class Leaves:
    """The leaves that were seen, held weakly."""

    def __init__(self, recording: Recording, backward: Backward) -> None:
        self._recording = recording
        self._backward = backward
        self._known: dict[int, tuple[weakref.ref[Any], Any, bool]] = {}
        recording.is_leaf_memory = self._is_memory

    def watch(self, args: Any, kwargs: Any) -> None:
        """Hook the leaves among the arguments of a differentiable operation, once each."""
        for a in args:
            if isinstance(a, _Tensor):
                if id(a) not in self._known and a.requires_grad and a.is_leaf:
                    self._add(a)
            elif type(a) is list or type(a) is tuple:
                self.watch(a, None)
        if kwargs:
            self.watch(kwargs.values(), None)

    def _add(self, leaf: Any) -> None:
        if torch._C._functorch.is_functorch_wrapped_tensor(leaf) or type(leaf) not in (_Tensor, _Parameter):
            return
        number = id(leaf)
        had_none = leaf._post_accumulate_grad_hooks is None
        handle = leaf.register_post_accumulate_grad_hook(self._accumulated)
        self._known[number] = (weakref.ref(leaf, lambda _: self._known.pop(number, None) and None), handle, had_none)

    def _is_memory(self, address: Key) -> bool:
        return any((leaf := ref()) is not None and key(leaf) == address for ref, _, _ in self._known.values())

    def _accumulated(self, leaf: Any) -> None:
        try:
            with unseen():
                self._look(leaf)
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail("gradient of a leaf", error)

    def _look(self, leaf: Any) -> None:
        g = leaf.grad
        if (
            not self._recording.is_open
            or g is None
            or not is_float(g)
            or flight.is_on_device(g)
            or not looks_nonfinite(g)
        ):
            return
        of = state(g)
        if not any(of):
            return
        recording = self._recording
        sent = self._backward.sent_to_leaf.get(id(leaf))
        event = recording.log.event_of(key(g)) or sent
        if event is None:
            event = self._backward.unsent(g, of, None, 0)
        recording.mark(g, event)

    def look_on_devices(self, deferred: Deferred) -> None:
        """Launch the flags of all gradients that are on a device: at the end, where no optimizer step did."""
        for ref, _, _ in list(self._known.values()):
            leaf = ref()
            if leaf is not None and flight.is_on_device(leaf):
                deferred.look_at_gradient(leaf.grad)

    def close(self) -> None:
        """Take the hooks away; a leaf that had none is as it was before."""
        for ref, handle, had_none in list(self._known.values()):
            handle.remove()
            leaf = ref()
            if leaf is not None and had_none and not leaf._post_accumulate_grad_hooks:
                leaf._post_accumulate_grad_hooks = None
        self._known.clear()
