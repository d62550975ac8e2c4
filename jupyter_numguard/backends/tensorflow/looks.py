"""How one float result in a graph is looked at, and how the looks of a graph become one table. Exact; no host read.

What counts is the number of operations that are put into the graph, and the passes over large tensors:

    scalar        none of its own: all scalars of a dtype are packed and looked at together
    small         TensorFlow's summary that tells NaN from Inf: one operation
    larger        maximum and minimum, which the kernels vectorise and a NaN passes through: half the time of the summary
    narrow        where NaN and Inf need not be told apart, the summary of one bit
    XLA           predicates, which it fuses into what makes the tensor

A screen is cheaper than a look and finds as much, but is wrong where huge finite elements overflow: a look must follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from . import private

SMALL = 4096  # elements up to which the summary that tells NaN from Inf costs what one of one bit does
_SUMMARISED = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


@dataclass(frozen=True, slots=True)
class Look:
    """What was put into the graph for one tensor.

    Attributes:
        kind: "values" the scalar itself, "extremes" its maximum and minimum, "summary" [-Inf, Inf, NaN] where 0 is
            absent, "bit" [id, any].
        dtype: Of the parts; looks of one kind and dtype are taken together.
    """

    kind: str
    dtype: Any
    parts: tuple[Any, ...]


def look_at(tensor: Any, *, is_xla: bool, is_wide: bool, on_host: bool) -> Look | None:
    """Put in what looks at one float tensor; None if its dtype cannot be looked at.

    Args:
        is_wide: NaN and Inf are to be told apart.
        on_host: The maximum passes a NaN through; not known of other devices' kernels.
    """
    if tensor.dtype.is_complex:
        return _summary(_plain(tf.math.real(tensor)) + _plain(tf.math.imag(tensor)))
    if not can_look(tensor.dtype):
        return None
    if is_xla:
        return _summary(_plain(tensor))
    size = tensor.shape.num_elements()
    if on_host and tensor.shape.rank == 0:
        return Look("values", tensor.dtype, (tensor,))
    if on_host and is_wide and size is not None and size > SMALL:
        return Look("extremes", tensor.dtype, (tf.reduce_max(tensor), tf.reduce_min(tensor)))
    mode = 8 if is_wide else 2
    made = private.gen_debug_ops.debug_numeric_summary_v2(tensor, tensor_debug_mode=mode, tensor_id=-1)
    return _summary(made) if is_wide else Look("bit", made.dtype, (made,))


def can_look(dtype: Any) -> bool:
    """Whether tensors of the dtype can be looked at."""
    return bool(dtype.is_complex) or dtype in _SUMMARISED


def screen(tensor: Any) -> Look:
    """One cheap operation that tells of every non-finite element, and may be wrong about huge finite ones."""
    if tensor.shape.rank == 0 and not tensor.dtype.is_complex:
        return Look("values", tensor.dtype, (tensor,))
    size = tensor.shape.num_elements()
    if tensor.dtype in (tf.float32, tf.float64, tf.bfloat16) and size is not None and size <= SMALL:
        return Look("values", tensor.dtype, (tf.nn.l2_loss(tensor),))  # a third of the time of the summary
    look = look_at(tensor, is_xla=False, is_wide=False, on_host=False)
    assert look is not None  # only what can be looked at became a node
    return look


@dataclass(frozen=True, slots=True)
class Packed:
    """Looks of one kind and dtype, stacked; `places` are their rows in the table."""

    kind: str
    columns: tuple[Any, ...]
    places: tuple[int, ...]


def pack(looks: Mapping[int, Look]) -> list[Packed]:
    """Looks by row, taken together as far as they are alike."""
    groups: dict[tuple[str, Any], list[int]] = {}
    for i, look in looks.items():
        groups.setdefault((look.kind, look.dtype), []).append(i)
    return [
        Packed(kind, tuple(tf.stack(c) for c in zip(*(looks[i].parts for i in places), strict=True)), tuple(places))
        for (kind, _), places in groups.items()
    ]


def table(packed: Sequence[Packed]) -> Any:
    """[n, 2] bool: NaN, Inf. A look that does not tell them apart counts as Inf."""
    order = np.argsort(np.array([i for p in packed for i in p.places]))
    return tf.gather(tf.concat([_rows(p) for p in packed], 0), order)


def anything(packed: Sequence[Packed]) -> Any:
    """Whether any of the looks found something."""
    return tf.reduce_any(tf.stack([tf.reduce_any(_rows(p)) for p in packed]))


def _rows(packed: Packed) -> Any:
    kind, stacked = packed.kind, packed.columns
    if kind == "values":
        return tf.stack([tf.math.is_nan(stacked[0]), tf.math.is_inf(stacked[0])], axis=1)
    if kind == "extremes":
        is_inf = tf.logical_or(tf.math.is_inf(stacked[0]), tf.math.is_inf(stacked[1]))
        return tf.stack([tf.math.is_nan(stacked[0]), is_inf], axis=1)
    if kind == "summary":
        is_inf = tf.logical_or(tf.not_equal(stacked[0][:, 0], 0.0), tf.not_equal(stacked[0][:, 1], 0.0))
        return tf.stack([tf.not_equal(stacked[0][:, 2], 0.0), is_inf], axis=1)
    column = stacked[0][:, 1] > 0.0
    return tf.stack([tf.zeros_like(column), column], axis=1)


def _summary(tensor: Any) -> Look:
    return Look("summary", tensor.dtype, (tensor,))


def _plain(tensor: Any) -> Any:
    """The same three numbers from operations that XLA knows and fuses."""
    x = tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
    nan, inf = tf.reduce_any(tf.math.is_nan(x)), tf.reduce_any(tf.math.is_inf(x))
    return tf.stack([tf.constant(0.0), tf.cast(inf, tf.float32), tf.cast(nan, tf.float32)])
