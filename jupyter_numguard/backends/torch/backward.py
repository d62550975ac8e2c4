"""Backward: a post hook on each autograd node that a forward call made sees the gradients that go in and come out.

- The hook's closure holds the forward site, so no map from nodes to lines is needed and nothing has to be pruned.
- A node may return its incoming gradient as it is (addition): memory that is known is passed on, not judged.
- The engine adds up the gradients that meet at a node in new memory. Where a non-finite gradient was sent is therefore
  noted by graph edge (sequence number of the next node, number of its input). One that arrives non-finite over an edge
  where none was sent was made by that addition.
- Nodes that only move values get no hook; the edges lead through them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from ...errors import NonFiniteError
from ...model import Confidence, NonFiniteState
from ...opevents import OpEvent, Site
from ...opnames import canonical_op
from . import flight
from .deferred import Deferred
from .ends import Ends
from .growing import note_result
from .judging import Operands, Recording, looks_nonfinite, unseen, user_site
from .leaves import Leaves
from .older import Older
from .operands import is_float, nonfinite_numbers, tensors_in
from .plans import Plan
from .saved import saved_operands
from .values import key, state

_sequence = torch._C._autograd._get_sequence_nr
_node_now = torch._C._current_autograd_node
_grad_on = torch.is_grad_enabled
# Nodes whose backward moves values or drops some: they cannot create. By prefix, since versions differ in the suffix.
_MOVING = (
    "TBackward", "ViewBackward", "TransposeBackward", "PermuteBackward", "UnsafeViewBackward", "ReshapeAlias", "Squeeze",
    "Unsqueeze", "Relu", "Split", "Chunk", "Unbind", "CloneBackward", "Unflatten", "AliasBackward", "Neg", "Cat", "Stack",
    "SelectBackward", "SliceBackward", "AsStrided",
)  # fmt: skip
MAX_EDGES = 100_000


@functools.cache
def _moves(name: str) -> bool:
    return name.startswith(_MOVING)


class _Hook:
    """Post hook of one node. Finite gradients leave after one sum each."""

    __slots__ = ("backward", "count", "events", "late", "op", "site")

    def __init__(self, backward: Backward, site: Site | None, op: str, events: tuple[OpEvent, ...]) -> None:
        self.backward: Backward | None = backward
        self.site, self.op, self.events = site, op, events
        self.count = site.count if site is not None else 0
        self.late = backward.deferred.latest  # the forward operation's entry, on a device

    def __call__(self, grad_inputs: Sequence[Any], grad_outputs: Sequence[Any]) -> None:
        backward = self.backward
        if backward is None or not backward.recording.is_open:
            backward = self._hand_over()
            if backward is None:
                return
        try:
            with unseen():
                for g in grad_inputs:
                    if g is not None and is_float(g):
                        if flight.is_on_device(g):
                            backward.deferred.backward(self, grad_inputs, grad_outputs)
                            break
                        if looks_nonfinite(g):
                            backward.hit(self, grad_inputs, grad_outputs)
                            break
                if _grad_on():
                    backward.watch_second_order(self, grad_inputs)
        except NonFiniteError:
            raise
        except Exception as error:
            backward.recording.fail(f"backward of {self.op}", error)

    def _hand_over(self) -> Backward | None:
        """The recording that made this hook has ended, but the user still holds the graph: let go of it, and work for
        the one that listens now, if there is one."""
        now = Backward.current
        self.backward, self.late, self.events = now, None, ()
        if now is not None and self.site is not None:
            self.site = now.recording.log.adopt(self.site)
        return now


class Backward:
    """The backward passes of one recording.

    Attributes:
        site: The statement that asked for the gradient, while that call was seen.
        sent: Where non-finite gradients went: (sequence number of a node, number of its input) -> why.
        sent_to_leaf: The same for leaves, by `id`.
        current: The recording that listens now: hooks that an earlier one left on a graph work for it.
    """

    current: Backward | None = None

    def __init__(self, recording: Recording, deferred: Deferred) -> None:
        self.recording = recording
        self.deferred = deferred
        self.leaves = Leaves(recording, self)
        self.ends = Ends(recording, self)
        self.site: Site | None = None
        self._root: OpEvent | None = None  # the loss was non-finite already
        self._latest: OpEvent | None = None  # last event of this backward pass
        self.sent: dict[tuple[int, int], OpEvent] = {}
        self.sent_to_leaf: dict[int, OpEvent] = {}
        self._last = self._start = _sequence()
        self._older = Older(self)
        Backward.current = self

    # --- while the graph is built -------------------------------------------------------------------------------------
    def watch(
        self, node: Any, site: Site | None, plan: Plan, events: tuple[OpEvent, ...], before: int, args: Any, kwargs: Any
    ) -> None:
        """Hook the nodes that an operation made: those with numbers from `before` on; and those made unseen before it."""
        self.leaves.watch(args, kwargs)
        if node is None:
            return
        now, last = _sequence(), self._last
        self._last = now
        if now == last:
            return  # its node is hooked already: detach, alias, the same object
        if now - last == 1 and before == last:
            if events or (plan.kind != "move" and not _moves(node.name())):
                node.register_hook(_Hook(self, site, plan.op, events))
            return
        self._watch_all(node, last, before, now, site, plan.op, events)

    def _watch_all(
        self, root: Any, last: int, before: int, now: int, site: Site | None, op: str, events: tuple[OpEvent, ...]
    ) -> None:
        """Several nodes: an operation of several steps in C++, or a custom Function's, which is no torch function."""
        todo, seen = [root], set()
        while todo:
            node = todo.pop()
            if node is None or node in seen or not last <= node._sequence_nr() < now:
                continue
            seen.add(node)
            todo += [n for n, _ in node.next_functions]
            name = node.name()
            own = node._sequence_nr() >= before
            if _moves(name) and not (events and node is root):
                continue
            custom = self._custom_site(node)
            node_op = op if own else getattr(getattr(node, "_forward_cls", None), "__name__", canonical_op(name))
            node.register_hook(_Hook(self, custom or site, node_op, events if own else ()))

    def watch_older(self, node: Any) -> Any:
        """Hook a node that was made before the recording; its line is not known. The hook's handle, None if it needs none."""
        name = node.name()
        if name.startswith(_MOVING):
            return None
        op = getattr(getattr(node, "_forward_cls", None), "__name__", None) or canonical_op(name)
        return node.register_hook(_Hook(self, self._custom_site(node), op, ()))

    def _custom_site(self, node: Any) -> Site | None:
        """A user's autograd.Function: its backward is where its gradient is made."""
        cls = getattr(node, "_forward_cls", None)
        code = getattr(getattr(cls, "backward", None), "__code__", None)
        if cls is None or code is None or cls.__module__.startswith("torch."):
            return None
        return self.recording.log.site_at(code, -1, code.co_firstlineno, cls.__name__)

    def watch_second_order(self, hook: _Hook, grad_inputs: Sequence[Any]) -> None:
        """create_graph: the gradient has a graph of its own, made by the engine."""
        now, last = _sequence(), self._last
        self._last = now
        for g in grad_inputs:
            if g is not None and g.grad_fn is not None and now > last:
                self._watch_all(g.grad_fn, last, last, now, hook.site, hook.op, hook.events)

    # --- a backward pass --------------------------------------------------------------------------------------------
    @contextmanager
    def running(self, args: Any, kwargs: Any, frame: FrameType) -> Iterator[None]:
        """Around a call that asks for gradients."""
        recording, outer = self.recording, self.site
        try:
            with unseen():
                if not recording.in_backward:  # `Tensor.backward` calls `torch.autograd.backward`: one pass
                    self.site = self.deferred.backward_site = recording.log.site("backward", frame)
                    self.deferred.passes += 1
                    self.sent.clear()
                    self.sent_to_leaf.clear()
                    self._root = self._latest = self.deferred.root = None
                    self._look_at_start(args, kwargs)
        except Exception as error:
            recording.fail("backward", error)
        recording.in_backward += 1
        try:
            yield
        finally:
            recording.in_backward -= 1
            if not recording.in_backward:
                self._older.unhook()
            with unseen():
                self.ends.explain_retained()
            self.site = outer

    def _look_at_start(self, args: Any, kwargs: Any) -> None:
        """The loss, and the gradient it is started with."""
        roots = tensors_in(args[:1])
        self.watch_unseen(roots)
        self._older.hook([t.grad_fn for t in roots if t.grad_fn is not None], self._start)
        if roots and self.site is not None:
            note_result(self.site, roots[0])
        if roots and flight.is_on_device(roots[0]):
            self.deferred.root = key(roots[0])
        if not self.recording.log.has_marks and next(nonfinite_numbers((args, kwargs)), None) is None:
            return
        for t in tensors_in((args, kwargs)):
            if (
                is_float(t)
                and not flight.is_on_device(t)
                and (event := self.recording.known(t)) is not None
                and any(state(t))
            ):
                self._root = self._root or event

    def watch_unseen(self, roots: Sequence[Any]) -> None:
        """Nodes that no operation came after: a custom Function whose result is the loss."""
        now, last = _sequence(), self._last
        if now != last:
            self._last = now
            for t in roots:
                if t.grad_fn is not None:
                    self._watch_all(t.grad_fn, last, now, now, None, "", ())

    def hit(self, hook: _Hook, grad_inputs: Sequence[Any], grad_outputs: Sequence[Any]) -> None:
        """Some gradient that came out is non-finite."""
        node = _node_now()
        found = [(i, g, of) for i, g in enumerate(grad_inputs) if g is not None and is_float(g) and any(of := state(g))]
        if node is None or not found:
            return
        recording = self.recording
        operands = Operands()
        for i, g in enumerate(grad_outputs):
            if g is not None and is_float(g):
                of = state(g)
                if any(of):
                    operands.add(self._arrived(node, i, g, of, hook), of)
                else:
                    operands.states.append(of)
        for event in hook.events:
            operands.add(event, event.state)
        fresh = [(g, of) for _, g, of in found if recording.log.event_of(key(g)) is None]
        if fresh:
            saved = saved_operands(node)
            operands.tensors = [*saved, *(g for g in grad_outputs if g is not None)] if saved is not None else []
            site = hook.site
            confidence: Confidence = "exact" if site is not None else "likely"
            made = recording.result(
                fresh, operands, site or self.site, "backward", hook.op, node.name(),
                extra_parents=[self._root] if self._root is not None else [],
                occurrence=hook.count, backward_site=self.backward_site(), frame=sys._getframe(2), confidence=confidence,
            )  # fmt: skip
            self._latest = made or self._latest
        edges = node.next_functions
        for i, g, _ in found:
            sent = recording.log.event_of(key(g))
            if sent is not None and i < len(edges):
                self._latest = sent
                self._send(edges[i], sent)

    def backward_site(self) -> Site | None:
        """The statement that runs the backward pass: from the stack; on a device's own thread from the call."""
        return user_site(self.recording.log, "backward", sys._getframe(2)) or self.site

    def _send(self, edge: tuple[Any, int], event: OpEvent) -> None:
        """Note where a non-finite gradient goes: to a leaf, to a node, and on through nodes that only move it."""
        todo = [edge]
        while todo:
            node, number = todo.pop()
            if node is None:
                continue
            leaf = getattr(node, "variable", None)
            if leaf is not None:
                self.sent_to_leaf.setdefault(id(leaf), event)
                continue
            where = (node._sequence_nr(), number)
            if where in self.sent or len(self.sent) > MAX_EDGES:
                continue
            self.sent[where] = event
            if _moves(node.name()):
                todo += node.next_functions

    def _arrived(self, node: Any, number: int, g: Any, of: NonFiniteState, hook: _Hook) -> OpEvent | None:
        """Why an incoming gradient is non-finite."""
        event = self.recording.known(g) or self.sent.get((node._sequence_nr(), number))
        if event is None:
            event = self.unsent(g, of, hook.site, hook.count)
        self.recording.mark(g, event)
        return event

    def unsent(self, g: Any, of: NonFiniteState, site: Site | None, count: int) -> OpEvent:
        """A non-finite gradient that no hook sent: the loss's own, one through unseen nodes, or a sum that overflowed."""
        event = self._latest or self._root
        if event is not None:
            return event
        if of.nan:  # a sum of finite numbers is never NaN
            return self.recording.explain(g, of, site, -1)
        if site is None and self.site is not None:  # at a leaf: what to look at is the statement that ran backward
            site, count = self.site, self.site.count
        operands = Operands(tensors=[g])
        made = self.recording.result(
            [(g, of)], operands, site, "backward", "grad_accumulate", "AccumulateGrad", occurrence=count,
            backward_site=self.backward_site(), frame=sys._getframe(2), confidence="likely",
        )  # fmt: skip
        assert made is not None
        self._latest = made
        return made

    def close(self) -> None:
        """Take the hooks of the leaves away and let go of everything."""
        if Backward.current is self:
            Backward.current = None
        self._older.unhook()
        self.leaves.close()
        self.sent.clear()
        self.sent_to_leaf.clear()
        self._root = self._latest = None
