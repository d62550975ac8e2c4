"""After graphs ran: which node first made what a result or a variable holds now, from the times that the flags left.

A node *creates* if it was non-finite at a time when none of its operands was yet (or if it made a NaN of a written Inf). The
walk goes from a function's results or a variable's writes back through non-finite nodes, into called graphs, and over
variables to the step that wrote them. Of the creations it meets the earliest is the origin.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ...model import NonFiniteState, Phase
from ...opevents import Moment, OpEvent, Site
from ...oplog import OpLog
from . import private
from .blame import api_name
from .eager import summaries, summary
from .flagging import TICKS
from .graph import FlaggedGraph, Line, Node, Root
from .instrument import Instrument
from .places import COMPOSITES
from .replay import Replay

_EVER = float("inf")
MAX_REARMED = 256  # non-finite calls of one function that are told each by itself


@dataclass(frozen=True, slots=True)
class _Found:
    """A node that the walk ended at: it creates, or it is a source."""

    when: float
    graph: FlaggedGraph
    node: int
    creates: bool


class Ancestry:
    """Answers for one trace; every answer reads the flags' memories once."""

    def __init__(self, log: OpLog, instrument: Instrument) -> None:
        """Events go to `log`."""
        self._log = log
        self._instrument = instrument
        self._graphs: list[FlaggedGraph] = []
        self._inputs: tuple[FlaggedGraph | None, Sequence[Any]] = (None, ())

    def event_of_result(self, flagged: FlaggedGraph, index: int, inputs: Sequence[Any] = ()) -> OpEvent | None:
        """The event of the index-th result of a graph, or None if the flags know of nothing non-finite there.

        Args:
            inputs: What the graph was called with, if that call is the last one.
        """
        self._inputs = (flagged, inputs)
        self._read()
        if flagged.times is None or index >= len(flagged.graph.outputs):
            return None
        start = flagged.nodes_of([flagged.graph.outputs[index]])
        found = self._walk(flagged, start, _EVER, set())
        if not found and flagged.graph.outputs[index].dtype == tf.variant:  # wrapped up in a branch: whatever was lost
            seen: set[tuple[int, int]] = set()
            for g in self._graphs:
                if g.root is flagged.root:
                    found += self._walk(g, g.outs.union(*(nodes for _, nodes in g.writes)), _EVER, seen)
        return self._event(found)

    def rearm(self, root: Root) -> bool:
        """Set the flags of a function back, so that its next call is told by itself; False if that must not be.

        What a variable holds stays lost, and its flags stay; and setting back has an end, for runs that are lost for good.
        """
        mine = [g for g in self._instrument.graphs if g.root is root]
        if root.rearmed >= MAX_REARMED or any(g.writes for g in mine):
            return False
        root.rearmed += 1
        private.write_variable(root.lost, np.float64(0))
        for g in mine:
            private.write_variable(g.memory, np.zeros((len(g.nodes), 3)))
        return True

    def event_of_variable(self, handle_id: int) -> OpEvent | None:
        """The event of a variable that a graph wrote, or None if no graph wrote anything non-finite into it."""
        self._read()
        self._inputs = (None, ())
        return self._event(self._writes_before(handle_id, _EVER, None, -1, set()))

    def written_variables(self) -> set[int]:
        """Ids of the handles of all variables that instrumented graphs write."""
        return {
            i for g in self._instrument.graphs for handle, _ in g.writes if (i := _handle_id(g, handle)) is not None
        }

    def _read(self) -> None:
        self._graphs = list(self._instrument.graphs)
        for g in self._graphs:
            lost = float(_value(g.root.lost))
            g.times = _value(g.memory).copy()
            # Older than the step in which something left the function: absorbed.
            g.times[:, :2][g.times[:, :2] < lost * TICKS] = 0
            if lost == 0:
                g.times[:] = 0

    def _walk(self, g: FlaggedGraph, start: Iterable[int], limit: float, seen: set[tuple[int, int]]) -> list[_Found]:
        """The creating nodes and sources that non-finite values at `start` came from, up to the time `limit`."""
        found: list[_Found] = []
        if g.times is None:
            return found
        todo = list(start)
        while todo:
            i = todo.pop()
            when = g.when(i)
            if not 0 < when <= limit or (id(g), i) in seen:
                continue
            seen.add((id(g), i))
            node = g.nodes[i]
            lost = [j for j in node.operands if 0 < g.when(j) <= when]
            if node.callees and (inner := self._callees(g, node)):
                for h in inner:
                    found += self._walk(h, h.outs, limit, seen)
                todo += lost
            elif node.is_source:
                found += self._source(g, i, when, seen)
            elif lost_targets := [(h, j) for h, j in node.targets if self._is_lost_before(h, j, g, when)]:
                for h, j in lost_targets:  # the loss was lost already: its creation is its gradient's
                    found += self._walk(h, [j], max(when, h.when(j)), seen)
            elif not lost and node.op.startswith("TensorList"):
                continue  # it only hands over
            elif not lost:
                found.append(_Found(when, g, i, True))
            elif self._makes_nan_of_inf(g, i, lost):
                infs = self._walk(g, lost, when, seen)
                known = [
                    f for f in infs if f.creates or self._event_outside(f.graph, f.graph.nodes[f.node]) is not None
                ]
                found += known or [_Found(when, g, i, True)]
            else:
                todo += [j for j in lost if not g.nodes[j].is_source] or lost
        return found

    @staticmethod
    def _is_lost_before(h: FlaggedGraph, j: int, g: FlaggedGraph, when: float) -> bool:
        """Whether node j of `h` was lost at a time of `g`. A graph's times are of its end: one around `g` ends later."""
        if h.times is None or h.when(j) <= 0:
            return False
        return h.when(j) <= (when if h is g else _end_of_step(when))

    @staticmethod
    def _makes_nan_of_inf(g: FlaggedGraph, i: int, lost: list[int]) -> bool:
        """Whether a NaN came of operands without one: of an Inf that was computed, or else of one that was written."""
        nan = float(g.times[i][0])
        return nan > 0 and all(g.nodes[j].is_wide and not 0 < g.times[j][0] <= nan for j in lost)

    def _callees(self, g: FlaggedGraph, node: Node) -> list[FlaggedGraph]:
        """The instrumented graphs that a node calls, by name: a function `f` of the runtime is called `__inference_f_12`.

        A loop body whose gradient is taken is built again, and called so.
        """
        return [
            h for h in self._graphs if (h.outer is g or h.graph.name.startswith("__backward_"))  # built within the forward
            and any(name == h.graph.name.split("_rewritten")[0] or f"_{h.graph.name}_" in name for name in node.callees)
        ]  # fmt: skip

    def _source(self, g: FlaggedGraph, i: int, when: float, seen: set[tuple[int, int]]) -> list[_Found]:
        """Where a value that came into the graph was made: another graph, an earlier write, or outside."""
        node = g.nodes[i]
        if node.resource is not None and (handle := _handle_id(g, node.resource)) is not None:
            earlier = self._writes_before(handle, when, g, i, seen)
            return earlier or [_Found(when, g, i, False)]
        outside = _captured(g, node.captured)
        other = self._instrument.of(getattr(outside, "graph", None)) if outside is not None else None
        if other is not None and (found := self._walk(other, other.nodes_of([outside]), _end_of_step(when), seen)):
            return found
        return [_Found(when, g, i, False)]

    def _writes_before(
        self, handle: int, limit: float, reader: FlaggedGraph | None, read: int, seen: set[tuple[int, int]]
    ) -> list[_Found]:
        """What was written into a variable before the time `limit`; in the reading graph itself, by earlier nodes."""
        found: list[_Found] = []
        for g in self._graphs:
            for resource, nodes in g.writes:
                if _handle_id(g, resource) != handle:
                    continue
                before = {j for j in nodes if g.when(j) < limit or (g is reader and g.when(j) == limit and j < read)}
                found += self._walk(g, before, limit, seen)
        return found

    # --- events -----------------------------------------------------------------------------------------------------
    def _event(self, found: list[_Found]) -> OpEvent | None:
        if not found:
            return None
        order = {id(g): i for i, g in enumerate(self._graphs)}
        best = min(found, key=lambda f: (not f.creates, f.when, order.get(id(f.graph), 0), f.node))
        return self._recorded(best)

    def _recorded(self, best: _Found) -> OpEvent | None:
        g, node = best.graph, best.graph.nodes[best.node]
        if not best.creates:
            event = self._event_outside(g, node)
            if event is not None:
                return event
        place = node.place
        line = (place.forward if best.creates else None) or place.line
        phase: Phase = "forward"
        if not best.creates:
            phase, name, native = "data", "data", node.op
        elif place.is_update and not place.forward_op:
            phase, name, native = "update", "update", node.op
        elif place.forward_op:
            phase, name = "backward", api_name(place.forward_op, place.api)
            native = f"{place.forward_op} gradient / {node.op}"
        else:
            phase = "backward" if place.is_own_gradient else "forward"
            name = api_name(node.op, place.api)
            native = f"tf.{place.api.removesuffix('_v2')} / {node.op}" if place.api in COMPOSITES else node.op
        nan, inf, run = (float(x) for x in g.times[best.node])
        state = NonFiniteState(nan > 0 or not node.is_wide, inf > 0)

        @functools.cache
        def moment() -> Moment | None:
            return self._again(best) if best.creates else None

        event = self._log.record(
            "created" if best.creates else "written", phase, self._site(line, node.op), name, f"{native} ({node.name})",
            state, occurrence=int(run), confidence="likely",
            operands=lambda: summaries(m.operands) if (m := moment()) is not None else (),
            result=lambda: summary(m.results[0]) if (m := moment()) is not None else None, moment=moment,
            backward_site=self._site(place.line, "gradient") if phase == "backward" else None,
        )  # fmt: skip
        if event.result is not None:
            event.confidence = "exact"
        event.called_from = g.root.called_from or ()
        if g.root.statement >= 0:
            event.statement = g.root.statement
        return event

    def _again(self, best: _Found) -> Moment | None:
        """The failing operation's operands, from running its step again; None where that cannot be done."""
        outermost = best.graph.outermost
        kept = outermost.capture.values(best.when // TICKS) if outermost.capture is not None else ({}, {})
        if not any(kept):
            kept = self._given(outermost)
        if not any(kept):
            return None
        return Replay(outermost, best.graph, best.graph.nodes[best.node], kept).moment(self._log)

    def _given(self, outermost: FlaggedGraph) -> tuple[dict[str, Any], dict[int, Any]]:
        """As `Capture.values`, from the inputs of the call that just ended: where no variable was written they are all."""
        called, inputs = self._inputs
        if called is not outermost or any(g.writes for g in self._graphs if g.root is outermost.root):
            return {}, {}
        tensors: dict[str, Any] = {}
        variables: dict[int, Any] = {}
        for inside, value in zip(outermost.graph.inputs, inputs, strict=False):
            if value._datatype_enum() != private.RESOURCE:
                tensors[inside.name] = value
            elif (enum := private.dtype_behind(value)) is not None:
                variables[value._id] = private.read_variable(value, enum)
        return tensors, variables

    def _event_outside(self, g: FlaggedGraph, node: Node) -> OpEvent | None:
        """The event of the eager tensor or variable that a source holds."""
        if node.resource is not None and (handle := _handle_id(g, node.resource)) is not None:
            return self._log.event_of(("tfvar", handle))
        for index, tensor in enumerate(g.graph.inputs):
            if node.captured is not None and tensor is node.captured:
                return g.input_events.get(index) or (g.first_events.get(index) if g.writes else None)
        return None

    def _site(self, line: Line | None, op: str) -> Site | None:
        return None if line is None else self._log.site_of_line(line.file, line.line, line.function, op)


def _end_of_step(when: float) -> float:
    return float((when // TICKS + 1) * TICKS - 1)


def _value(variable: Any) -> Any:
    """A variable's value on the host, as an ndarray or a numpy scalar."""
    return private.read_variable(variable.handle, 2)._numpy_internal()


def _captured(g: FlaggedGraph, placeholder: Any) -> Any:
    """What a placeholder of a graph stands for outside of it; None if it is an argument."""
    if placeholder is None:
        return None
    return next((outer for outer, inner in g.graph.captures if inner is placeholder), None)


def _handle_id(g: FlaggedGraph | None, resource: Any) -> int | None:
    """The id of the eager handle that a graph's resource tensor stands for; None if it cannot be told."""
    while g is not None:
        resource = _captured(g, resource)
        if type(resource) is private.EagerTensor:
            return int(resource._id)
        if resource is None:
            return None
        g = g.outer
    return None
