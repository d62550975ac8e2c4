"""Records TensorFlow while a cell runs: what is put in place at the start and taken away at the end.

    operation callback     of this thread, through TensorFlow's own debugger interface
    escapes                two methods of the eager tensor
    shadows                graph functions are called as copies, traced again with flags inside

After `__exit__` all of it is gone, and no tensor of the user is held.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ...errors import NonFiniteError
from ...oplog import OpLog
from . import private
from .calls import Calls
from .deferred import Deferred
from .eager import EagerRecorder
from .escapes import Escapes
from .instrument import Instrument
from .optables import writes
from .places import Places
from .shadows import Shadows


class TensorFlowRecorder:
    """The context manager that `TensorFlowBackend.intercept` returns. Used on one thread, once."""

    def __init__(self, log: OpLog) -> None:
        """Record into `log`."""
        self._log = log
        self._places = Places(log)
        self._instrument = Instrument(log)
        self._shadows = Shadows(log, self._instrument)
        self._calls = Calls(log, self._instrument)
        self._eager = EagerRecorder(log, self._places, self._calls)
        self._deferred = Deferred(log, self._eager) if private.has_devices() else None
        self._escapes = Escapes(log, self._flush)
        self._busy = False
        self._on = False

    def __enter__(self) -> None:
        self._callback = self._on_op  # one bound method object: TensorFlow removes by identity
        self._on = True
        private.op_callbacks.add_op_callback(self._callback)
        self._escapes.put()
        self._shadows.put()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._on = False
        self._shadows.take()
        self._escapes.take()
        private.op_callbacks.remove_op_callback(self._callback)
        try:
            self._flush()
            self._calls.finish()
        except Exception as failure:
            self._give_up(failure)
        finally:
            self._shadows.close()
            self._calls.close()
            self._instrument.close()
            self._eager.close()
            self._deferred = None

    def _flush(self) -> None:
        if self._deferred is not None:
            self._deferred.flush()
        self._calls.flush()

    def _give_up(self, failure: Exception) -> None:
        """Our own failure: the cell goes on untraced."""
        self._on = False
        self._log.add_not_traced("TensorFlow operations", f"numguard's recorder failed: {failure!r}")

    def _on_op(
        self,
        op_type: Any,
        inputs: Sequence[Any],
        attrs: Any,
        outputs: Sequence[Any],
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        """One operation ran, or was put into a graph that is being built. Raises nothing but `NonFiniteError`."""
        if self._busy or not self._on:
            return
        self._busy = True
        try:
            op = op_type.decode() if type(op_type) is bytes else op_type
            frame = sys._getframe(1)
            if graph is not None:
                self._instrument.on_op(op, inputs, outputs, graph, frame)
            elif op.startswith("__"):
                self._calls.on_call(op, inputs, outputs, frame, self._eager)
            elif writes(op):
                self._eager.on_write(op, inputs, frame)
            elif self._deferred is not None and outputs and not private.is_on_host(outputs[0]):
                self._deferred.on_op(op, inputs, outputs, frame)
            else:
                self._eager.on_op(op, inputs, outputs, frame)
        except NonFiniteError:
            raise
        except Exception as failure:
            self._give_up(failure)
        finally:
            self._busy = False
