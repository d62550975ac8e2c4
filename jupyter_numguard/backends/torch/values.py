"""What the torch recorder and the check ask of one tensor: its state, the identity of its memory, its numbers.

Every function here is unseen by the user's modes, hooks and graph (`dense.hidden`), keeps no tensor, and takes whatever
`isinstance(t, torch.Tensor)` lets through. Of a tensor that cannot be read (`dense.why_unreadable`) nothing is known:
`state` says FINITE, the numbers of `summarize` are None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._C import DisableTorchFunction

from ...model import FINITE, NonFiniteState
from ...opevents import Key
from .dense import as_computable, as_real, can_be_nonfinite, hidden, is_simple, pieces, plain, values_of, why_unreadable
from .statistics import count, info, summarize

__all__ = ["alive", "count", "info", "key", "state", "summarize"]

_INF = float("inf")


def state(t: Any) -> NonFiniteState:
    """Which kinds of non-finite values `t` holds, exactly.

    Cost: on the CPU one `aminmax`, and a second look only where it holds NaN; elsewhere six kernels and one host read.
    """
    with hidden():
        if why_unreadable(t) is not None:
            return FINITE
        values = values_of(t)
        if not can_be_nonfinite(values.dtype) or values.numel() == 0:
            return FINITE
        on_host = values.device.type == "cpu"
        nan = inf = False
        for _, piece in pieces(values):
            piece = as_computable(as_real(piece))
            if not on_host:
                flags = torch.stack(((piece != piece).any(), (piece == _INF).any(), (piece == -_INF).any()))
                has_nan, has_posinf, has_neginf = flags.tolist()
                nan, inf = nan or has_nan, inf or has_posinf or has_neginf
            else:
                low, high = (float(x) for x in torch.aminmax(piece))
                if low != low:  # a NaN hides every Inf from the extremes
                    nan, inf = True, inf or bool((piece == _INF).any()) or bool((piece == -_INF).any())
                elif low == -_INF or high == _INF:
                    inf = True
            if nan and inf:
                break
        return NonFiniteState(nan, inf)


def key(t: Any) -> Key:
    """Identity of the memory: `("mem", device, address of the storage)`, "cpu" for all host memory; equal for views.

    Where there is no memory (empty, meta, wrappers) every tensor object is its own: `("torch", id)`.
    """
    try:
        with DisableTorchFunction():
            if is_simple(t):
                return _key(t) or ("torch", id(t))
        with hidden():
            return (_key(_strided(t)) if why_unreadable(t) is None else None) or ("torch", id(t))
    except Exception:  # storage-less, lazy or broken: the object itself is all that is known
        return ("torch", id(t))


def _key(t: torch.Tensor) -> Key | None:
    address = t.untyped_storage().data_ptr()
    return ("mem", "cpu" if t.is_cpu else str(t.device), address) if address else None


def alive(t: Any) -> Callable[[], bool]:
    """A function that answers whether the storage of `t` still lives at the address that `key` gave.

    It holds the storage weakly: neither the tensor nor its memory is kept.
    """
    try:
        with hidden():
            if why_unreadable(t) is None:
                storage = _strided(t).untyped_storage()
                return _WeakStorage(storage, storage.data_ptr())
    except Exception:  # as in `key`
        pass
    return lambda: True


class _WeakStorage:
    """Calling it tells whether the storage lives, and at the same address (`resize_` moves it)."""

    __slots__ = ("_address", "_free", "_weak")

    def __init__(self, storage: torch.UntypedStorage, address: int) -> None:
        self._free = torch.UntypedStorage._free_weak_ref  # torch may be gone when the interpreter shuts down
        self._address = address
        self._weak = storage._weak_ref()

    def __call__(self) -> bool:
        storage = torch.UntypedStorage._new_with_weak_ptr(self._weak)
        return storage is not None and storage.data_ptr() == self._address

    def __del__(self) -> None:
        self._free(self._weak)


def _strided(t: Any) -> torch.Tensor:
    """The tensor whose storage stands for the memory of `t`: a sparse or nested one's values."""
    t = plain(t)
    return values_of(t) if t.layout is not torch.strided or t.is_nested else t
