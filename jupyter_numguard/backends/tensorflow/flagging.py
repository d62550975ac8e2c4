"""The operations that are put into a shadow graph: one flag per float result, and one update of the flags' memory.

In a function's graph both happen only in a run in which something non-finite leaves it (docs/adr/0013).

No host read while it runs. `state` holds four numbers, shared by all graphs:

    [0] step: outermost calls so far    [1] tick: graph executions within the step
    [2] the step in which the running function was lost, 0 if it is finite so far
    [3] 1 if something non-finite left a graph for the first time, Inf if that could not be made to happen again

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
from .looks import SMALL, Look, anything, can_look, look_at, pack, screen, table
from .repeat import Repeat

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
        with private.stop_recording(), tf.name_scope(SCOPE):
            flagged.flags.append(None if flagged.is_late else self._look(flagged, tensor, is_wide=node.is_wide))
        flagged.tensors.append(tensor)
        return True

    def _look(self, flagged: FlaggedGraph, tensor: Any, *, is_wide: bool = True) -> Look:
        look = look_at(tensor, is_xla=flagged.is_xla, is_wide=is_wide, on_host=self._on_host)
        assert look is not None  # only what can be looked at became a node
        return look

    @staticmethod
    def is_wide(flagged: FlaggedGraph, tensor: Any, operands: Iterable[int]) -> bool:
        """Whether NaN and Inf should be told apart: where it is cheap, and downstream of a written Inf."""
        size = tensor.shape.num_elements()
        return (
            flagged.is_xla
            or flagged.is_late
            or tensor.dtype.is_complex
            or (size is not None and size <= SMALL)
            or any(flagged.nodes[i].op == "Const" or flagged.nodes[i].is_wide for i in operands)
        )

    def end(self, flagged: FlaggedGraph) -> list[Any]:
        """At the bottom of a graph: remember what was non-finite. The operations that must run, if any."""
        if not flagged.tensors:
            if flagged.outer is not None:
                return []
            flagged.nodes.append(_NOTHING)  # all is wrapped up; the graphs within still tell what was lost
            with private.stop_recording(), tf.name_scope(SCOPE):
                flagged.tensors.append(tf.zeros([]))
                flagged.flags.append(Look("values", tf.float32, (flagged.tensors[-1],)))
        root = flagged.root
        is_outermost = flagged.outer is None
        with private.stop_recording(), tf.name_scope(SCOPE):
            flagged.memory = new_variable(np.zeros((len(flagged.tensors), 3)))
            flagged.runs = root.runs if is_outermost else new_variable(np.float64(0))
            state = _read(flagged, self._state)
            run = _read(flagged, flagged.runs) + (0.0 if flagged.is_backward else 1.0)
            outs = flagged.outs if is_outermost else frozenset[int]()  # a branch's result may still be absorbed
            leaving = sorted(outs.union(*(nodes for _, nodes in flagged.writes)))
            must: list[Any] = []
            if flagged.is_late:
                lost = self._look_if_lost(flagged, leaving, state, run)
            else:
                nonfinite = table(pack({i: look for i, look in enumerate(flagged.flags) if look is not None}))
                lost = self._remember(flagged, nonfinite, leaving, state, run, must)
            if not flagged.is_backward:
                must.append(_assign(flagged, flagged.runs, run))
            must.append(_assign(flagged, self._state, tf.stack([state[0], state[1] + 1.0, state[2], lost])))
        return [op for op in must if op is not None]

    def _look_if_lost(self, flagged: FlaggedGraph, leaving: list[int], state: Any, run: Any) -> Any:
        """Screen what leaves the graph; only if that tells something, look at it, and if it is new, at every result."""
        flagged.is_differentiated = new_variable(np.float64(0))
        is_asked = _read(flagged, flagged.is_differentiated) > 0.0
        if flagged.outer is None:
            is_asked = tf.logical_or(is_asked, state[3] > 0.0)
        screened = np.array(sorted(flagged.outs.union(leaving)), np.int32)
        repeat = Repeat(
            flagged.graph, is_ours=lambda op: SCOPE in op.name,
            is_lent=lambda t: bool(flagged.summed & flagged.nodes_of([t])),
        )  # fmt: skip
        at_once = {
            i: self._look(flagged, t)
            for i, t in enumerate(flagged.tensors)
            if not repeat.can_give(t) or (i in flagged.summed and i in screened)
        }

        def everything(told: Any) -> Any:
            """Every result once more, and a look at it."""
            missing = [i for i in range(len(flagged.tensors)) if i not in at_once]
            again = repeat.tensors([flagged.tensors[i] for i in missing])
            looks = {i: self._look(flagged, t) for i, t in zip(missing, again, strict=True)}
            nonfinite = table(pack(at_once | looks))
            agrees = tf.reduce_all(tf.equal(_any(tf.gather(nonfinite, screened)), _any(told)))
            return self._remember(flagged, tf.logical_and(nonfinite, agrees), leaving, state, run, [], agrees)

        def suspected() -> Any:
            told = table(pack({i: at_once.get(i) or self._look(flagged, flagged.tensors[i]) for i in screened}))
            known = tf.gather(self._times(flagged, state), screened) > 0.0
            is_new = tf.reduce_any(tf.logical_and(told, tf.logical_not(known)))
            return private.cond_by_call(
                tf.logical_or(is_asked, is_new), lambda: everything(told), lambda: tf.identity(state[3])
            )

        if not screened.size:
            return private.cond_by_call(
                is_asked, lambda: everything(tf.zeros((0, 2), tf.bool)), lambda: tf.identity(state[3])
            )
        is_suspect = anything(pack({i: screen(flagged.tensors[i]) for i in screened}))
        return private.cond_by_call(tf.logical_or(is_asked, is_suspect), suspected, lambda: tf.identity(state[3]))

    @staticmethod
    def _times(flagged: FlaggedGraph, state: Any) -> Any:
        """[n, 2]: when each node was first NaN and Inf, of this step, or for good once the function was lost."""
        times = _read(flagged, flagged.memory)[:, :2]
        is_kept = tf.logical_or(state[2] > 0.0, tf.floor(times / TICKS) >= state[0])
        return tf.where(is_kept, times, tf.zeros_like(times))

    def _remember(
        self, flagged: FlaggedGraph, nonfinite: Any, leaving: list[int], state: Any, run: Any, must: list[Any],
        agrees: Any = True,
    ) -> Any:  # fmt: skip
        """Write the graph's memory. A tensor: whether something non-finite left it for the first time, see `state[3]`.

        Args:
            nonfinite: [n, 2] bool: NaN, Inf.
            must: Gets what must run.
            agrees: Whether results that were worked out once more are as they were.
        """
        step, now = state[0], state[0] * TICKS + state[1] + 1.0
        known = self._times(flagged, state)
        is_new = tf.logical_and(nonfinite, known <= 0.0)
        runs = tf.where(_any(known > 0.0), _read(flagged, flagged.memory)[:, 2], tf.where(_any(nonfinite), run, 0.0))
        must.append(_assign(flagged, flagged.memory, tf.concat([tf.where(is_new, now, known), runs[:, None]], 1)))
        is_leaving = np.zeros((len(flagged.tensors), 1), bool)
        is_leaving[leaving] = True
        is_lost = tf.reduce_any(tf.logical_and(is_new, is_leaving))
        lost = tf.maximum(tf.where(agrees, tf.cast(is_lost, tf.float64), np.inf), state[3])
        if flagged.outer is None:
            first = _read(flagged, flagged.root.lost)
            is_lost_now = tf.logical_and(first <= 0.0, lost > 0.0)
            if flagged.capture is not None:
                must.append(flagged.capture.keep(is_lost_now, step, new_holder))
            since = tf.where(tf.math.is_inf(lost), lost, step)
            must.append(_assign(flagged, flagged.root.lost, tf.where(is_lost_now, since, first)))
        return lost


def _any(table: Any) -> Any:
    return tf.reduce_any(table, axis=1)


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
