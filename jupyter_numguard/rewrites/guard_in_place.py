"""guard_in_place: An operation in place overwrites its operand; the operand is bounded in place as well, just before.

No copy of the operand is left to try it on, so it is never called verified.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import parse

FIXES = {"NG101", "NG102", "NG103", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "next to the singular point"
EXAMPLES = {"torch": ("x.log_()", "x /= y"), "numpy": ("x /= y",), "tensorflow": ("x /= y",)}
# method -> how its operand is bounded
_BOUNDS = {
    "log_": "clamp_(min=1e-12)", "log2_": "clamp_(min=1e-12)", "log10_": "clamp_(min=1e-12)", "sqrt_": "clamp_(min=0)",
    "rsqrt_": "clamp_(min=1e-12)", "acos_": "clamp_(-1, 1)", "asin_": "clamp_(-1, 1)",
}  # fmt: skip


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The operand of an in-place method, or the divisor of `/=`, in the failing statement."""
    for call in reader.calls(reader.failing):
        method = call.func
        if framework == "torch" and isinstance(method, ast.Attribute) and method.attr in _BOUNDS:
            after = f"{ast.unparse(method.value)}.{_BOUNDS[method.attr]}"
            yield Change(reader.failing, method.value, after, ("", ""), framework)
    where = reader.spelled(f"{framework}.where")
    parsed = parse(reader.sequence[reader.failing].source)
    for statement in parsed.body if parsed is not None and where is not None else ():
        if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Div):
            divisor = ast.unparse(statement.value)
            after = f"{where}({divisor} == 0, 1e-12, {divisor})"
            yield Change(reader.failing, statement.value, after, ("", ""), framework)
