"""The one file that knows TensorFlow's private API; everything else here asks it.

Public TensorFlow offers no way to see every operation. What is used instead, and since when it has been so: operation
callbacks (2.3, they carry TensorFlow's own debugger), the tape's state, `Function` and the builder of function graphs
(2.13). If a release moves one of them, `missing` says which, and nothing is traced: watching needs only `run_op`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.eager import context as context
from tensorflow.python.eager import execute
from tensorflow.python.framework import ops as ops

missing: str | None = None
try:
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.distribute import distribute_lib as distribute_lib
    from tensorflow.python.eager import record
    from tensorflow.python.eager.polymorphic_function import polymorphic_function as polymorphic_function
    from tensorflow.python.framework import func_graph as func_graph
    from tensorflow.python.framework import op_callbacks as op_callbacks
    from tensorflow.python.framework import tensor_util as tensor_util
    from tensorflow.python.ops import cond, control_flow_util_v2, gen_resource_variable_ops, resource_variable_ops
    from tensorflow.python.ops import gen_debug_ops as gen_debug_ops
    from tensorflow.python.ops import gradients_util as gradients_util

    tape_is_empty: Callable[[], bool] = pywrap_tfe.TFE_Py_TapeSetIsEmpty
    stop_recording = record.stop_recording
    ResourceVariable: Any = resource_variable_ops.ResourceVariable
    Function: Any = polymorphic_function.Function
    FuncGraph: Any = func_graph.FuncGraph
    WhileCondFuncGraph: Any = control_flow_util_v2.WhileCondFuncGraph
    for _owner, _name in (
        (op_callbacks, "add_op_callback"), (op_callbacks, "remove_op_callback"), (Function, "_clone"), (Function, "_call"),
        (func_graph, "func_graph_from_py_func"), (gradients_util, "_GradientsHelper"),
        (gen_debug_ops, "debug_numeric_summary_v2"), (ops.EagerTensor, "_numpy"), (distribute_lib, "has_strategy"),
    ):  # fmt: skip
        getattr(_owner, _name)
except (ImportError, AttributeError) as _error:
    missing = str(_error)

EagerTensor: Any = ops.EagerTensor
EagerTensorBase: Any = next(c for c in EagerTensor.__mro__ if "numpy" in c.__dict__)

# TensorFlow's DataType numbers (types.proto, part of the file format, so they never change).
FLOATS = frozenset({1, 2, 8, 14, 18, 19, 24, 25, 26, 27, 28, 33})
"""Types that can hold a NaN or an Inf: float32/64/16, complex64/128, bfloat16, the float8 and float4 kinds."""
COMPLEX = frozenset({8, 18})
RESOURCE = 20
INT32 = 3
STRING = 7


def run_op(op: str, inputs: list[Any], *attrs: Any) -> Any:
    """Run one operation eagerly, unseen by callbacks, tapes and name scopes. `attrs` are names and values in turn."""
    return execute.quick_execute(op, 1, inputs, attrs, context.context())[0]


def run_ops(op: str, num_outputs: int, inputs: Sequence[Any], attrs: Sequence[Any]) -> list[Any]:
    """As `run_op`, all results."""
    return list(execute.quick_execute(op, num_outputs, list(inputs), tuple(attrs), context.context()))


def attributes_of(op: Any) -> list[Any]:
    """Names and values of a graph operation's attributes, as `run_ops` takes them."""
    out: list[Any] = []
    for attribute in op.op_def.attr:
        value = op.get_attr(attribute.name)
        if attribute.type == "type":
            value = value.as_datatype_enum
        elif attribute.type == "list(type)":
            value = [v.as_datatype_enum for v in value]
        elif attribute.type == "shape":
            value = execute.make_shape(value, attribute.name)
        elif attribute.type == "list(shape)":
            value = [execute.make_shape(v, attribute.name) for v in value]
        out += [attribute.name, value]
    return out


def read_in_graph(handle: Any, dtype_enum: int) -> Any:
    """A variable's value as a tensor of the graph that is being built."""
    return gen_resource_variable_ops.read_variable_op(handle, dtype_enum)


def assign_in_graph(handle: Any, value: Any) -> Any:
    """Assign to a variable in the graph that is being built."""
    return gen_resource_variable_ops.assign_variable_op(handle, value)


def cond_by_call(predicate: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """`tf.cond` of one tensor whose branches are called, not inlined: that would cost an operation per value they use."""
    result = cond.cond(predicate, then, otherwise)
    op = result.op
    while op.type not in ("If", "StatelessIf"):
        op = op.inputs[0].op
    op._set_attr("_lower_using_switch_merge", attr_value_pb2.AttrValue(b=False))
    return result


def repeat_in_graph(op: Any, inputs: list[Any]) -> list[Any]:
    """The same operation on other operands, in the graph that is being built: its results."""
    attributes = {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}
    with ops.device(op.device or None):
        made = ops.get_default_graph()._create_op_internal(
            op.type, inputs, [t.dtype for t in op.outputs], name=op.type, attrs=attributes, op_def=op.op_def
        )
    return list(made.outputs)


def host_tensor(value: Any, dtype_enum: int) -> Any:
    """An eager tensor in host memory with a copy of `value`, whatever graph or device scope is active."""
    return EagerTensor(np.array(value), "/" + _HOST, dtype_enum)


def read_variable(handle: Any, dtype_enum: int) -> Any:
    """The variable's value as an eager tensor. On the host it shares the variable's memory until the next assignment."""
    return run_op("ReadVariableOp", [handle], "dtype", dtype_enum)


def read_variables(handles: Sequence[Any], dtype_enums: Sequence[int]) -> Sequence[Any]:
    """As `read_variable` of each, by one operation for those of one device: it costs hardly more than one of them alone."""
    if len(handles) > 1:
        try:
            attributes = ("N", len(handles), "dtypes", list(dtype_enums))
            return run_ops("_ReadVariablesOp", len(handles), handles, attributes)
        except Exception:  # one of them holds nothing; a release without this operation
            pass
    return [read_variable(handle, enum) for handle, enum in zip(handles, dtype_enums, strict=True)]


def dtype_behind(handle: Any) -> int | None:
    """The dtype of the variable behind a handle; None if it is no variable, or holds nothing yet."""
    known = getattr(handle, "_handle_data", None)
    if known is None or not known.is_set or len(known.shape_and_type) != 1:
        return None
    if not bool(run_op("VarIsInitializedOp", [handle])._numpy_internal()):
        return None
    return int(known.shape_and_type[0].dtype)


def write_variable(variable: Any, value: Any) -> None:
    """Assign to a variable of our own, unseen by callbacks and tapes."""
    enum = variable.dtype.as_datatype_enum
    inputs = [variable.handle, host_tensor(value, enum)]
    execute.quick_execute("AssignVariableOp", 0, inputs, ("dtype", enum), context.context())


def health_of(tensor: Any) -> Any:
    """[-Inf or 0, +Inf or 0, NaN or 0] of an eager float tensor, as a tensor on its own device: nothing is read."""
    enum = tensor._datatype_enum()
    if enum in COMPLEX:
        half = 1 if enum == 8 else 2
        parts = [run_op(op, [tensor], "T", enum, "Tout", half) for op in ("Real", "Imag")]
        sides = [health_of(part) for part in parts]
        return run_op("AddV2", sides, "T", 1)
    if enum not in (1, 2, 19):
        tensor = run_op("Cast", [tensor], "SrcT", enum, "DstT", 1, "Truncate", False)
        enum = 1
    return run_op(
        "DebugNumericSummaryV2", [tensor], "output_dtype", 1, "T", enum, "tensor_debug_mode", 8, "tensor_id", -1
    )


def stack(tensors: list[Any]) -> Any:
    """Eager float32 tensors of one shape and device, as one tensor there."""
    return run_op("Pack", tensors, "N", len(tensors), "T", 1, "axis", 0)


def is_on_host(tensor: Any) -> bool:
    """Whether the values of an eager tensor lie in host memory."""
    return str(tensor.backing_device).endswith(_HOST) or not tensor.backing_device


_HOST = "CPU:0"


def has_devices() -> bool:
    """Whether this process has started any device besides the host."""
    return bool(context.context().num_gpus()) or any(
        not str(name).endswith(_HOST) for name in context.context().devices()
    )


def hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function whose frames TensorFlow's traceback filter takes for its own.

    A user's error inside of a `tf.function` then shows the same frames with and without numguard.
    """
    code = function.__code__.replace(co_filename=polymorphic_function.__file__)
    copy = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
