"""A screen for small float arrays of the host: one BLAS dot product, the cheapest call that reads every element.

No non-finite element can make a finite sum of squares, so a finite one proves all elements finite. Huge finite elements
overflow it: what it does not prove has to be looked at exactly.

`np.vdot`, not `np.dot`: it looks at no error state, so it neither warns nor calls a handler of the user's, and it needs
none to be put aside, which would cost twice the dot product.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy import vdot

Array = np.ndarray[Any, np.dtype[Any]]

SMALL = 4096
"""Elements below which a call costs more than its memory traffic: such arrays are looked at together."""
_TOGETHER = 64  # arrays that are copied together: at most 2 MB of float64


def is_proved_finite(a: Array) -> bool:
    """Whether the sum of squares is finite. True proves that all elements are; False proves nothing.

    Args:
        a: float32 or float64, native, of any shape and stride (a copy is made of what is not contiguous).
    """
    return isfinite(vdot(a, a))


def unproved(arrays: Sequence[Array]) -> list[int]:
    """Positions of the arrays that are not proved finite. Cost: about 0.2 µs each, where all are.

    Args:
        arrays: One-dimensional, at most `SMALL` elements each, all float32 or all float64, native.
    """
    if len(arrays) == 1:
        a = arrays[0]
        return [] if isfinite(vdot(a, a)) else [0]
    found: list[int] = []
    for start in range(0, len(arrays), _TOGETHER):
        group = arrays[start : start + _TOGETHER]
        if not is_proved_finite(np.concatenate(group)):
            found += [start + i for i, a in enumerate(group) if not is_proved_finite(a)]
    return found
