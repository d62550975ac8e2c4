"""Which forward line a tensor came from, for as long as a tape may ask for its gradient. Ids only: no tensor is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...opevents import Site
from . import private
from .places import local

MAX_KNOWN = 200_000  # two steps of a very large model; the oldest half is dropped


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward operation.

    Attributes:
        runs: The how-many-th execution of its line.
        api: Name of the library function that the user called.
    """

    site: Site
    runs: int
    api: str


class ForwardSites:
    """Forward operations by the ids of their results and operands."""

    def __init__(self) -> None:
        self._by_result: dict[int, Forward] = {}
        self._by_operand: dict[tuple[str, int], Forward] = {}

    def note(self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], site: Site, runs: int, api: str) -> None:
        """Remember one operation."""
        forward = Forward(site, runs, api)
        for tensor in outputs:
            self._by_result[tensor._id] = forward
        for tensor in inputs[:3]:
            self._by_operand[op, tensor._id] = forward
        _prune(self._by_result)
        _prune(self._by_operand)

    def of(self, gradient: Any) -> Forward | None:
        """The forward operation that a `_gradient_function` frame computes the gradient of.

        The tape keeps only the tensors that this gradient needs: the results lead straight to it, and where they are
        missing the operands do.
        """
        for tensor in local(gradient, "outputs") or ():
            if (found := self._by_result.get(getattr(tensor, "_id", -1))) is not None:
                return found
        op = str(local(gradient, "op_name"))
        for tensor in local(gradient, "inputs") or ():
            if (found := self._by_operand.get((op, getattr(tensor, "_id", -1)))) is not None:
                return found
        return None

    def operands(self, gradient: Any) -> list[Any]:
        """The forward operation's operands. Where the tape dropped the only one, it is computed back from the result."""
        inputs = [t for t in local(gradient, "inputs") or () if type(t) is private.EagerTensor]
        outputs = [t for t in local(gradient, "outputs") or () if type(t) is private.EagerTensor]
        return inputs or operand_of_result(str(local(gradient, "op_name")), outputs)

    def clear(self) -> None:
        """Forget all."""
        self._by_result.clear()
        self._by_operand.clear()


def operand_of_result(op: str, outputs: Sequence[Any]) -> list[Any]:
    """The only operand of an operation computed back from its result, where that can be done; else nothing."""
    inverse = _INVERSES.get(op)
    if inverse is None or not outputs:
        return []
    value = np.asarray(outputs[0]._numpy_internal())
    operand = inverse(value.astype(np.float64)).astype(value.dtype)
    return [private.host_tensor(operand, outputs[0]._datatype_enum())]


def _prune(known: dict[Any, Forward]) -> None:
    if len(known) > MAX_KNOWN:
        for key in list(known)[: MAX_KNOWN // 2]:
            del known[key]


def _square(y: Any) -> Any:
    squared = np.array(y)
    is_small = np.abs(y) < 1e19  # the square of a larger one may overflow in the result's dtype; NaN and Inf stay
    squared[is_small] *= squared[is_small]
    return squared


_INVERSES = {
    # gradients that use the result alone, so that the tape keeps no operand
    "Sqrt": _square,
}
