"""16-bit floats by their bits, at the speed of memory: no framework converts them that fast.

As a signed integer every positive non-finite value is at or above the first limit of its format, as an unsigned one every
negative non-finite value at or above the second; no finite value is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

HALVES = {"float16": (0x7C00, 0xFC00), "bfloat16": (0x7F80, 0xFF80)}
_IN_CACHE = 1 << 18  # elements of which the second look does not go to memory again
_FIRST_LOOK = 1 << 22  # elements below which all fits


def has_nonfinite(words: np.ndarray[Any, Any], name: str) -> bool:
    """Whether 16-bit words hold a NaN or Inf of the format, exactly; no temporaries. A KeyboardInterrupt may end it.

    Args:
        words: Of any shape and stride, itemsize 2, native byte order, not empty.
        name: A key of `HALVES`.
    """
    positive, negative = HALVES[name]
    signed, unsigned = words.view(np.int16), words.view(np.uint16)
    if words.ndim != 1 or words.size <= _FIRST_LOOK:
        return bool(signed.max() >= positive or unsigned.max() >= negative)
    for i in range(0, words.size, _IN_CACHE):
        if signed[i : i + _IN_CACHE].max() >= positive or unsigned[i : i + _IN_CACHE].max() >= negative:
            return True
    return False
