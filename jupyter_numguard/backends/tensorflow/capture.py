"""What an outermost graph got in the step in which it was lost: enough to run that step again (`replay.py`).

Kept are the arguments, what iterators and random operations handed out, and every variable as it was before the step: all
by reference, from tensors that the graph has anyway. Nothing is copied or read while the step is finite; a variable that
is updated in place is moved to new memory then, because its old value may still be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any

import tensorflow as tf

from . import private
from .optables import CALLS, writes
from .places import local

_NO_VALUES = (tf.resource, tf.variant, tf.string)


class Capture:
    """The sources of one outermost graph. Built with the graph; read after it ran."""

    def __init__(self, graph: Any) -> None:
        """Args that the graph has already are sources."""
        self._graph = graph
        self._tensors: dict[str, Any] = {}  # by name in the graph
        self._handles: dict[int, Any] = {}  # by the id of the variable's handle: its value before the step
        self._kept: list[Any] = []  # variables that hold first the tensors, then the handles' values
        self._step: Any = None
        for tensor in graph.inputs:
            if type(tensor) is not private.EagerTensor and tensor.dtype not in _NO_VALUES:
                self._tensors[tensor.name] = tensor

    def on_op(self, op: str, outputs: Sequence[Any], frame: FrameType | None) -> None:
        """An operation was put into the graph. A variable is read as soon as the graph knows it: before any write."""
        if op == "Placeholder" and outputs[0].dtype == tf.resource:
            handle = _captured_handle(frame)
            if (
                handle is not None
                and handle._id not in self._handles
                and (enum := private.dtype_behind(handle)) is not None
            ):
                with self._graph.as_default(), self._graph.control_dependencies(None):
                    self._handles[handle._id] = private.read_in_graph(outputs[0], enum)
            return
        is_source = op == "Placeholder" or op.startswith("IteratorGetNext") or _is_random(op, outputs)
        if is_source:
            self._tensors.update((t.name, t) for t in outputs if t.dtype not in _NO_VALUES)

    def keep(self, is_lost_now: Any, step: Any, new_variable: Any) -> Any:
        """At the graph's end: keep the sources if something non-finite leaves the function for the first time."""
        sources = [*self._tensors.values(), *self._handles.values()]
        self._kept = [new_variable(t.dtype) for t in sources]
        self._step = new_variable(tf.float64)

        def keep() -> Any:
            for variable, tensor in zip(self._kept, sources, strict=True):
                variable.assign(tensor, read_value=False)
            self._step.assign(step, read_value=False)
            return tf.constant(True)

        return tf.cond(is_lost_now, keep, lambda: tf.constant(False)).op

    def values(self, step: float) -> tuple[dict[str, Any], dict[int, Any]]:
        """Eager tensors by name in the graph, and variables' values by the handle's id; empty if another step was kept."""
        if self._step is None or not _is_step(self._step, step):
            return {}, {}
        values = [private.read_variable(v.handle, v.dtype.as_datatype_enum) for v in self._kept]
        number = len(self._tensors)
        return dict(zip(self._tensors, values[:number], strict=True)), dict(
            zip(self._handles, values[number:], strict=True)
        )


def _is_random(op: str, outputs: Sequence[Any]) -> bool:
    """Whether running it again gives something else: its state is not a variable's."""
    if not outputs or not outputs[0].op.op_def.is_stateful or op in CALLS or writes(op):
        return False
    return all(t.dtype != tf.resource for t in outputs[0].op.inputs)


def _is_step(variable: Any, step: float) -> bool:
    value = private.read_variable(variable.handle, variable.dtype.as_datatype_enum)._numpy_internal()
    return bool(value.size) and float(value) == step


def _captured_handle(frame: FrameType | None) -> Any:
    """The eager handle that a placeholder is being made for."""
    for _ in range(16):
        if frame is None:
            return None
        if frame.f_code.co_name == "_create_placeholder_helper":
            tensor = local(frame, "tensor")
            return tensor if type(tensor) is private.EagerTensor else None
        frame = frame.f_back
    return None
