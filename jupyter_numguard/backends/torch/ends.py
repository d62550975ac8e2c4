"""Where gradients end beside leaves: what `torch.autograd.grad` returns, and `.grad` of tensors that retain it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ...errors import NonFiniteError
from . import flight
from .judging import Recording, looks_nonfinite, unseen
from .operands import is_float, tensors_in
from .values import state

if TYPE_CHECKING:
    from .backward import Backward


class Ends:
    """Explains non-finite gradients in memory that no hook saw: the engine added several up, or copied one."""

    def __init__(self, recording: Recording, backward: Backward) -> None:
        self._recording = recording
        self._backward = backward
        self._retained: list[weakref.ref[Any]] = []

    def explain_results(self, results: Any, args: Any, kwargs: Any) -> None:
        """The gradients that `torch.autograd.grad` returns: several that met at an input were added up in new memory."""
        try:
            with unseen():
                inputs = tensors_in(kwargs.get("inputs", args[1] if len(args) > 1 else ()))
                for t, g in zip(inputs, results, strict=False):
                    if g is not None:
                        self._explain_end(t, g)
        except NonFiniteError:
            raise
        except Exception as error:
            self._recording.fail("autograd.grad", error)

    def _explain_end(self, t: Any, g: Any) -> None:
        if flight.is_on_device(g):
            self._backward.deferred.look_at_gradient(g)
            return
        if not is_float(g) or not looks_nonfinite(g) or self._recording.known(g) is not None:
            return
        of = state(g)
        if any(of):
            sent = self._backward.sent_to_leaf.get(id(t))
            if sent is None and t.grad_fn is not None:
                sent = self._backward.sent.get((t.grad_fn._sequence_nr(), t.output_nr))
            self._recording.mark(g, sent or self._backward.unsent(g, of, None, 0))

    def retain(self, t: Any) -> None:
        """`t.retain_grad()`: its gradient will be a copy."""
        self._retained.append(weakref.ref(t))

    def explain_retained(self) -> None:
        """At the end of a backward pass."""
        self._retained = [ref for ref in self._retained if ref() is not None]
        for ref in self._retained:
            t = ref()
            if t is not None and t.grad is not None and t.grad_fn is not None:
                self._explain_end(t, t.grad)
