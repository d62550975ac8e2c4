"""Graphs while they are built: every float result becomes a node with a flag. Nothing here ever raises into the user's code.

A graph whose instrumentation fails keeps what it has and is listed as not traced; its own operations are untouched.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf

from ...oplog import OpLog
from . import private
from .capture import Capture
from .flagging import Flagging
from .graph import FlaggedGraph, GraphPlace, Node, Root
from .lines import place_of
from .optables import CALLS, MOVING, PYTHON_CALLS, SCRATCH, SOURCES, writes

_KEEPING = frozenset("Mul RealDiv Add AddV2 Sub".split())  # with a small constant (`_keeps`)


class Instrument:
    """The instrumented graphs of one trace.

    Attributes:
        graphs: The finished ones, inner before outer.
        is_busy: Our own operations are being built: not to be instrumented.
    """

    def __init__(self, log: OpLog) -> None:
        """What cannot be instrumented is listed in `log`."""
        self._log = log
        self._flagging = Flagging()
        self._live: dict[Any, FlaggedGraph] = {}
        self.graphs: list[FlaggedGraph] = []
        self.is_busy = False

    def of(self, graph: Any) -> FlaggedGraph | None:
        """The instrumented graph, if it is one."""
        return self._live.get(graph)

    def begin(self, graph: Any, root: Root, *, is_xla: bool, is_backward: bool = False) -> FlaggedGraph | None:
        """A graph begins to be built; its inputs are there already."""
        was_busy, self.is_busy = self.is_busy, True
        try:
            outer = None if is_backward else self._live.get(getattr(graph, "outer_graph", None))
            if outer is None and not is_backward and isinstance(graph.outer_graph, private.FuncGraph):
                return None  # within a graph that TensorFlow builds for itself
            flagged = FlaggedGraph(graph, outer, root, is_backward, is_xla)
            self._flagging.begin(flagged)
            self._live[graph] = flagged
            if outer is None and not is_xla:
                flagged.capture = Capture(graph)
            for tensor in graph.inputs:
                if type(tensor) is not private.EagerTensor:  # a variable's handle, that is captured later
                    self._add(flagged, "Placeholder", [tensor], None)
            return flagged
        except Exception as failure:
            self._give_up(root, failure)
            return None
        finally:
            self.is_busy = was_busy

    def end(self, flagged: FlaggedGraph | None, results: Any) -> None:
        """The graph's results are known: the flags' memory is written last."""
        if flagged is None:
            return
        was_busy, self.is_busy = self.is_busy, True
        try:
            found = _tensors(results)
            self._add_calls(flagged, found)
            flagged.outs = flagged.nodes_of(found)
            must = self._flagging.end(flagged)
            if flagged.is_backward:  # no automatic control dependencies there
                flagged.graph.control_outputs.extend(must)
            if flagged.memory is not None:
                self.graphs.append(flagged)
        except Exception as failure:
            self._give_up(flagged.root, failure)
        finally:
            flagged.is_done = True
            flagged.flags.clear()
            flagged.tensors.clear()
            self.is_busy = was_busy

    def _give_up(self, root: Root, failure: Exception) -> None:
        self._log.add_not_traced(f"inside of {root.name}", f"its graph could not be instrumented: {failure!r}")

    def on_op(
        self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], graph: Any, frame: FrameType | None
    ) -> None:
        """An operation was put into a graph that is being built."""
        flagged = self._live.get(graph)
        if flagged is None and not isinstance(graph, private.FuncGraph):
            self._log.add_not_traced("graphs of TensorFlow 1", "only eager code and tf.function are seen")
        if flagged is None or self.is_busy:
            return
        if flagged.is_done:  # its results are being wrapped up
            if op in MOVING:
                for tensor in outputs:
                    flagged.of[tensor.name] = flagged.nodes_of(inputs)
            return
        self.is_busy = True
        try:
            self._on_op(flagged, op, inputs, outputs, frame)
        except Exception as failure:
            self._give_up(flagged.root, failure)
        finally:
            self.is_busy = False

    def _on_op(
        self, flagged: FlaggedGraph, op: str, inputs: Sequence[Any], outputs: Sequence[Any], frame: FrameType | None
    ) -> None:
        if flagged.capture is not None:
            flagged.capture.on_op(op, outputs, frame)
        self._add_calls(flagged, inputs)
        operands = flagged.nodes_of(inputs)
        if op == "AddN" and len(inputs) > 2:
            flagged.summed |= operands
        if writes(op):
            flagged.writes.append((inputs[0], operands))
        elif op in MOVING or _keeps(op, inputs):
            for tensor in outputs:
                flagged.of[tensor.name] = operands
        else:
            if op in PYTHON_CALLS:
                self._log.add_not_traced(f"py_function in {flagged.root.name}", "it runs outside of the graph")
            self._add(flagged, op, outputs, frame, operands)

    def _add_calls(self, flagged: FlaggedGraph, tensors: Sequence[Any]) -> None:
        """Calls of other functions reach no callback: they are met when their results are used."""
        for tensor in tensors:
            if type(tensor) is private.EagerTensor or tensor.graph is not flagged.graph or tensor.name in flagged.of:
                continue
            call = tensor.op
            if call.type in CALLS:
                self._add(flagged, call.type, call.outputs, sys._getframe(), flagged.nodes_of(call.inputs))

    def _add(
        self, flagged: FlaggedGraph, op: str, outputs: Sequence[Any], frame: FrameType | None,
        operands: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        place: GraphPlace | None = None
        forward: Any = None
        targets: tuple[tuple[FlaggedGraph, int], ...] = ()
        callees = _callees(outputs[0].op) if op in CALLS and outputs else ()
        if op.startswith("TensorList") and outputs:  # a list that a loop filled: what is in it is the loop's doing
            callees = flagged.callees_of(outputs[0].op.inputs)
        for slot, tensor in enumerate(outputs):
            if not (tensor.dtype.is_floating or tensor.dtype.is_complex) or slot in SCRATCH.get(op, ()):
                flagged.of[tensor.name] = operands
                if callees and tensor.dtype == tf.variant:
                    flagged.callees[tensor.name] = callees
                continue
            if op == "Const" and _is_finite_constant(tensor):
                continue
            if place is None:
                place, forward, targets = self._place_of(tensor.op, frame)
            node = Node(
                op, tensor.op.name, place, operands, op in SOURCES, self._flagging.is_wide(flagged, tensor, operands), callees,
                tensor.op.inputs[0] if op == "ReadVariableOp" else None, tensor if op == "Placeholder" else None,
                forward, targets,
            )  # fmt: skip
            if self._flagging.flag(flagged, tensor, node):
                flagged.of[tensor.name] = frozenset({len(flagged.nodes)})
                flagged.nodes.append(node)
            else:
                flagged.of[tensor.name] = operands

    def _place_of(
        self, op: Any, frame: FrameType | None
    ) -> tuple[GraphPlace, Any, tuple[tuple[FlaggedGraph, int], ...]]:
        """Where an operation comes from; a gradient is told by the API function of its forward operation."""
        place, forward, asked = place_of(op, frame)
        homes = [(h, t) for t in asked if (h := self._live.get(getattr(t, "graph", None))) is not None]
        targets = tuple((h, i) for h, t in homes for i in h.nodes_of([t]))
        known = self._live.get(forward.graph) if forward is not None else None
        if known is None or forward is None or not forward.outputs:
            return place, forward, targets
        for i in known.nodes_of(forward.outputs[:1]):
            node = known.nodes[i]
            if node.name == forward.name:
                place = replace(place, api=node.place.api, forward=node.place.line, scope=node.place.scope)
        return place, forward, targets

    def close(self) -> None:
        """Drop all graphs."""
        self._live.clear()
        self.graphs.clear()
        self._flagging = Flagging()


def _tensors(results: Any) -> list[Any]:
    return [t for t in tf.nest.flatten(results, expand_composites=True) if isinstance(t, tf.Tensor)]


def _keeps(op: str, inputs: Sequence[Any]) -> bool:
    """Whether one operand is a constant so small that the result is non-finite exactly where the other operand is.

    An optimizer's `(1 - beta) * x` and `x + epsilon`: a finite number times at most 1 is finite, plus at most 1 rounds to
    itself where it is large; a NaN or an Inf stays one.
    """
    if op not in _KEEPING or len(inputs) != 2 or not inputs[0].dtype.is_floating:
        return False
    for tensor in inputs[1:] if op == "RealDiv" else inputs:
        if getattr(tensor, "op", None) is not None and tensor.op.type == "Const" and tensor.shape.rank == 0:
            size = abs(float(private.tensor_util.constant_value(tensor)))
            if 1 <= size < np.inf if op == "RealDiv" else (0 < size <= 1 if op == "Mul" else size <= 1):
                return True
    return False


def _is_finite_constant(tensor: Any) -> bool:
    value = private.tensor_util.constant_value(tensor)
    return value is not None and bool(np.isfinite(np.asarray(value, np.complex128)).all())


def _callees(op: Any) -> tuple[str, ...]:
    """Names of the functions that a calling operation runs."""
    names = []
    for attribute in ("f", "then_branch", "else_branch", "body", "branches"):
        try:
            value = op.get_attr(attribute)
        except ValueError:  # this operation has no such attribute
            continue
        names += [f.name for f in (value if isinstance(value, list) else [value])]
    return tuple(names)
