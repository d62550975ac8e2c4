"""Exact finite flags of many tensors at once: `launch` starts the reductions, `collect` reads each device once.

Host memory is looked at while it is read, so its flags are known at once. On a device the flags of a whole group
of tensors are one fused reduction, `_foreach_norm(group, inf)`: NaN wins in it, ±Inf gives +Inf, a finite tensor its
largest magnitude, which no dtype rounds to Inf. `launch` never waits for a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy import frombuffer

from ..base import Probe
from ..bits import has_nonfinite
from ..digest import at_address, memory
from ..dot import SMALL, unproved
from .dense import FLOAT8, PLAIN_TYPES, as_real, can_be_nonfinite, is_wrapped, pieces

_INF = float("inf")
_BUFFER = 1 << 18  # elements that are copied together at most
_WIDE: dict[torch.dtype, Any] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
_STRIDED = torch.strided
_HALVES = {torch.float16: "float16", torch.bfloat16: "bfloat16"}
_INTERRUPTIBLE = 1 << 26  # elements between two chances for a KeyboardInterrupt: about 0.1 s


def launch(values: Sequence[torch.Tensor | None]) -> Probe:
    """Flags of plain strided tensors (`dense.values_of`); None in the place of one that was left out.

    Cost on a device: about one launch per hundred tensors of a dtype, none per tensor, no host read.
    """
    flags: list[bool | None] = [None] * len(values)
    on_host: list[tuple[int, torch.Tensor]] = []
    on_device: dict[torch.device, list[tuple[int, torch.Tensor]]] = {}
    for i, t in enumerate(values):
        if t is None:
            continue
        if t.numel() == 0 or not can_be_nonfinite(t.dtype):
            flags[i] = False
        elif t.device.type == "cpu":
            on_host.append((i, _in_memory_order(as_real(t))))
        elif not _is_capturing(t.device):
            on_device.setdefault(t.device, []).append((i, as_real(t)))
    _look_on_host(on_host, flags)
    return Probe(flags, [_launch_on_device(tensors) for tensors in on_device.values()])


def glance(tensors: Sequence[Any]) -> tuple[list[bool | None], list[int], list[int]]:
    """Flags of small tensors that are contiguous memory of the host, and the positions of what is to be looked at: by
    `look`, by `launch`. Call it under `DisableTorchFunction`: no operation of torch runs.

    Cost: about 2 µs each, and 2 µs in all. Each fact is asked in the cheapest way and nothing is called that can be
    written here: of small tensors the Python around a reduction is the cost.
    """
    flags: list[bool | None] = [False] * len(tensors)
    large: list[int] = []
    others: list[int] = []
    small: list[int] = []
    arrays: list[Any] = []
    one_dtype: Any = None  # of what is in `small`
    for i, t in enumerate(tensors):
        if (  # `values_of` would answer `t` itself
            type(t) in PLAIN_TYPES
            and (dtype := t.dtype) in _WIDE
            and t.is_cpu
            and t.layout is _STRIDED
            and not t.is_nested
            and not is_wrapped(t)
            and t.is_contiguous()
        ):
            if (size := t.numel()) > SMALL:
                large.append(i)
            elif address := t.data_ptr():
                if dtype is not one_dtype:
                    if arrays:
                        large += map(small.__getitem__, unproved(arrays))
                    one_dtype, number, small, arrays = dtype, _WIDE[dtype], [], []
                small.append(i)
                arrays.append(frombuffer(at_address(address), number, size))
            elif size:
                others.append(i)
        else:
            others.append(i)
    if arrays:
        large += map(small.__getitem__, unproved(arrays))
    for i in large:
        flags[i] = None
    for i in others:
        flags[i] = None
    return flags, large, others


def look(tensors: Sequence[torch.Tensor], positions: Sequence[int], flags: list[bool | None]) -> None:
    """The flags of those that `glance` found ready to be looked at."""
    for i in positions:
        flags[i] = _is_nonfinite(tensors[i])


def collect(probes: Sequence[Probe]) -> None:
    """Fill in the pending flags: one copy to the host per device."""
    by_device: dict[torch.device, list[tuple[Probe, tuple[int, ...], torch.Tensor]]] = {}
    for probe in probes:
        for positions, flags in probe.pending:
            by_device.setdefault(flags.device, []).append((probe, positions, flags))
    for device, entries in by_device.items():
        if device.type == "cuda" and torch.cuda.is_initialized():
            torch.cuda.synchronize(device)  # probes may have been launched on several streams
        together = torch.cat([flags for _, _, flags in entries]) if len(entries) > 1 else entries[0][2]
        answers = iter(_to_host(together))
        for probe, positions, _ in entries:
            for position in positions:
                probe.flags[position] = next(answers)
    for probe in probes:
        probe.pending.clear()


def _to_host(flags: torch.Tensor) -> list[bool]:
    """The one place that waits for a device."""
    answers: list[bool] = flags.to("cpu").tolist()
    return answers


def _is_capturing(device: torch.device) -> bool:
    """Whether a CUDA graph is being captured: an operation of ours would become part of the user's graph."""
    return bool(device.type == "cuda" and torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())


def _in_memory_order(t: torch.Tensor) -> torch.Tensor:
    """A transposed tensor with its dimensions in the order of memory: reductions are eight times faster on it."""
    if t.is_contiguous():
        return t
    stride = t.stride()
    return t.permute(sorted(range(t.dim()), key=lambda d: -stride[d]))


# --- host -------------------------------------------------------------------------------------------------------------
def _look_on_host(tensors: Sequence[tuple[int, torch.Tensor]], flags: list[bool | None]) -> None:
    if len(tensors) == 1:
        [(i, t)] = tensors
        flags[i] = _is_nonfinite(t)
        return
    small: dict[torch.dtype, list[tuple[int, torch.Tensor]]] = {}
    held: dict[torch.dtype, int] = {}
    for i, t in tensors:
        if t.numel() > SMALL or t.dtype in FLOAT8:
            flags[i] = _is_nonfinite(t)
            continue
        small.setdefault(t.dtype, []).append((i, t))
        held[t.dtype] = held.get(t.dtype, 0) + t.numel()
        if held[t.dtype] > _BUFFER:
            _look_together(small.pop(t.dtype), flags)
            held[t.dtype] = 0
    for group in small.values():
        _look_together(group, flags)


def _look_together(group: list[tuple[int, torch.Tensor]], flags: list[bool | None]) -> None:
    """One reduction over a copy of all; only where it is non-finite one for each."""
    found = len(group) == 1 or _is_nonfinite(torch._C._nn.flatten_dense_tensors([t for _, t in group]))
    for i, t in group:
        flags[i] = found and _is_nonfinite(t)


def _is_nonfinite(t: torch.Tensor) -> bool:
    dtype = t.dtype
    if dtype in FLOAT8:
        return bool(_float8_flag(t))
    name = _HALVES.get(dtype)
    if name is not None and t.is_contiguous():
        return has_nonfinite(memory(t.data_ptr(), t.numel(), np.uint16), name)
    if dtype is torch.float16:  # its sum overflows at 65,504: the screen would prove little
        return _extremes_nonfinite(t)
    if t.numel() <= _INTERRUPTIBLE:
        return _may_be_nonfinite(t) and _extremes_nonfinite(t)
    return any(_may_be_nonfinite(piece) and _extremes_nonfinite(piece) for _, piece in pieces(t, _INTERRUPTIBLE))


def _may_be_nonfinite(t: torch.Tensor) -> bool:
    """The screen: a sum misses nothing; it overflows for large finite values, so that the extremes decide."""
    total = t.sum().item()
    return bool(total - total != 0)


def _extremes_nonfinite(t: torch.Tensor) -> bool:
    low, high = torch.aminmax(t)
    low, high = float(low), float(high)
    return low - low != 0 or high - high != 0


def _float8_flag(t: torch.Tensor) -> torch.Tensor:
    """One bool of a float8 tensor, from its bits: torch has no reductions for it."""
    least_signed, least_unsigned = FLOAT8[t.dtype]
    signed, unsigned = t.view(torch.int8), t.view(torch.uint8)
    if least_unsigned is None:
        return signed.amin() == -128
    negative = unsigned.amax() >= least_unsigned
    return negative if least_signed is None else negative | (signed.amax() >= least_signed)


# --- device -----------------------------------------------------------------------------------------------------------
def _launch_on_device(tensors: list[tuple[int, torch.Tensor]]) -> tuple[tuple[int, ...], torch.Tensor]:
    """(positions, one bool tensor) of one device's tensors."""
    groups: dict[tuple[torch.dtype, bool], list[tuple[int, torch.Tensor]]] = {}
    for i, t in tensors:
        # One strided tensor would take the fused kernel from all others of its group.
        groups.setdefault((t.dtype, _is_dense(t)), []).append((i, t))
    positions: list[int] = []
    flags: list[torch.Tensor] = []
    for (dtype, _), group in groups.items():
        positions += [i for i, _ in group]
        if dtype in FLOAT8:
            flags.append(torch.stack([_float8_flag(t) for _, t in group]))
        else:
            norms = torch.stack(torch._foreach_norm([t for _, t in group], _INF))
            flags.append((norms - norms) != 0)
    return tuple(positions), torch.cat(flags) if len(flags) > 1 else flags[0]


def _is_dense(t: torch.Tensor) -> bool:
    return bool(_in_memory_order(t).is_contiguous())
