"""From anything that torch calls a tensor to one plain strided tensor that holds its values, unseen by the user's code.

- No code of the user runs (`isinstance` would: it asks an object for its `__class__`). Subclasses are stripped of their
  class, and torch functions, dispatch modes, autograd and functorch are switched off while numguard looks (`hidden`).
- Nothing is copied, but for MKL-DNN's opaque layout.
- What has no values that can be read is named by `why_unreadable`. A tensor whose storage was freed must be: reading it
  would end the kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import torch
from torch._C import (
    DisableTorchFunction,
    DispatchKey,
    _AutoDispatchBelowAutograd,
    _DisableTorchDispatch,
    _dispatch_keys,
    _len_torch_dispatch_stack,
)
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]  # not in its stubs

_functorch = torch._C._functorch
is_wrapped = _functorch.is_functorch_wrapped_tensor
PLAIN_TYPES = {torch.Tensor, torch.nn.Parameter}
COMPRESSED = {torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}
_OPAQUE = {getattr(torch, "_mkldnn", None)}
_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_COMPLEX = {torch.complex32, torch.complex64, torch.complex128}
INTEGERS = {
    getattr(torch, name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
    if hasattr(torch, name)
}
_ORDINARY = _FLOATS | _COMPLEX | INTEGERS
MAX_PIECE = 1 << 24  # elements looked at in one go where a look needs temporaries: 64 MB of float32

# 8-bit formats: the least code that is non-finite read as int8 (positive ones), as uint8 (negative ones), None where
# there is none; from the formats' definitions (OCP FP8 for e4m3fn and e5m2, OCP MX for e8m0, AMD and Graphcore's "FP8
# formats" for fnuz).
FLOAT8: dict[torch.dtype, tuple[int | None, int | None]] = {
    getattr(torch, name): limits
    for name, limits in {
        "float8_e4m3fn": (0x7F, 0xFF),  # NaN is all ones but the sign; there is no Inf
        "float8_e5m2": (0x7C, 0xFC),  # as IEEE
        "float8_e4m3fnuz": (None, None),  # only what would be -0 is NaN: the least int8
        "float8_e5m2fnuz": (None, None),
        "float8_e8m0fnu": (None, 0xFF),  # an exponent without sign: NaN is all ones
    }.items()
    if hasattr(torch, name)
}
_NEVER_NONFINITE = {getattr(torch, "float4_e2m1fn_x2", None)}  # OCP MX: no code for NaN or Inf


class hidden:
    """While entered, torch operations of this thread are numguard's own: no torch function, no dispatch mode or
    subclass, no autograd, no functorch transform of the user sees them. Cost: about 3 µs."""

    __slots__ = ("_guards",)

    def __enter__(self) -> None:
        guards: list[Any] = [DisableTorchFunction(), _DisableTorchDispatch(), _AutoDispatchBelowAutograd()]
        if _functorch.peek_interpreter_stack() is not None:
            guards.append(temporarily_clear_interpreter_stack())
        self._guards = guards
        for guard in guards:
            guard.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for guard in reversed(self._guards):
            guard.__exit__(kind, error, trace)


def is_alone() -> bool:
    """Whether neither a dispatch mode nor a functorch transform of the user is entered on this thread: then a detached
    look needs torch functions and gradients switched off and no more than that."""
    return not _len_torch_dispatch_stack() and _functorch.peek_interpreter_stack() is None


def is_simple(t: Any) -> bool:
    """Whether the facts of `t` (not its values) can be read with no more than torch functions switched off: an exact,
    strided tensor. Call it under `DisableTorchFunction`, which costs a tenth of `hidden`."""
    return (
        type(t) in PLAIN_TYPES
        and t.layout is torch.strided
        and not t.is_nested
        and not _functorch.is_functorch_wrapped_tensor(t)
    )


def ordinary(t: Any) -> int | None:
    """The address of the first element, if `t` is what nearly every tensor on the host is: exact, strided, contiguous, not
    empty, of a common dtype, with a storage that holds all of it. Then `why_unreadable` has nothing to say.

    Call it under `DisableTorchFunction`. Every fact is asked in the cheapest way.
    """
    if (
        type(t) not in PLAIN_TYPES
        or (dtype := t.dtype) not in _ORDINARY
        or not t.is_cpu
        or t.layout is not torch.strided
        or t.is_nested
        or is_wrapped(t)
        or not t.is_contiguous()
    ):
        return None
    try:
        address: int = t.data_ptr()
        held = t.untyped_storage().nbytes()
    except (RuntimeError, NotImplementedError):  # no storage
        return None
    if not address or t.storage_offset() * dtype.itemsize + t.nbytes > held:
        return None
    return address


def _class(name: str, module: str) -> type | None:
    """A class of torch that may not be imported; None then, and no tensor can be one."""
    return getattr(sys.modules.get(module), name, None)


def _inner(t: Any) -> Any:
    """The tensor that a wrapper known to torch itself holds, without a collective; `t` if it is none."""
    if type(t) in PLAIN_TYPES:
        return t
    for name, module, attribute in (
        ("DTensor", "torch.distributed.tensor", "_local_tensor"),
        ("DTensor", "torch.distributed._tensor", "_local_tensor"),
        ("NestedTensor", "torch.nested._internal.nested_tensor", "_values"),
    ):
        cls = _class(name, module)
        if cls is not None and issubclass(type(t), cls):
            return object.__getattribute__(t, attribute)
    return t


def plain(t: Any) -> torch.Tensor:
    """The same memory as an exact `torch.Tensor`: out of its class, of wrappers that torch knows, and of functorch's.

    Call it under `hidden`.
    """
    t = _inner(t)
    while _functorch.is_functorch_wrapped_tensor(t):
        t = _functorch.get_unwrapped(t)
    if type(t) not in PLAIN_TYPES:
        t = torch.Tensor.as_subclass(t, torch.Tensor)
    out: torch.Tensor = t
    return out


def why_unreadable(t: Any) -> str | None:
    """None if `t` has values that can be read, else the reason in a few words. Cost: about 2 µs.

    Call it under `hidden`; under `DisableTorchFunction` is enough for what `is_simple`.
    """
    if ordinary(t) is not None:
        return None
    cls = type(t)
    if cls not in PLAIN_TYPES:
        fake = _class("FakeTensor", "torch._subclasses.fake_tensor")
        if fake is not None and issubclass(cls, fake):
            return "fake tensor: no data"
        if issubclass(cls, UninitializedTensorMixin):
            return "lazy parameter: no data yet"
        inner = _inner(t)
        if inner is not t:
            return why_unreadable(inner)
    t = plain(t)
    if t.is_meta:
        return "meta device: no data"
    if t.is_quantized:
        return "quantised"
    if torch._is_functional_tensor(t):
        return "functional tensor: no data"
    dtype = t.dtype
    if dtype.is_floating_point and dtype not in _FLOATS and dtype not in FLOAT8 and dtype not in _NEVER_NONFINITE:
        return f"dtype {dtype}"
    if t.layout is not torch.strided:
        if t.layout is torch.sparse_coo:
            return why_unreadable(t._values())
        if t.layout in COMPRESSED:
            return why_unreadable(t.values())
        return None if t.layout in _OPAQUE else f"layout {t.layout}"
    if t.is_nested:
        return None
    try:
        storage = t.untyped_storage()
        address, held = storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # the storage of a wrapper: there is none
        return f"tensor subclass {cls.__name__}"
    if t.numel() == 0:
        return None
    if address == 0 or _extent(t) > held:
        # A wrapper may also keep a storage of length 0.
        wrapper = cls not in PLAIN_TYPES and _dispatch_keys(t).has(DispatchKey.Python)
        return f"tensor subclass {cls.__name__}" if wrapper else "its storage was freed or shrunk"
    return None


def _extent(t: torch.Tensor) -> int:
    """Bytes of the storage up to the last element."""
    last = int(t.storage_offset())
    if t.is_contiguous():
        return (last + int(t.numel())) * int(t.element_size())
    for size, stride in zip(t.shape, t.stride(), strict=True):
        last += (int(size) - 1) * int(stride)
    return (last + 1) * int(t.element_size())


def values_of(t: Any) -> torch.Tensor:
    """One plain strided tensor, of any dtype, that holds all values of a readable tensor. Call it under `hidden`.

    A sparse tensor's are its stored values (an uncoalesced one's too: nothing is added up); a nested one's its buffer;
    a dimension that only repeats others (stride 0) is left out.
    """
    t = plain(t)
    layout = t.layout
    if layout is not torch.strided:
        t = t._values() if layout is torch.sparse_coo else t.values() if layout in COMPRESSED else t.to_dense()
    elif t.is_nested:
        t = t.values()
    if not t.is_contiguous():
        for dim, stride in enumerate(t.stride()):
            if stride == 0 and t.shape[dim] > 1:
                t = t.narrow(dim, 0, 1)
    return t


def can_be_nonfinite(dtype: torch.dtype) -> bool:
    """Whether the dtype has a code for NaN or Inf."""
    return dtype in _FLOATS or dtype in _COMPLEX or dtype in FLOAT8


def as_real(t: torch.Tensor) -> torch.Tensor:
    """A complex tensor as its real and imaginary parts, without a copy: (*shape, 2). Others as they are."""
    if not t.is_complex():
        return t
    return torch.view_as_real(t.conj() if t.is_conj() else t)  # the sign of the imaginary part does not matter to us


def as_computable(t: torch.Tensor) -> torch.Tensor:
    """A float8 tensor as float32, exactly, since torch cannot compute with it; others as they are."""
    return t.to(torch.float32) if t.dtype in FLOAT8 else t


def pieces(t: torch.Tensor, limit: int = MAX_PIECE) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    """Views of at most `limit` elements that cover `t` in row-major order, each with the index of its first element."""
    yield from _pieces(t, (0,) * t.dim(), limit)


def _pieces(t: torch.Tensor, start: tuple[int, ...], limit: int) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    if t.numel() <= limit:
        yield start, t
        return
    dim = next(d for d, size in enumerate(t.shape) if size > 1)
    rows = max(1, limit * t.shape[dim] // t.numel())
    for first in range(0, t.shape[dim], rows):
        part = t.narrow(dim, first, min(rows, t.shape[dim] - first))
        yield from _pieces(part, (*start[:dim], start[dim] + first, *start[dim + 1 :]), limit)
