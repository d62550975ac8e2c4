"""TensorFlow: every verb of `Backend`, for eager tensors, variables, IndexedSlices, sparse and ragged tensors.

values.py     from anything that TensorFlow calls a tensor to the dense tensor that holds its values
flags.py      exact finite flags of many tensors, one host read per device
arrays.py     the numbers of values that lie on the host
private.py    TensorFlow's private API, behind one door
recorder.py   operations while a cell runs: what is put in place and taken away
eager.py      eager operations; places.py their lines, deferred.py those on devices, escapes.py values that leave
shadows.py    tf.function and Keras: copies that are traced again with flags inside (graph.py, flagging.py, ancestry.py);
              looks.py how one result is looked at there, repeat.py what it is taken from
capture.py    what a lost step got; replay.py runs it again for the operands of the operation that failed
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from ...model import Counts, TensorInfo, TensorSummary
from ...opevents import Key
from ...oplog import OpLog
from ..base import Backend, Probe, Shot
from . import arrays, private, values
from .flags import collect, launch


class TensorFlowBackend(Backend):
    """TensorFlow's verbs; see `Backend`. What it runs is unseen by the user's tapes, callbacks and graphs."""

    framework_name = "tensorflow"

    def owns(self, value: object) -> bool:
        """Tensors, variables, IndexedSlices, sparse and ragged tensors, by their type alone."""
        return values.is_tensor(value)

    def key(self, tensor: Any) -> Key:
        """`("tfvar", id)` of a variable's handle, `("tf", id)` of an eager tensor."""
        return values.key(tensor)

    def fingerprint(self, tensor: Any) -> Hashable:
        """The identity; of a variable on the host also its address and a few of its elements."""
        return values.fingerprint(tensor)

    def shots(self, tensors: Sequence[Any], limit: int) -> list[Shot]:
        """See `values.shots`."""
        return values.shots(tensors, limit)

    def info(self, tensor: Any) -> TensorInfo:
        """Framework, dtype ("float32"), shape and device ("/GPU:0")."""
        return values.info(tensor)

    def nbytes(self, tensor: Any) -> int:
        """Bytes of the values that are looked at; 0 where there are none."""
        if not values.can_be_nonfinite(tensor) or values.why_unreadable(tensor) is not None:
            return 0
        return values.nbytes(tensor)

    def why_unchecked(self, tensor: Any) -> str | None:
        """None, or "symbolic: no data", "not initialised", "its memory was deleted", "variant: …"."""
        return values.why_unreadable(tensor)

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Flags: known at once on the host, pending on devices. Cost: 4 µs a small tensor."""
        asked = [i for i, t in enumerate(tensors) if values.can_be_nonfinite(t)]
        dense: list[Any] = [None] * len(tensors)
        for i, found in zip(asked, values.dense_of_all([tensors[i] for i in asked]), strict=True):
            dense[i] = found
        return launch(dense)

    def read(self, probes: Sequence[Probe]) -> None:
        """One host read per device."""
        collect(probes)

    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """See `arrays.count`. Reads the tensor to the host."""
        if not self._is_numeric(tensor):
            return Counts(0, 0, 0, 0), ()
        counts, index = arrays.count(values.to_host(values.dense(tensor)))
        return counts, values.dense_index(tensor, index)

    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """See `arrays.summarize`. Reads the tensor to the host."""
        what = values.info(tensor)
        if not self._is_numeric(tensor):
            return TensorSummary(variable, what.dtype, what.shape, what.device)
        return arrays.summarize(values.to_host(values.dense(tensor)), what.dtype, what.device, variable)

    def _is_numeric(self, tensor: Any) -> bool:
        """Whether there are numbers that can be read to the host."""
        return values.why_unreadable(tensor) is None and values.info(tensor).dtype not in ("string", "resource")

    def copy_sample(self, tensor: Any, max_bytes: int) -> Any | None:
        """A dense tensor on the host; a variable becomes a tensor of its value."""
        if not self._is_numeric(tensor):
            return None
        eager = values.dense(tensor)
        if int(eager._num_elements()) * int(eager.dtype.size) > max_bytes:
            return None
        return private.host_tensor(values.to_host(eager), eager.dtype.as_datatype_enum)

    def twin(self, tensor: Any, max_bytes: int, *, with_gradient: bool) -> Any | None:
        """An eager tensor, or a variable of the value; of variables only those that are plain."""
        cls = type(tensor)
        if cls is private.EagerTensor:
            return self.copy_sample(tensor, max_bytes) if self._is_numeric(tensor) else tensor
        if cls.__name__ != "ResourceVariable" or not cls.__module__.startswith("tensorflow.python.ops."):
            return None
        value = self.copy_sample(tensor, max_bytes)
        return None if value is None else tf.Variable(value, trainable=tensor.trainable, dtype=tensor.dtype)

    def is_listened_to(self) -> bool:
        """Op callbacks (TensorFlow's debugger), a tape that the user left open; any release that we do not know."""
        if private.missing is not None:
            return True
        return bool(private.context.context().op_callbacks) or not private.tape_is_empty()

    def intercept(self, log: OpLog) -> AbstractContextManager[None] | None:
        """Records forward, backward and update operations of this thread, and graph functions that it calls."""
        if private.missing is not None:
            log.add_not_traced("TensorFlow operations", f"this release of TensorFlow is not known: {private.missing}")
            return None
        from .recorder import TensorFlowRecorder

        return TensorFlowRecorder(log)
