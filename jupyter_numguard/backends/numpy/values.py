"""What an ndarray is to numguard: whose it is, the identity of its memory, what a check of it reads."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ...model import TensorInfo
from ...opevents import Key
from .dense import Array, is_known, plain
from .statistics import dtype_name

_SAMPLE = 16  # elements that a fingerprint looks at


def owns(value: object) -> bool:
    """Whether `value` is an ndarray or a number of numpy. Looks at the type only."""
    kind = type(value)
    return issubclass(kind, np.ndarray | np.number | np.bool_ | np.void) or (
        issubclass(kind, np.generic) and not issubclass(kind, np.character | np.datetime64 | np.object_)
    )


def _owner(a: Array) -> Array:
    """The array whose memory `a` looks into."""
    base: Any = a
    while True:
        outer = np.ndarray.base.__get__(base)  # not a subclass's own attribute
        if not isinstance(outer, np.ndarray):
            return base  # type: ignore[no-any-return]
        base = outer


def key(value: Any) -> Key:
    """Identity of the memory: `("mem", "cpu", address of the owner's first byte)`, equal for an array and its views.

    `torch.from_numpy(a)` has the address of `a`'s own first byte, so it agrees with the key of `a` and of views of `a`
    wherever `a` owns its memory. Made from a *view* that starts elsewhere it does not: such a tensor is then seen as
    memory of its own. A scalar has no memory that another can share: `("number", id)`.
    """
    if not isinstance(value, np.ndarray):
        return ("number", id(value))
    owner = _owner(value)
    return ("mem", "cpu", plain(owner).__array_interface__["data"][0])


def alive(value: Any) -> Callable[[], bool] | None:
    """A function that answers whether the memory of `key(value)` is still the same array's; holds it weakly."""
    if not isinstance(value, np.ndarray):
        return None
    owner = weakref.ref(_owner(value))
    return lambda: owner() is not None


def fingerprint(value: Any) -> Hashable:
    """Place, form, and the bits of at most 16 elements spread over the array: numpy counts no versions."""
    a = plain(value)
    if not isinstance(value, np.ndarray):
        return (a.dtype.str, a.tobytes())
    place = (a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.str)
    if a.dtype.hasobject or a.size == 0:
        return place
    sample = (
        a.reshape(-1)[:: max(1, a.size // _SAMPLE)] if a.flags.c_contiguous else a.flat[:: max(1, a.size // _SAMPLE)]
    )
    return (*place, sample.tobytes())


def info(value: Any) -> TensorInfo:
    """Dtype, shape and device; the device of host memory is "cpu"."""
    return TensorInfo("numpy", dtype_name(value), tuple(plain(value).shape), "cpu")


def why_unchecked(value: Any) -> str | None:
    """None, but for a number type of a package that is not known here."""
    dtype = plain(value).dtype
    return None if is_known(dtype) else f"dtype {dtype.name} of another package"


def copy_sample(value: Any, max_bytes: int) -> Any | None:
    """A private copy of the array or scalar if it is small enough and holds no objects."""
    a = plain(value)
    if a.nbytes > max_bytes or a.dtype.hasobject:
        return None
    if not isinstance(value, np.ndarray):
        return value  # immutable
    return np.ma.array(a.copy(), mask=np.ma.getmaskarray(value)) if isinstance(value, np.ma.MaskedArray) else a.copy()
