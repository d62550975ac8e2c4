"""Exact finite flags of many tensors: at once on the host, fused per device elsewhere, one host read per device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base import Probe
from . import arrays, private


def launch(tensors: Sequence[Any]) -> Probe:
    """Flags of eager tensors (None stands for a finite one). Those of a device are one tensor there, not read yet."""
    flags: list[bool | None] = []
    waiting: dict[str, list[int]] = {}
    for position, tensor in enumerate(tensors):
        if tensor is None or tensor._datatype_enum() not in private.FLOATS:
            flags.append(False)
        elif private.is_on_host(tensor):
            flags.append(not arrays.is_finite(tensor._numpy_internal()))
        else:
            flags.append(None)
            waiting.setdefault(tensor.backing_device, []).append(position)
    return Probe(flags, [(tuple(p), summarize_on_device([tensors[i] for i in p])) for p in waiting.values()])


def summarize_on_device(tensors: Sequence[Any]) -> Any:
    """[n, 3] float32 on the tensors' device: -Inf, +Inf and NaN where present, else 0."""
    return private.stack([private.health_of(t) for t in tensors])


def collect(probes: Sequence[Probe]) -> None:
    """Fill in what is pending. The flags of one device travel together."""
    by_device: dict[str, list[tuple[Probe, tuple[int, ...], Any]]] = {}
    for probe in probes:
        for positions, table in probe.pending:
            by_device.setdefault(table.backing_device, []).append((probe, positions, table))
        probe.pending = []
    for entries in by_device.values():
        tables = [table for _, _, table in entries]
        joined = tables[0]
        if len(tables) > 1:
            axis = private.host_tensor(0, private.INT32)
            joined = private.run_op("ConcatV2", [*tables, axis], "N", len(tables), "T", 1, "Tidx", 3)
        rows = iter((joined._numpy_internal() != 0).any(axis=1))
        for probe, positions, _ in entries:
            for position in positions:
                probe.flags[position] = bool(next(rows))
