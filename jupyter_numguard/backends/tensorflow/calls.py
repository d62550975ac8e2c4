"""Calls of graph functions from eager code: their results and the variables that they write lead into the graphs."""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from types import FrameType
from typing import Any

from ...errors import NonFiniteError
from ...frames import user_frame, user_stack
from ...opevents import OpEvent
from ...oplog import OpLog
from . import arrays, growing, private
from .ancestry import Ancestry
from .blame import targets_of
from .eager import EagerRecorder
from .flags import collect, launch
from .graph import FlaggedGraph
from .instrument import Instrument
from .places import tape_of

MAX_WAITING = 1024  # results on devices that were not read yet
MAX_OPTIONALS = 64  # wrapped results that were not opened yet; Keras opens each at once
_VARIANT = 21


class Calls:
    """The calls of one trace."""

    def __init__(self, log: OpLog, instrument: Instrument) -> None:
        """Events go to `log`."""
        self._log = log
        self._instrument = instrument
        self._ancestry = Ancestry(log, instrument)
        self._of_result: dict[tuple[int, int], OpEvent] = {}
        self._optionals: dict[int, tuple[FlaggedGraph, int]] = {}
        self._written: dict[int, growing.Written] = {}
        self._waiting: list[tuple[weakref.ref[Any], FlaggedGraph, int]] = []

    def on_call(
        self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], frame: FrameType | None, eager: EagerRecorder
    ) -> None:
        """A graph function ran as one operation."""
        graph = _graph_of(frame)
        flagged = self._instrument.of(graph) if graph is not None else None
        if flagged is None or flagged.memory is None:
            if flagged is None:
                name = _plain_name(op)
                self._log.add_not_traced(name, "called as a concrete function: what it does inside is not seen")
            eager.on_op(op, inputs, outputs, frame)
            return
        self._note(flagged, inputs, frame)
        lost = False
        for index, tensor in enumerate(outputs):
            if tensor._datatype_enum() == _VARIANT:
                self._optionals[tensor._id] = flagged, index
                if len(self._optionals) > MAX_OPTIONALS:
                    del self._optionals[next(iter(self._optionals))]
            if tensor._datatype_enum() not in private.FLOATS:
                continue
            if not private.is_on_host(tensor):
                self._waiting.append((weakref.ref(tensor), flagged, index))
                if len(self._waiting) > MAX_WAITING:
                    self.flush()
            elif arrays.is_finite(value := tensor._numpy_internal()):
                if (
                    value.size == 1
                    and not flagged.is_backward
                    and (site := self._log.site("graph call", frame)) is not None
                ):
                    growing.note_result(site, value, site.count)
            else:
                event = self._lost_loss(flagged, frame, eager) or self._event_of_result(flagged, index, inputs)
                if event is None and flagged.is_handed_on(index):
                    continue
                if event is None:
                    eager.on_op(op, inputs, [tensor], frame)
                else:
                    eager.mark(tensor, event, frame)
                lost = True
        if not flagged.is_backward:
            self._note_written(flagged)
        if lost and self._ancestry.rearm(flagged.root):
            self._of_result.clear()

    def _note_written(self, flagged: FlaggedGraph) -> None:
        """How the variables grow that the function writes."""
        written = self._written.get(id(flagged))
        if written is None:
            ids = self._ancestry.written_variables()
            handles = [t for t, _ in flagged.graph.captures if type(t) is private.EagerTensor and t._id in ids]
            known = [(t, private.dtype_behind(t)) for t in handles]
            written = growing.Written([(t, enum) for t, enum in known if enum in private.FLOATS])
            self._written[id(flagged)] = written
        written.note(self._log)

    def _note(self, flagged: FlaggedGraph, inputs: Sequence[Any], frame: FrameType | None) -> None:
        """Where the function is called from, and which of its inputs are known to be non-finite."""
        root = flagged.root
        if root.called_from is None:
            user = user_frame(frame)
            root.statement = self._log.statement
            root.called_from = (
                ((user.f_code, user.f_lasti, user.f_lineno), *user_stack(user)) if user is not None else ()
            )
        flagged.input_events.clear()
        if self._log.has_marks:
            for index, tensor in enumerate(inputs):
                event = self._log.event_of(("tf", tensor._id))
                if event is not None:
                    flagged.input_events[index] = event
                    flagged.first_events.setdefault(index, event)

    @staticmethod
    def _lost_loss(flagged: FlaggedGraph, frame: FrameType | None, eager: EagerRecorder) -> OpEvent | None:
        """For the gradient of a function: the event of a loss that was non-finite before it was asked for."""
        tape = tape_of(frame) if flagged.is_backward else None
        return eager.lost_loss(targets_of(tape)) if tape is not None else None

    def _event_of_result(self, flagged: FlaggedGraph, index: int, inputs: Sequence[Any] = ()) -> OpEvent | None:
        key = (id(flagged), index)
        event = self._of_result.get(key)
        if event is None:
            event = self._ancestry.event_of_result(flagged, index, inputs)
            if event is not None:
                self._of_result[key] = event
        return event

    def event_of_optional(self, variant_id: int) -> OpEvent | None:
        """Why what a graph function returned wrapped up (Keras's logs) is non-finite."""
        found = self._optionals.get(variant_id)
        return self._event_of_result(*found) if found is not None else None

    def event_of_variable(self, handle_id: int) -> OpEvent | None:
        """Why a variable is non-finite, if a graph function made it so."""
        if not self._instrument.graphs or handle_id not in self._ancestry.written_variables():
            return None
        return self._ancestry.event_of_variable(handle_id)

    def flush(self) -> None:
        """Look at the results that lie on devices: one read per device."""
        waiting, self._waiting = self._waiting, []
        alive = [(t, flagged, index) for ref, flagged, index in waiting if (t := ref()) is not None]
        if not alive:
            return
        probe = launch([t for t, _, _ in alive])
        collect([probe])
        for is_nonfinite, (tensor, flagged, index) in zip(probe.flags, alive, strict=True):
            if is_nonfinite and (event := self._event_of_result(flagged, index)) is not None:
                ref = weakref.ref(tensor)
                self._log.mark([("tf", tensor._id)], event, lambda ref=ref: ref() is not None)  # type: ignore[misc]

    def finish(self) -> None:
        """At the end of the cell: mark every variable that a graph function made non-finite."""
        for handle_id in sorted(self._ancestry.written_variables()):
            if self._log.event_of(("tfvar", handle_id)) is None:
                try:
                    event = self._ancestry.event_of_variable(handle_id)
                except NonFiniteError:  # the cell is over: there is nothing left to stop
                    continue
                if event is not None:
                    self._log.mark([("tfvar", handle_id)], event)

    def close(self) -> None:
        """Drop what leads into graphs."""
        self._of_result.clear()
        self._optionals.clear()
        self._waiting.clear()
        self._written.clear()


def _graph_of(frame: FrameType | None) -> Any:
    """The graph of the function that runs: its owner is a few frames out."""
    for _ in range(12):
        if frame is None:
            return None
        if frame.f_code.co_filename.endswith("atomic_function.py"):
            return getattr(frame.f_locals.get("self"), "_cached_graph", None)
        frame = frame.f_back
    return None


def _plain_name(op: str) -> str:
    """ "__inference_train_step_123" as "train_step"."""
    return re.sub(r"^__(inference|forward)_+|_\d+$", "", op)
