"""The operations that are put into a shadow graph: one flag per float result, and one update of the flags' memory.

In a function's graph both happen only in a run in which something non-finite leaves it (docs/adr/0013).

No host read while it runs. `state` holds four numbers, shared by all graphs:

    [0] step: outermost calls so far    [1] tick: graph executions within the step
    [2] the step in which the running function was lost, 0 if it is finite so far    [3] a branch or body was lost

Each graph's memory keeps, per node, the time (step * TICKS + tick) when it was first NaN, first Inf, and the graph's run.
Until something non-finite leaves the function (a result, a variable), a new step forgets the last one's: what was absorbed
then cannot hide what happens now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from . import private
from .graph import FlaggedGraph, GraphPlace, Node
from .looks import SMALL, Look, Packed, anything, can_look, look_at, pack, screen, table

MAX_HELD = 1 << 27  # bytes of results that may wait in a graph for the end of a step
_UNKNOWN = 128
TICKS = float(1 << 24)  # graph executions per step; with float64, 2**29 steps are exact
SCOPE = "numguard_flags"

_NOTHING = Node("NoOp", "", GraphPlace(None, None, "", "", False), frozenset(), is_source=False, is_wide=True)


def new_variable(value: Any) -> Any:
    """A variable outside of the graph that is being built, unseen by the function's own variable creators."""
    with tf.init_scope():
        return private.ResourceVariable(value, trainable=False)


def new_holder(dtype: Any) -> Any:
    """As `new_variable`, for a tensor of any shape; holds nothing yet."""
    with tf.init_scope():
        empty = private.host_tensor(np.zeros(0, dtype.as_numpy_dtype), dtype.as_datatype_enum)
        return private.ResourceVariable(empty, trainable=False, dtype=dtype, shape=tf.TensorShape(None))


class Flagging:
    """Puts flags into graphs. Its operations are unseen by the recorder, by tapes and by gradients."""

    def __init__(self) -> None:
        self._state: Any = None
        self._on_host = not private.has_devices()

    def begin(self, flagged: FlaggedGraph) -> None:
        """At the top of an outermost graph: a new step begins."""
        root = flagged.root
        with private.stop_recording(), tf.name_scope(SCOPE):
            if self._state is None:
                self._state = new_variable(np.zeros(4))
            if root.runs is None:
                root.runs, root.lost = new_variable(np.float64(0)), new_variable(np.float64(0))
            if flagged.outer is None and not flagged.is_backward:
                step = _read(flagged, self._state)[0] + 1.0
                _assign(flagged, self._state, tf.stack([step, 0.0, _read(flagged, root.lost), 0.0]))

    def flag(self, flagged: FlaggedGraph, tensor: Any, node: Node) -> bool:
        """Add the flag of one float result; False if its dtype has none."""
        if not can_look(tensor.dtype):
            return False
        if self._is_held(flagged, tensor):
            flagged.held += _bytes(tensor)
            flagged.flags.append(None)
        else:
            with private.stop_recording(), tf.name_scope(SCOPE):
                flagged.flags.append(
                    look_at(tensor, is_xla=flagged.is_xla, is_wide=node.is_wide, on_host=self._on_host)
                )
        flagged.tensors.append(tensor)
        return True

    def is_wide(self, flagged: FlaggedGraph, tensor: Any, operands: Iterable[int]) -> bool:
        """Whether NaN and Inf should be told apart: where it is cheap, and downstream of a written Inf."""
        size = tensor.shape.num_elements()
        return (
            flagged.is_xla
            or tensor.dtype.is_complex
            or (size is not None and size <= SMALL)
            or self._is_held(flagged, tensor)
            or any(flagged.nodes[i].op == "Const" or flagged.nodes[i].is_wide for i in operands)
        )

    @staticmethod
    def _is_held(flagged: FlaggedGraph, tensor: Any) -> bool:
        """Whether a result waits until it is known that the step was lost: it keeps its memory until then."""
        if not flagged.is_late or (tensor.shape.rank == 0 and not tensor.dtype.is_complex):
            return False
        return flagged.held + _bytes(tensor) <= MAX_HELD

    def end(self, flagged: FlaggedGraph) -> list[Any]:
        """At the bottom of a graph: remember what was non-finite. The operations that must run, if any."""
        if not flagged.flags:
            if flagged.outer is not None:
                return []
            flagged.nodes.append(_NOTHING)  # all is wrapped up; the graphs within still tell what was lost
            with private.stop_recording(), tf.name_scope(SCOPE):
                flagged.tensors.append(tf.zeros([]))
                flagged.flags.append(Look("values", tf.float32, (flagged.tensors[-1],)))
        root = flagged.root
        is_outermost = flagged.outer is None
        with private.stop_recording(), tf.name_scope(SCOPE):
            flagged.memory = new_variable(np.zeros((len(flagged.flags), 3)))
            flagged.runs = root.runs if is_outermost else new_variable(np.float64(0))
            state = _read(flagged, self._state)
            run = _read(flagged, flagged.runs) + (0.0 if flagged.is_backward else 1.0)
            outs = flagged.outs if is_outermost else frozenset[int]()  # a branch's result may still be absorbed
            leaving = sorted(outs.union(*(nodes for _, nodes in flagged.writes)))
            for i in flagged.summed:
                flagged.flags[i] = flagged.flags[i] or self._look_late(flagged.tensors[i])
            packed = pack({i: look for i, look in enumerate(flagged.flags) if look is not None})
            must: list[Any] = []
            if flagged.is_late:
                flagged.is_differentiated = new_variable(np.float64(0))
                suspects = [_read(flagged, flagged.is_differentiated) > 0.0]
                if is_outermost:
                    suspects.append(state[3] > 0.0)
                if screened := sorted(flagged.outs.union(leaving)):
                    suspects.append(anything(pack({i: screen(flagged.tensors[i]) for i in screened})))

                def remembered() -> Any:
                    return self._remember(flagged, packed, leaving, state, run, [])  # a branch runs what it holds

                lost = private.cond_by_call(
                    tf.reduce_any(tf.stack(suspects)), remembered, lambda: tf.identity(state[3])
                )
            else:
                lost = self._remember(flagged, packed, leaving, state, run, must)
            if not flagged.is_backward:
                must.append(_assign(flagged, flagged.runs, run))
            must.append(_assign(flagged, self._state, tf.stack([state[0], state[1] + 1.0, state[2], lost])))
        return [op for op in must if op is not None]

    def _look_late(self, tensor: Any) -> Look:
        look = look_at(tensor, is_xla=False, is_wide=True, on_host=self._on_host)
        assert look is not None  # only what can be looked at became a node
        return look

    def _remember(
        self, flagged: FlaggedGraph, packed: list[Packed], leaving: list[int], state: Any, run: Any, must: list[Any]
    ) -> Any:
        """Write the graph's memory. A tensor: 1 if something non-finite leaves it in this step. `must` gets what must run."""
        held = {i: self._look_late(flagged.tensors[i]) for i, look in enumerate(flagged.flags) if look is None}
        nonfinite = table([*packed, *pack(held)])
        step, now = state[0], state[0] * TICKS + state[1] + 1.0
        before = _read(flagged, flagged.memory)
        is_kept = tf.logical_or(state[2] > 0.0, tf.floor(before[:, :2] / TICKS) >= step)
        times = tf.where(is_kept, before[:, :2], tf.zeros_like(before[:, :2]))
        was_known = tf.reduce_any(times > 0.0, axis=1)
        times = tf.where(tf.logical_and(nonfinite, times <= 0.0), now, times)
        runs = tf.where(was_known, before[:, 2], tf.where(tf.reduce_any(nonfinite, axis=1), run, 0.0))
        must.append(_assign(flagged, flagged.memory, tf.concat([times, runs[:, None]], 1)))
        is_leaving = np.zeros(len(flagged.flags), bool)
        is_leaving[leaving] = True
        is_lost = tf.reduce_any(tf.logical_and(tf.reduce_any(nonfinite, axis=1), is_leaving))
        lost = tf.maximum(tf.cast(is_lost, tf.float64), state[3])
        if flagged.outer is None:
            first = _read(flagged, flagged.root.lost)
            is_lost_now = tf.logical_and(first <= 0.0, lost > 0.0)
            if flagged.capture is not None:
                must.append(flagged.capture.keep(is_lost_now, step, new_holder))
            must.append(_assign(flagged, flagged.root.lost, tf.where(is_lost_now, step, first)))
        return lost


def _bytes(tensor: Any) -> int:
    """Memory of a graph's tensor; an unknown dimension counts as a usual batch."""
    if tensor.shape.rank is None:
        return _UNKNOWN * _UNKNOWN
    return int(np.prod([_UNKNOWN if n is None else n for n in tensor.shape.as_list()])) * int(tensor.dtype.size)


def _handle(flagged: FlaggedGraph | Any, variable: Any) -> Any:
    """A variable's handle in a graph, handed in through the graphs around it.

    The gradient of a loop must get it so: of a handle that comes from eager code at once it would not know the way out.
    """
    around = flagged.outer
    is_open = around is not None and not around.is_done  # the gradient of a finished function lies in it, but outside
    return flagged.graph.capture(_handle(around, variable) if is_open else variable.handle)


def _read(flagged: FlaggedGraph, variable: Any) -> Any:
    return private.read_in_graph(_handle(flagged, variable), variable.dtype.as_datatype_enum)


def _assign(flagged: FlaggedGraph, variable: Any, value: Any) -> Any:
    return private.assign_in_graph(_handle(flagged, variable), value)
