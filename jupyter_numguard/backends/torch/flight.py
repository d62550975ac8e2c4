"""Flags on their way from a device to the host: reductions are launched at once, nothing waits for them.

`measure` is one fused launch for the tensors of an operation. `Flight` sends the flags of many operations home in one
asynchronous copy and can be asked whether they have landed. Only this file touches a device's own interface: where there is
no device, tests replace its functions one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .dense import FLOAT8, as_real, hidden, values_of, why_unreadable

_INF = float("inf")
DEVICES = frozenset({"cuda", "mps", "xpu"})  # "cuda" is ROCm's name too; others have not been thought through
_SHARE = 0.05  # of a device's memory may be held for operands (product.md, "Where the operands come from")
_SMALL_BUDGET = 64 << 20  # bytes, where a device does not tell its size


def is_on_device(t: Any) -> bool:
    """Whether reading a value of `t` would wait for a device."""
    return not t.is_cpu


def measure(tensors: Sequence[Any]) -> list[Any]:
    """One 0-dimensional flag each: NaN or Inf where the tensor is non-finite. No host read; one launch where the dtypes agree."""
    with hidden():
        return list(torch._foreach_norm([as_real(values_of(t)) for t in tensors], _INF))


def is_measurable(t: Any) -> bool:
    """Whether `measure` takes it."""
    if t.device.type not in DEVICES or not t.numel() or t.dtype in FLOAT8:
        return False
    with hidden():
        return bool(why_unreadable(t) is None)


def is_capturing(device: torch.device) -> bool:
    """Whether a CUDA graph is being captured: a launch of ours would become part of it."""
    return device.type == "cuda" and torch.cuda.is_initialized() and bool(torch.cuda.is_current_stream_capturing())


def budget(device: torch.device) -> int:
    """Bytes of operands that may be held on a device."""
    module = getattr(torch, device.type, None)
    try:
        if device.type == "mps":
            return int(module.recommended_max_memory() * _SHARE)  # type: ignore[union-attr]
        return int(module.get_device_properties(device).total_memory * _SHARE)  # type: ignore[union-attr]
    except Exception:  # a device without the question
        return _SMALL_BUDGET


class Flight:
    """The flags of many operations, sent to the host together: 0 finite, 1 NaN (perhaps Inf too), 2 Inf."""

    def __init__(self, flags: Sequence[Any]) -> None:
        groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
        for i, flag in enumerate(flags):
            groups.setdefault((flag.device, flag.dtype), []).append(i)
        self._size = len(flags)
        self._landing: list[tuple[list[int], Any, Any]] = []
        with hidden():
            for (device, _), positions in groups.items():
                together = torch.stack([flags[i] for i in positions])
                codes = torch.isnan(together).to(torch.uint8) + 2 * torch.isinf(together).to(torch.uint8)
                self._landing.append((positions, *_send_home(codes, device)))

    def is_landed(self) -> bool:
        """Whether `read` would not wait."""
        return all(event is not None and event.query() for _, _, event in self._landing)

    def read(self) -> list[int]:
        """The codes, in the order of the flags. Waits for the device if they are still on their way."""
        out = [0] * self._size
        with hidden():
            for positions, codes, event in self._landing:
                if event is not None:
                    event.synchronize()
                for position, code in zip(positions, codes.cpu().tolist(), strict=True):
                    out[position] = code
        return out


def _send_home(codes: Any, device: torch.device) -> tuple[Any, Any]:
    """(host copy on its way, event that tells when it is there); without events the codes themselves and None."""
    if device.type != "cuda":
        return codes, None
    home = torch.empty(codes.shape, dtype=codes.dtype, pin_memory=True)
    home.copy_(codes, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return home, event
