"""From anything that TensorFlow calls a tensor to the dense eager tensor that holds its values; and what it is.

Variables are read through `private.run_op`: no gradient is recorded, no callback of the user sees it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ...model import TensorInfo
from ...opevents import Key
from ..digest import digest
from . import arrays, private

_COMPOSITE = (tf.IndexedSlices, tf.SparseTensor, tf.RaggedTensor)
_OWNED = (tf.Tensor, tf.Variable, *_COMPOSITE)


def is_tensor(value: object) -> bool:
    """Whether it is a tensor of TensorFlow's, decided by its type alone."""
    return issubclass(type(value), _OWNED)


def why_unreadable(tensor: Any) -> str | None:
    """Why the values cannot be looked at; None if they can (what cannot hold a NaN needs no look)."""
    inner = _carrier(tensor)
    cls = type(inner)
    if issubclass(cls, tf.Variable):
        handle = getattr(inner, "handle", None)
        if type(handle) is not private.EagerTensor:
            return "variable of a graph: no data"
        try:
            initialised = private.run_op("VarIsInitializedOp", [handle])
        except Exception:  # NotFoundError and its kin: the resource is gone
            return "its memory was deleted"
        return None if bool(initialised._numpy_internal()) else "not initialised"
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
    identity = key(tensor)
    if not issubclass(type(_carrier(tensor)), tf.Variable) or not can_be_nonfinite(tensor):
        return identity
    try:
        eager = dense(tensor)
        if not private.is_on_host(eager):
            return identity
        flat = to_host(eager).reshape(-1)
        return identity, arrays.address_of(flat), flat[:4].tobytes(), flat[-4:].tobytes()
    except Exception:  # not initialised, deleted
        return identity


def content(tensor: Any, limit: int) -> Mapping[str, Hashable] | None:
    """Digest of a variable on the host. An eager tensor never changes and needs none."""
    inner = _carrier(tensor)
    if not issubclass(type(inner), tf.Variable) or not inner.dtype.is_numpy_compatible or inner.dtype == tf.string:
        return None
    eager = dense(tensor)
    if not private.is_on_host(eager):
        return None
    values = np.asarray(to_host(eager))
    return {"": digest(values) if values.nbytes <= limit else None}


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
