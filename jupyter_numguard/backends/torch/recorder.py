"""Record torch's operations of this thread while one cell runs; leave nothing behind.

stack.py      where our function mode stands            plans.py      what to do with each function
forward.py    calls as the user wrote them              unguard.py    the inside of torch's Python functions
backward.py   hooks on autograd nodes, by edge          leaves.py     gradients of leaves
update.py     optimizer steps                           compiled.py   code that must not notice us
judging.py    what a non-finite result is, and why      deferred.py   devices: flags read late
"""

from __future__ import annotations

from types import TracebackType

from ...oplog import OpLog
from .backward import Backward
from .compiled import Compiled
from .deferred import Deferred
from .forward import ForwardMode
from .judging import Recording
from .stack import insert, remove
from .update import Update


class TorchRecorder:
    """Records into `log` between `__enter__` and `__exit__`, which need not be in one block but on one thread.

    Afterwards torch's mode stack, optimizer hooks, leaves' hooks and replaced functions are as they were. Hooks on a graph
    that the user still holds cannot be taken away; they do nothing any more and hold nothing.
    """

    def __init__(self, log: OpLog) -> None:
        self._log = log
        self._parts: tuple[Recording, Deferred, Backward, ForwardMode, Update, Compiled] | None = None

    def __enter__(self) -> None:
        recording = Recording(self._log)
        deferred = Deferred(recording)
        backward = Backward(recording, deferred)
        mode = ForwardMode(recording, backward, deferred)
        update = Update(recording, mode, deferred)
        compiled = Compiled(recording, mode)
        self._parts = (recording, deferred, backward, mode, update, compiled)
        insert(mode)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._parts is None:
            return
        recording, deferred, backward, mode, update, compiled = self._parts
        self._parts = None
        remove(mode)
        try:
            backward.leaves.look_on_devices(deferred)
            deferred.close()
        finally:
            update.close()
            compiled.close()
            mode.close()
            backward.close()
            recording.close()
