"""Eager operations: each float result is looked at as it is made; only a non-finite one looks at its operands.

Healthy path: one set look-up, the user's frame, one zero-copy pass over the result. Known non-finite tensors are marked in
the `OpLog` by id, so ancestry costs nothing while all is finite. While a tape records, every result's site is kept, so
that a gradient can be told as the gradient of its forward line.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

from ...model import NonFiniteState, TensorSummary
from ...opevents import Key, OpEvent, Site
from ...oplog import OpLog
from . import arrays, growing, private, values
from .blame import Blame, blame
from .forward import ForwardSites
from .optables import DATA_FUNCTIONS, DATA_METHODS, LOADING, PASSING, PYTHON_CALLS, READING, SCRATCH, replaces
from .places import Here, Places

# Keras hands the numbers of its training loops out as Python floats, through numpy's view of the tensor's memory, which
# no method sees: a non-finite number made there has left TensorFlow.
_KERAS_LOOPS = frozenset("fit evaluate predict train_on_batch test_on_batch predict_on_batch".split())


class GraphEvents(Protocol):
    """What is known of values that graph functions made (`calls.py`)."""

    def event_of_variable(self, handle_id: int) -> OpEvent | None:
        """Of a variable, by its handle's id."""

    def event_of_optional(self, variant_id: int) -> OpEvent | None:
        """Of what a graph function returned wrapped up, by the wrapper's id."""


class EagerRecorder:
    """Turns eager operations into events. Called for one operation at a time, on one thread."""

    def __init__(self, log: OpLog, places: Places, graphs: GraphEvents) -> None:
        """Prepare.

        Args:
            log: Where everything goes.
            places: The walks to the user's line.
            graphs: What graph functions made.
        """
        self._log = log
        self._places = places
        self._graphs = graphs
        self._forward = ForwardSites()

    # --- operations -------------------------------------------------------------------------------------------------
    def on_op(self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], frame: Any) -> None:
        """An operation with results ran."""
        passing = op in PASSING
        taped = not private.tape_is_empty()
        if passing and not self._log.has_marks:
            if taped:  # its gradient may create
                self._note(op, inputs, outputs, self._places.here(frame))
            return
        here = self._places.here(frame)
        if op in DATA_FUNCTIONS and here.api in DATA_METHODS:
            self._log.add_not_traced("tf.data functions", "a data set runs them on its own threads")
        site = self._note(op, inputs, outputs, here) if taped else None
        scratch = SCRATCH.get(op, ())
        for slot, result in enumerate(outputs):
            if result._datatype_enum() not in private.FLOATS or slot in scratch:
                continue
            try:
                value = result._numpy_internal()
            except Exception:  # a device that died, a tensor of an unknown kind: nothing to look at
                continue
            if not arrays.is_finite(value):
                self._on_nonfinite(op, inputs, result, value, here)
            elif site is not None and site.count >= site.due:
                growing.note_result(site, value, here.runs)

    def _note(self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], here: Here) -> Site | None:
        if here.user is None:
            return None
        site = self._places.site(here.user, op)
        self._forward.note(op, inputs, outputs, site, here.runs, here.api)
        return site

    def _on_nonfinite(self, op: str, inputs: Sequence[Any], result: Any, value: Any, here: Here) -> None:
        state = arrays.state_of(value)
        states, parents = self._operands(op, inputs)
        kind = self._log.judge(state, states, parents)
        if kind == "created" and (op in LOADING or op in PASSING):
            kind = "propagated" if parents else "written"
        if kind == "created" and op in PYTHON_CALLS and self._log.events:
            kind, parents = "propagated", [self._log.events[-1]]  # its body's operations were seen one by one
        told = blame(op, inputs, here, self._places, self._forward)
        if kind == "created" and (lost := self.lost_loss(told.targets)) is not None:
            kind, parents = "propagated", [lost]
        event = self._log.record(
            kind, told.phase, told.site, told.op, told.native,
            state, operands=lambda: summaries(told.operands), result=lambda: summary(result), parents=parents,
            occurrence=told.runs, backward_site=told.asked, frame=told.frame, confidence=told.confidence,
            tensors=(floats(told.operands), (result,)),
        )  # fmt: skip
        self.mark(result, event)
        self._escape_of_keras(result, event, here)

    def lost_loss(self, targets: Sequence[Any]) -> OpEvent | None:
        """The event of a loss that was non-finite already when its gradient was asked for."""
        return next((e for t in targets if (e := self.event_of(t)) is not None), None)

    def told(self, op: str, inputs: Sequence[Any], outputs: Sequence[Any], frame: Any) -> Blame:
        """How a result of this operation would be told; notes the operation for its gradient."""
        here = self._places.here(frame)
        if not private.tape_is_empty():
            self._note(op, inputs, outputs, here)
        return blame(op, inputs, here, self._places, self._forward)

    def _operands(self, op: str, inputs: Sequence[Any]) -> tuple[list[NonFiniteState], list[OpEvent]]:
        """States of the float operands, and the events of the non-finite ones."""
        states: list[NonFiniteState] = []
        parents: list[OpEvent] = []
        if op in READING and (event := self.event_of_variable(inputs[0])) is not None:
            parents.append(event)
        if op == "OptionalGetValue" and (event := self._graphs.event_of_optional(inputs[0]._id)) is not None:
            parents.append(event)
        for tensor in inputs:
            if tensor._datatype_enum() not in private.FLOATS:
                continue
            state = arrays.state_of(tensor._numpy_internal())
            if state.nan or state.inf:
                states.append(state)
                event = self.event_of(tensor)
                if event is not None:
                    parents.append(event)
        return states, parents

    # --- variables --------------------------------------------------------------------------------------------------
    def on_write(self, op: str, inputs: Sequence[Any], frame: Any) -> None:
        """A variable was written; the operation has no results, so the values and the variable are looked at."""
        here = self._places.here(frame)
        handles = [t for t in inputs if t._datatype_enum() == private.RESOURCE]
        states, parents = self._operands(op, inputs)
        if replaces(op):
            if states:
                self._on_lost_variable(op, inputs, handles[0], states[0], states, parents, here)
            else:
                self._log.forget(("tfvar", handles[0]._id))
                for tensor in inputs:
                    if tensor._datatype_enum() in private.FLOATS:
                        growing.note_variable(self._log, ("tfvar", handles[0]._id), tensor._numpy_internal(), here.runs)
            return
        enum = next((t._datatype_enum() for t in inputs if t._datatype_enum() in private.FLOATS), None)
        if enum is None:
            return
        for handle in handles:
            try:
                value = private.read_variable(handle, enum)
            except Exception:  # not a variable of this dtype: a table, an iterator
                continue
            state = arrays.state_of(value._numpy_internal())
            known = self._log.event_of(("tfvar", handle._id))
            if state.nan or state.inf:
                found = parents if known is None else [*parents, known]
                seen = states if known is None else [*states, known.state]
                self._on_lost_variable(op, inputs, handle, state, seen, found, here)
                continue
            growing.note_variable(self._log, ("tfvar", handle._id), value._numpy_internal(), here.runs)
            if known is not None:
                self._log.forget(("tfvar", handle._id))

    def _on_lost_variable(
        self, op: str, inputs: Sequence[Any], handle: Any, state: NonFiniteState, states: list[NonFiniteState],
        parents: list[OpEvent], here: Here,
    ) -> None:  # fmt: skip
        kind = self._log.judge(state, states, parents)
        site = self._places.site(here.user, op) if here.user is not None else None
        event = self._log.record(
            kind, "data" if kind == "written" else "update", site, "data" if kind == "written" else "update", op, state,
            operands=lambda: summaries(inputs), parents=parents, occurrence=here.runs, frame=here.user,
            tensors=(floats(inputs), ()),
        )  # fmt: skip
        self.mark_variable(handle, event)

    # --- what is known ------------------------------------------------------------------------------------------------
    def event_of(self, tensor: Any) -> OpEvent | None:
        """Why an eager tensor is non-finite: by its id, or by host memory that it shares with an ndarray."""
        event = self._log.event_of(("tf", tensor._id))
        if event is None and (address := arrays.address_of(tensor._numpy_internal())) is not None:
            event = self._log.event_of(("mem", "cpu", address))
        return event

    def event_of_variable(self, handle: Any) -> OpEvent | None:
        """Why a variable is non-finite, whether an eager operation or a graph function wrote it."""
        return self._log.event_of(("tfvar", handle._id)) or self._graphs.event_of_variable(handle._id)

    def mark(self, tensor: Any, event: OpEvent, frame: FrameType | None = None) -> None:
        """Remember why a tensor is non-finite, as long as it lives; on the host its memory too, which numpy may share.

        Args:
            frame: Where a graph function gave it back, if one did.
        """
        ref = weakref.ref(tensor)
        keys: list[Key] = [("tf", tensor._id)]
        if private.is_on_host(tensor) and (address := arrays.address_of(tensor._numpy_internal())) is not None:
            keys.append(("mem", "cpu", address))
        self._log.mark(keys, event, lambda: ref() is not None)
        if frame is not None:
            self._escape_of_keras(tensor, event, self._places.here(frame))

    def _escape_of_keras(self, tensor: Any, event: OpEvent, here: Here) -> None:
        if here.api in _KERAS_LOOPS and tensor._num_elements() == 1:
            self._log.escape(event)

    def mark_variable(self, handle: Any, event: OpEvent) -> None:
        """Remember why a variable is non-finite, as long as it lives."""
        ref = weakref.ref(handle)
        self._log.mark([("tfvar", handle._id)], event, lambda: ref() is not None)

    def close(self) -> None:
        """Drop what is kept of forward operations."""
        self._forward.clear()


def floats(tensors: Sequence[Any]) -> tuple[Any, ...]:
    """The operands that have numbers, in order."""
    return tuple(t for t in tensors if t._datatype_enum() not in (private.RESOURCE, 7, 21))


def summaries(tensors: Sequence[Any]) -> tuple[TensorSummary, ...]:
    """Statistics of the operands that have numbers, now."""
    return tuple(summary(t) for t in floats(tensors))


def summary(tensor: Any) -> TensorSummary:
    """Statistics of an eager tensor now."""
    return arrays.summarize(tensor._numpy_internal(), tensor.dtype.name, values.device_name(tensor))
