"""numpy: arrays and scalars on the host, and the signals of numpy's error state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ...model import Counts, TensorInfo, TensorSummary
from ...opevents import Key
from ...oplog import OpLog
from ..base import Backend, Probe
from ..digest import digest
from . import dense, statistics, values
from .signals import SignalRecorder

__all__ = ["NumpyBackend"]


class NumpyBackend(Backend):
    """ndarrays (subclasses included, their code is never run) and numpy's scalars."""

    framework_name = "numpy"
    fingerprint_shows_writes = False

    def owns(self, value: object) -> bool:
        """See `values.owns`; a Python float is no numpy scalar."""
        return values.owns(value)

    def key(self, tensor: Any) -> Key:
        """See `values.key`."""
        return values.key(tensor)

    def alive(self, tensor: Any) -> Callable[[], bool] | None:
        """Whether the array that owns the memory still lives."""
        return values.alive(tensor)

    def fingerprint(self, tensor: Any) -> Hashable:
        """See `values.fingerprint`."""
        return values.fingerprint(tensor)

    def content(self, value: object, limit: int) -> Mapping[str, Hashable] | None:
        """See `digest.digest`; object arrays have none."""
        if not issubclass(type(value), np.ndarray):
            return None
        a = dense.plain(value)
        if a.dtype.hasobject:
            return None
        return {"": digest(a) if a.nbytes <= limit else None}

    def info(self, tensor: Any) -> TensorInfo:
        """See `values.info`."""
        return values.info(tensor)

    def nbytes(self, tensor: Any) -> int:
        """Bytes that a check reads; of an object array the references."""
        plain = dense.plain(tensor)
        return int(plain.nbytes) if dense.can_be_nonfinite(plain.dtype) else 0

    def why_unchecked(self, tensor: Any) -> str | None:
        """See `values.why_unchecked`."""
        return values.why_unchecked(tensor)

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Host memory: the flags are exact at once, nothing is pending."""
        return Probe(list(dense.are_nonfinite(tensors)), [])

    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """See `statistics.count`."""
        return statistics.count(tensor)

    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """See `statistics.summarize`."""
        return statistics.summarize(tensor, variable)

    def copy_sample(self, tensor: Any, max_bytes: int) -> Any | None:
        """See `values.copy_sample`."""
        return values.copy_sample(tensor, max_bytes)

    def training_twin(self, value: Any, twin: Callable[[Any], Any]) -> Any | None:
        """A generator of random numbers, as far as it has drawn."""
        return copy.deepcopy(value) if type(value) in (np.random.Generator, np.random.RandomState) else None

    def keep_draws(self) -> Callable[[], None] | None:
        """Of the generator behind `np.random.rand`."""
        state = np.random.get_state()
        return lambda: np.random.set_state(state)

    def intercept(self, log: OpLog) -> SignalRecorder:
        """Hear numpy's signals; the same in both modes, for it costs nothing while all is finite."""
        return SignalRecorder(log)

    def keep_watch(self, log: OpLog) -> SignalRecorder:
        """As `intercept`."""
        return SignalRecorder(log)
