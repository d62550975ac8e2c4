"""clamped_cast: A sentinel does not fit the dtype that it is cast to; the dtype's own limit does, and stands for the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, compared
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG501"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "beyond the narrower dtype's range"
EXAMPLES = {
    "torch": ("y = big.to(h.dtype)", "y = big.type_as(h)"),
    "tensorflow": ("y = tf.cast(big, h.dtype)",),
    "numpy": ("y = big.astype(h.dtype)",),
}
_DTYPES = frozenset({"dtype", "float16", "half", "bfloat16", "float32"})


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The operand of a cast in the failing statement."""
    finfo = reader.spelled(f"{framework}.finfo")
    maximum = reader.spelled(f"{framework}.{'clip' if framework == 'numpy' else 'clip_by_value'}")
    for call in reader.calls(reader.failing):
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in ("to", "astype", "cast", "type_as"):
            continue
        is_function = function.attr == "cast"
        given = [*call.args, *(k.value for k in call.keywords)]
        dtype = next((ast.unparse(g) for g in given if isinstance(g, ast.Attribute) and g.attr in _DTYPES), None)
        if function.attr == "type_as" and given:
            dtype = f"{ast.unparse(given[0])}.dtype"
        operand = call.args[0] if is_function and call.args else function.value
        if dtype is None or (framework == "tensorflow") != is_function:
            continue
        text = ast.unparse(operand)
        if framework == "torch" and finfo is not None:
            whole = text if isinstance(operand, ast.Name | ast.Call | ast.Subscript | ast.Attribute) else f"({text})"
            after = f"{whole}.clamp({finfo}({dtype}).min, {finfo}({dtype}).max)"
        elif framework == "tensorflow" and maximum is not None:
            after = f"{maximum}({text}, float({dtype}.min), float({dtype}.max))"
        elif framework == "numpy" and maximum is not None and finfo is not None:
            after = f"{maximum}({text}, {finfo}({dtype}).min, {finfo}({dtype}).max)"
        else:
            continue
        pair = compared(reader, call, reader.failing, operand, ast.parse(after, mode="eval").body)
        largest = f"float({dtype}.max)" if framework == "tensorflow" else f"{finfo}({dtype}).max"
        yield Change(reader.failing, operand, after, pair, framework, f"abs({text}) > {largest}", rtol=2e-3)
