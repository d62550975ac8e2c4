"""What an operand was that numpy wrote over before it signalled, worked out backwards from the result.

Enough to try a rewrite on: finite elements to their last digits, 0 where 0 was divided or its logarithm taken. Where the
result does not tell (a negative logarithm, the size of what was divided by 0) nothing, or a stand-in of the right sign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Inverses of operations that are defined wherever their result is a number; NaN means an operand outside the domain.
_INVERSES: dict[str, Callable[[Any], Any]] = {
    "log": np.exp, "log2": np.exp2, "log10": lambda r: np.power(10.0, r), "log1p": np.expm1, "sqrt": np.square,
}  # fmt: skip


def operand_of(op: str, result: Any, divisor: Any = None) -> Any | None:
    """An operand that gives `result`; None where there is no telling. Call with numpy's signals silent.

    Args:
        op: Canonical name of the operation.
        result: What was written over the operand.
        divisor: Of a division, what is known of the divisor; None: it was computed from the overwritten operand.
    """
    if not isinstance(result, np.ndarray) or result.dtype.kind != "f":
        return None
    if op in _INVERSES:
        return None if np.isnan(result).any() else _INVERSES[op](result).astype(result.dtype)
    if op != "div":
        return None
    zero = np.isnan(result)
    if divisor is None:
        # Divided by what it sums up to itself (its norm, its sum), the result divided by its own is the result.
        return None if np.isinf(result).any() else np.where(zero, 0, result).astype(result.dtype)
    signs = np.copysign(1, result) * np.copysign(1, divisor)
    return np.where(zero, 0, np.where(np.isinf(result), signs, result * divisor)).astype(result.dtype)
