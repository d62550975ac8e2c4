"""How magnitudes change from step to step: of results of lines that run again, of parameters and their gradients.

On the host a number costs one read and is noted at each run, a tensor's extreme a reduction and is noted ever more seldom
(`growth.next_run`). From a device nothing is read here: its norms come home with the flags (`landing.py`).
"""

from __future__ import annotations

from typing import Any

import torch

from ...growth import Series, next_run
from ...opevents import Site
from ...oplog import OpLog
from . import flight
from .operands import is_float
from .values import key

_NEVER = 1 << 62
_SMALL = 4096  # elements of all parameters together, up to which each step is looked at
MAX_PARAMETERS = 64  # of one optimizer


def note_result(site: Site, t: Any) -> None:
    """A result of the site's present run, on the host. Call it unseen by the user's modes, once `site.due` is reached."""
    if flight.is_on_device(t):
        return
    run = site.count
    try:
        if t.numel() == 1:
            site.due = run + 1
        elif run == 1:
            site.due = 2  # most lines run once: nothing is looked at for them
            return
        else:
            site.due = next_run(run)
        if not site.growth.step or site.growth.step[-1] != run:
            site.growth.add(run, _absmax(t))
        if site.growth.is_over:
            site.due = _NEVER
    except (RuntimeError, NotImplementedError, TypeError, IndexError):  # transforms, empty tensors, odd layouts
        site.due = _NEVER


def _absmax(t: Any) -> float:
    with torch.no_grad():
        value = t.detach()
        return float(abs(value.item())) if value.numel() == 1 else _extreme(value)


def _extreme(t: Any) -> float:
    """The largest magnitude, NaN where there is one. On the host twenty times faster than a norm."""
    if t.is_complex():
        return float(torch.linalg.vector_norm(t, float("inf")))
    low, high = (float(x) for x in torch.aminmax(t))
    return low if low != low else max(-low, high)


def note_start(log: OpLog, optimizer: Any) -> None:
    """Parameters before the first step of an optimizer: what one step makes of them is told by these."""
    params = [p for p in _on_host(optimizer) if key(p) not in log.parameters]
    for p, norm in zip(params, _norms(params), strict=True):
        log.parameters[key(p)] = series = Series()
        series.add(0, norm)


def note_step(log: OpLog, optimizer: Any, site: Site) -> None:
    """Parameters and gradients after an optimizer's step, on the host: each step where they are small, else now and then."""
    params = _on_host(optimizer)
    is_small = sum(p.numel() for p in params) <= _SMALL
    if not params or not (is_small or site.count >= site.due):
        return
    site.due = next_run(site.count)
    with_grad = [p for p in params if p.grad is not None and p.grad.layout is torch.strided]
    norms = iter(_norms([*params, *(p.grad for p in with_grad)]))
    for into, group in ((log.parameters, params), (log.gradients, with_grad)):
        for p in group:
            into.setdefault(key(p), Series()).add(site.count, next(norms))


def _on_host(optimizer: Any) -> list[Any]:
    params = [p for group in optimizer.param_groups for p in group["params"]][:MAX_PARAMETERS]
    return [p for p in params if is_float(p) and not flight.is_on_device(p) and p.layout is torch.strided and p.numel()]


def _norms(tensors: list[Any]) -> list[float]:
    if not tensors:
        return []
    with torch.no_grad():
        return [_extreme(t) for t in tensors]
