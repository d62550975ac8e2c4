"""From anything that TensorFlow calls a tensor to the dense eager tensor that holds its values; and what it is.

Variables are read through `private.run_op`: no gradient is recorded, no callback of the user sees it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ...model import TensorInfo
from ...opevents import Key
from ..base import Shot
from ..digest import digest
from . import arrays, private

_COMPOSITE = (tf.IndexedSlices, tf.SparseTensor, tf.RaggedTensor)
_MANY = 100_000
_initialised: set[int] = set()  # handles of variables that were seen to hold something; TensorFlow uses no id twice
_OWNED = (tf.Tensor, tf.Variable, *_COMPOSITE)


def is_tensor(value: object) -> bool:
    """Whether it is a tensor of TensorFlow's, decided by its type alone."""
    return issubclass(type(value), _OWNED)


def why_unreadable(tensor: Any) -> str | None:
    """Why the values cannot be looked at; None if they can (what cannot hold a NaN needs no look)."""
    inner = _carrier(tensor)
    cls = type(inner)
    if issubclass(cls, tf.Variable):
        handle: Any = getattr(inner, "handle", None)
        if type(handle) is not private.EagerTensor:
            return "variable of a graph: no data"
        if handle._id in _initialised:
            return None
        try:
            initialised = private.run_op("VarIsInitializedOp", [handle])
        except Exception:  # NotFoundError and its kin: the resource is gone
            return "its memory was deleted"
        if not bool(initialised._numpy_internal()):
            return "not initialised"
        if len(_initialised) >= _MANY:
            _initialised.clear()
        _initialised.add(handle._id)
        return None
    if cls is not private.EagerTensor:
        return "symbolic: no data"
    if inner.dtype == tf.variant:
        return "variant: its contents are opaque"
    return None


def _carrier(tensor: Any) -> Any:
    """The Tensor or Variable that holds the float values of a composite tensor."""
    while issubclass(type(tensor), _COMPOSITE):
        tensor = tensor.flat_values if issubclass(type(tensor), tf.RaggedTensor) else tensor.values
    return tensor


def dense(tensor: Any) -> Any:
    """The eager tensor that holds the values: a variable's value now, a sparse tensor's stored elements."""
    inner = _carrier(tensor)
    if issubclass(type(inner), tf.Variable):
        return private.read_variable(inner.handle, inner.dtype.as_datatype_enum)
    return inner


def dense_of_all(tensors: Sequence[Any]) -> list[Any]:
    """`dense` of each; all variables of a device are read by one operation."""
    found = [_carrier(t) for t in tensors]
    variables: dict[str, list[int]] = {}
    for i, inner in enumerate(found):
        if issubclass(type(inner), tf.Variable):
            variables.setdefault(inner.handle.backing_device, []).append(i)
    for places in variables.values():
        handles = [found[i].handle for i in places]
        values = private.read_variables(handles, [found[i].dtype.as_datatype_enum for i in places])
        for i, value in zip(places, values, strict=True):
            found[i] = value
    return found


def nbytes(tensor: Any) -> int:
    """Bytes of the values, known without a read where the shape is."""
    inner = _carrier(tensor)
    size = inner.shape.num_elements()
    if size is None:  # a variable of any shape
        inner = dense(tensor)
        size = inner._num_elements()
    return int(size) * int(inner.dtype.size)


def can_be_nonfinite(tensor: Any) -> bool:
    """Whether its dtype has NaN or Inf."""
    return _carrier(tensor).dtype.as_datatype_enum in private.FLOATS


def to_host(eager: Any) -> Any:
    """The values as an ndarray or a numpy scalar: on the host without a copy, else one read."""
    return eager._numpy_internal()


def key(tensor: Any) -> Key:
    """`("tfvar", id of the handle)` or `("tf", id)`. TensorFlow never uses an id twice."""
    try:
        inner = _carrier(tensor)
        if issubclass(type(inner), tf.Variable):
            return ("tfvar", inner.handle._id)
        return ("tf", inner._id)
    except Exception:  # symbolic, deleted, a strange subclass
        return ("id", id(tensor))


def fingerprint(tensor: Any) -> Hashable:
    """An eager tensor never changes. A variable has no version: on the host its address and a few elements tell."""
    return shots([tensor], -1)[0].light


def shots(tensors: Sequence[Any], limit: int) -> list[Shot]:
    """As `Backend.shots`; without a memory: nothing is a view of another."""
    found = [Shot(key(t), None, None, takes_gradient=False) for t in tensors]
    variables = [
        i for i, t in enumerate(tensors)
        if issubclass(type(inner := _carrier(t)), tf.Variable) and _is_numeric(inner.dtype)
    ]  # fmt: skip
    try:
        eager = dense_of_all([tensors[i] for i in variables])
    except Exception:  # one is not initialised, or deleted
        if len(tensors) > 1:
            return [shots([t], limit)[0] for t in tensors]
        return found
    for i, now in zip(variables, eager, strict=True):
        if private.is_on_host(now):
            values = np.asarray(to_host(now))
            flat = values.reshape(-1)
            address = arrays.address_of(flat) if values.ndim else None  # a scalar is a copy in a place of its own
            light = found[i].light, address, flat[:4].tobytes(), flat[-4:].tobytes()
            found[i] = Shot(light, None, digest(values) if values.nbytes <= limit else None, takes_gradient=False)
    return found


def _is_numeric(dtype: tf.DType) -> bool:
    return bool(dtype.is_numpy_compatible) and dtype.as_datatype_enum != private.STRING


def info(tensor: Any) -> TensorInfo:
    """Framework, dtype ("float32"), shape (unknown dimensions -1) and device ("/GPU:0")."""
    inner = _carrier(tensor)
    try:
        rank_and_size = tuple(-1 if d is None else int(d) for d in tensor.shape)
    except (TypeError, ValueError):  # unknown rank
        rank_and_size = ()
    return TensorInfo("tensorflow", inner.dtype.base_dtype.name, rank_and_size, device_name(inner))


def device_name(tensor: Any) -> str:
    """ "/job:localhost/replica:0/task:0/device:GPU:0" as "/GPU:0"."""
    try:
        device = tensor.backing_device if type(tensor) is private.EagerTensor else tensor.device
    except Exception:  # symbolic tensors of some releases raise
        return ""
    return "/" + device.rsplit("device:", 1)[-1] if device else "/CPU:0"


def dense_index(tensor: Any, index: tuple[int, ...]) -> tuple[int, ...]:
    """Where the stored element `index` lies in the tensor as the user sees it."""
    cls = type(tensor)
    if not index or not issubclass(cls, _COMPOSITE) or issubclass(cls, tf.RaggedTensor):
        return index
    row = to_host(dense(tensor.indices))[index[0]]
    return (*(int(i) for i in row.reshape(-1)), *index[1:])
