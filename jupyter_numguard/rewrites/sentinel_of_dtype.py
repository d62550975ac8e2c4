"""sentinel_of_dtype: A number like -1e9 is -Inf in float16; half of the dtype's own least number masks as well and is finite.

Half, because a score is added to it; its exponential is 0 all the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard import wording
from jupyter_numguard.change import Change, compared
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG501"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the sentinel is beyond the dtype's range"
EXAMPLES = {
    "torch": ("y = (h / 400) * -1e9", "y = (h / 400) - 1e5"),
    "numpy": ("y = (h / 400) * -1e9",),
}
_LARGEST = 65504.0  # of float16


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The number that float16 cannot hold, as a factor or a term of the failing expression."""
    finfo, narrow = reader.spelled(f"{framework}.finfo"), reader.spelled(f"{framework}.float16")
    origin = reader.path.origin
    known = (origin.result,) if origin is not None and origin.result is not None else reader.path.named
    if finfo is None or narrow is None or not any(wording.dtype_name(t.dtype) == "float16" for t in known):
        return
    for guilty in reader.guilty():
        for slot in ("x", "y"):
            operand = guilty.argument(slot)
            node = operand.node if operand is not None else None
            if guilty.op not in ("mul", "add", "sub") or node is None or not abs(_number(node)) > _LARGEST:
                continue
            limit = f"{finfo}({narrow}).{'min' if _number(node) < 0 else 'max'}"
            after = f"{limit} / 2" if framework == "torch" else f"float({limit}) / 2"
            pair = compared(reader, guilty.node, guilty.home, node, ast.parse(after, mode="eval").body)
            yield Change(guilty.home, node, after, pair, framework, f"abs({pair[1]}) > 1000", rtol=2e-3)


def _number(node: ast.expr) -> float:
    """A written number with its sign; 0 of everything else."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return 0.0
    return float(value) if isinstance(value, int | float) else 0.0
