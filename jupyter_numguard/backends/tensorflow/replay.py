"""Runs the step in which a graph was lost again, operation by operation, up to the one that failed: what did it get?

The graph is interpreted on the values that were kept of that step (`capture.py`). Nothing of the user's is touched:
variables are a dictionary here, Python is not run, and operations with effects of their own are left out (what depends on
them is then not known). Called functions, branches and loops are entered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ...opevents import Moment, Scope
from ...oplog import OpLog
from . import arrays, private
from .flagging import SCOPE
from .forward import operand_of_result
from .graph import FlaggedGraph, Node
from .optables import CALLS, without_axes, writes

MAX_BYTES = 1 << 30  # results held at once; a step of a large model is not run again
MAX_SECONDS = 10.0


class _Reached(Exception):
    """The failing operation created again."""


class _GaveUp(Exception):
    """The step is too large to be run again."""


class _Handle:
    """Stands for a variable's handle."""

    def __init__(self, key: int) -> None:
        self.key = key


class Replay:
    """One run of one step; used once."""

    def __init__(
        self, outermost: FlaggedGraph, target: FlaggedGraph, node: Node, kept: tuple[dict[str, Any], dict[int, Any]]
    ) -> None:
        """Prepare.

        Args:
            outermost: Where the step begins.
            target, node: The operation that failed, and its graph.
            kept: `Capture.values`.
        """
        self._env, self._store = kept
        self._outermost = outermost.graph
        self._target = target.graph
        self._node = node
        self._running: list[tuple[Any, dict[str, Any]]] = []  # (graph, values by tensor name), outermost first
        self._bytes = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    def moment(self, log: OpLog) -> Moment | None:
        """Operands, results and names of the failing operation as they were; None if it did not fail again."""
        try:
            for outside, inside in self._outermost.captures:
                if type(outside) is private.EagerTensor:
                    known = _Handle(outside._id) if outside.dtype == tf.resource else outside
                    self._env.setdefault(inside.name, known)
            self._run_graph(self._outermost, self._env)
        except _Reached:
            return self._moment()
        except _GaveUp as reason:
            log.add_not_traced(f"operands inside of {self._outermost.name}", str(reason))
        except Exception as failure:  # an operation that this interpreter does not know
            log.add_not_traced(f"operands inside of {self._outermost.name}", f"it could not be run again: {failure!r}")
        return None

    # --- running ----------------------------------------------------------------------------------------------------
    def _run_graph(self, graph: Any, env: dict[str, Any]) -> None:
        self._running.append((graph, env))
        is_target = graph is self._target or graph.name == self._target.name
        for op in graph.get_operations():
            if SCOPE in op.name:
                continue
            if not (op.outputs and all(t.name in env for t in op.outputs)):
                self._run_op(env, op)
            if is_target and op.name == self._node.name and self._creates(env, op):
                raise _Reached
        self._running.pop()

    def _run_op(self, env: dict[str, Any], op: Any) -> None:
        kind = op.type
        inputs = [env.get(t.name) for t in op.inputs]
        if kind in CALLS:
            outputs = self._call(op, inputs)
        elif any(v is None for v in inputs):
            if writes(kind) and isinstance(inputs[0], _Handle):
                self._store.pop(inputs[0].key, None)
            return
        elif inputs and isinstance(inputs[0], _Handle):
            outputs = self._use_variable(op, inputs[0].key, inputs)
        elif kind == "Const":
            outputs = [_constant(op)]
        elif op.op_def.is_stateful or kind == "Placeholder":
            return
        else:
            outputs = private.run_ops(kind, len(op.outputs), inputs, private.attributes_of(op))
        for tensor, value in zip(op.outputs, outputs, strict=False):
            if value is not None:
                env[tensor.name] = value
                self._count(value)

    def _count(self, value: Any) -> None:
        if type(value) is private.EagerTensor and value.dtype.size:
            self._bytes += int(value._num_elements()) * int(value.dtype.size)
        if self._bytes > MAX_BYTES:
            raise _GaveUp("the step holds too much memory to be run again")
        if time.monotonic() > self._deadline:
            raise _GaveUp("the step takes too long to be run again")

    def _use_variable(self, op: Any, key: int, inputs: Sequence[Any]) -> list[Any]:
        kind, now = op.type, self._store.get(key)
        if kind == "Identity":
            return [inputs[0]]
        if kind == "AssignVariableOp":
            self._store[key] = inputs[1]
        elif kind in _STEPS and now is not None:
            self._store[key] = private.run_ops(_STEPS[kind], 1, [now, inputs[1]], ("T", now._datatype_enum()))[0]
        elif writes(kind):
            self._store.pop(key, None)
        elif kind == "ReadVariableOp":
            return [now]
        elif kind == "ResourceGather" and now is not None and op.get_attr("batch_dims") == 0:
            return [_rows_of(now, inputs[1])]
        return []

    def _call(self, op: Any, inputs: list[Any]) -> list[Any]:
        kind = op.type
        if kind in ("While", "StatelessWhile"):
            return self._loop(op, inputs)
        if kind.endswith("PartitionedCall"):
            return self._call_graph(_function(op, "f"), inputs)
        which = inputs[0]
        if which is None:
            return []
        if kind in ("Case", "StatelessCase"):
            branches = op.get_attr("branches")
            index = int(which._numpy_internal())
            name = branches[index if 0 <= index < len(branches) else -1].name
            return self._call_graph(_function_named(op, name), inputs[1:])
        branch = "then_branch" if bool(which._numpy_internal()) else "else_branch"
        return self._call_graph(_function(op, branch), inputs[1:])

    def _call_graph(self, graph: Any, inputs: Sequence[Any]) -> list[Any]:
        env = {t.name: v for t, v in zip(graph.inputs, inputs, strict=True) if v is not None}
        self._run_graph(graph, env)
        return [env.get(t.name) for t in graph.outputs]

    def _loop(self, op: Any, state: list[Any]) -> list[Any]:
        cond, body = _function(op, "cond"), _function(op, "body")
        while True:
            (goes_on,) = self._call_graph(cond, state)
            if goes_on is None:
                raise _GaveUp("a loop depends on what is not known any more")
            if not bool(goes_on._numpy_internal()):
                return state
            state = self._call_graph(body, state)

    # --- the failing operation ----------------------------------------------------------------------------------------
    def _creates(self, env: Mapping[str, Any], op: Any) -> bool:
        results = [v for t in op.outputs if type(v := env.get(t.name)) is private.EagerTensor]
        state = _state(results)
        operands = _state([v for t in op.inputs if type(v := env.get(t.name)) is private.EagerTensor])
        return (state[0] and not operands[0]) or (state[1] and not any(operands))

    def _moment(self) -> Moment:
        _, env = self._running[-1]
        op = self._target.get_operation_by_name(self._node.name)
        told = self._node.forward if self._node.forward is not None else op
        operands = [
            v for t in without_axes(told.type, told.inputs) if type(v := self._value_of(t)) is private.EagerTensor
        ]
        if not operands:  # of another graph, which handed over the result alone
            known = [v for t in told.outputs if type(v := self._value_of(t)) is private.EagerTensor]
            operands = operand_of_result(told.type, known)
        results = [v for t in op.outputs if type(v := env.get(t.name)) is private.EagerTensor]
        scope = self._node.place.scope
        if scope is None:
            return Moment(operands, results, Scope({}, {}))
        return Moment(operands, results, Scope(scope.locals, scope.globals, self._as_of))

    def _as_of(self, value: Any) -> Any:
        """What a symbolic tensor or a variable held then; anything else is as it is."""
        inner = getattr(value, "_value", None)
        if isinstance(inner, tf.Variable):  # Keras's own kind
            value = inner
        if isinstance(value, tf.Variable):
            handle: Any = getattr(value, "handle", None)
            return self._store.get(handle._id) if type(handle) is private.EagerTensor else None
        return (
            self._value_of(value) if isinstance(value, tf.Tensor) and type(value) is not private.EagerTensor else value
        )

    def _value_of(self, tensor: Any) -> Any:
        """The value of a tensor of one of the graphs that were running, or of one that they captured."""
        for graph, env in reversed(self._running):
            if tensor.graph is graph or tensor.graph.name == graph.name:
                return env.get(tensor.name)
            inside = next((i for o, i in graph.captures if o is tensor), None)
            if inside is not None:
                return env.get(inside.name)
        return None


_STEPS = {"AssignAddVariableOp": "AddV2", "AssignSubVariableOp": "Sub"}


def _state(tensors: Sequence[Any]) -> tuple[bool, bool]:
    states = [arrays.state_of(t._numpy_internal()) for t in tensors if t._datatype_enum() in private.FLOATS]
    return any(s.nan for s in states), any(s.inf for s in states)


def _constant(op: Any) -> Any:
    """The value of a Const."""
    value = private.tensor_util.MakeNdarray(op.get_attr("value"))
    return private.host_tensor(value, op.outputs[0].dtype.as_datatype_enum)


def _rows_of(table: Any, indices: Any) -> Any:
    axis = private.host_tensor(0, private.INT32)
    enums = ("Tparams", table._datatype_enum(), "Tindices", indices._datatype_enum(), "Taxis", private.INT32)
    return private.run_ops("GatherV2", 1, [table, indices, axis], ("batch_dims", 0, *enums))[0]


def _function(op: Any, attribute: str) -> Any:
    return _function_named(op, op.get_attr(attribute).name)


def _function_named(op: Any, name: str) -> Any:
    return op.graph._get_function(name).graph
