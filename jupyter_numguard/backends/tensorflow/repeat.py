"""A graph's results worked out once more, in a branch at its end: then none of them need wait in memory for that branch.

Repeated are the operations that give the same again on the same operands. What others gave (variables that were read, random
numbers, iterators, functions that were called) is handed to the branch as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import private
from .optables import CALLS, PYTHON_CALLS

_LARGE = 1 << 12  # elements of a constant that is handed over, not written out once more
_GIVEN = CALLS | PYTHON_CALLS | frozenset({"Placeholder", "PlaceholderWithDefault"})


class Repeat:
    """The operations of one graph that can be repeated; made at its end, before the branch is built."""

    def __init__(self, graph: Any, is_ours: Callable[[Any], bool], is_lent: Callable[[Any], bool]) -> None:
        """Look at all operations of the graph.

        Args:
            is_ours: Of an operation: it was put in by numguard.
            is_lent: Of a tensor: its memory must not wait for the branch.
        """
        self._operations: list[Any] = []
        self._missing: set[str] = set()
        for op in graph.get_operations():
            if is_ours(op):
                continue
            if _gives_the_same(op) and not any(t.name in self._missing for t in op.inputs):
                self._operations.append(op)
            else:
                self._missing.update(t.name for t in op.outputs if is_lent(t))

    def can_give(self, tensor: Any) -> bool:
        """Whether the branch can have this tensor."""
        return tensor.name not in self._missing

    def tensors(self, wanted: Iterable[Any]) -> list[Any]:
        """Put in what gives the wanted tensors of the graph, into the graph that is being built now."""
        wanted = list(wanted)
        needed = {t.name for t in wanted}
        chosen = []
        for op in reversed(self._operations):
            if any(t.name in needed for t in op.outputs):
                chosen.append(op)
                needed.update(t.name for t in op.inputs)
        made: dict[str, Any] = {}
        for op in reversed(chosen):
            results = private.repeat_in_graph(op, [made.get(t.name, t) for t in op.inputs])
            made.update((t.name, result) for t, result in zip(op.outputs, results, strict=True))
        return [made.get(t.name, t) for t in wanted]


def _gives_the_same(op: Any) -> bool:
    if (
        op.type in _GIVEN
        or op.op_def.is_stateful
        or any(t.dtype.as_datatype_enum == private.RESOURCE for t in op.inputs)
    ):
        return False
    return op.type != "Const" or (op.outputs[0].shape.num_elements() or 0) <= _LARGE
