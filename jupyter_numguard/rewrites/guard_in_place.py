"""guard_in_place: An operation that writes over its operand, or into `out=`, is guarded and still writes to the same memory.

It is run without writing: on a copy of the operand taken before, or, of numpy, on one worked out from the result.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.opnames import canonical_op
from jupyter_numguard.terms import full_name, is_in_place, overwritten, parse

FIXES = {"NG101", "NG102", "NG103", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "next to the singular point"
EXAMPLES = {
    "torch": (
        "x.log_()", "x /= b", "b.div_(x)", "b /= x", "torch.div(b, x, out=c)", "torch.log(x, out=c)", "x.reciprocal_()",
    ),
    "numpy": ("mask /= x", "np.divide(mask, x, out=c)", "np.log(x, out=x)"),
    "tensorflow": ("b /= x",),
}  # fmt: skip
_WORKED_OUT = "What was overwritten was worked out from the result."  # numpy signals when it has written already
# operation -> bounds of its operand, and where they change it
_BOUNDS: dict[str, tuple[float | None, float | None, str]] = {
    "log": (1e-12, None, "{} < 1e-12"), "log2": (1e-12, None, "{} < 1e-12"), "log10": (1e-12, None, "{} < 1e-12"),
    "sqrt": (0, None, "{} < 0"), "rsqrt": (1e-12, None, "{} < 1e-12"), "acos": (-1, 1, "abs({}) > 1"),
    "asin": (-1, 1, "abs({}) > 1"),
}  # fmt: skip


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The operand of an in-place method, the divisor of `/=`, or the guarded argument beside `out=`, in the failing statement."""
    for call in reader.calls(reader.failing):
        if isinstance(call.func, ast.Attribute) and framework == "torch" and is_in_place(call.func.attr):
            yield from _method(reader, call, call.func)
        elif any(k.arg == "out" for k in call.keywords) and not any(k.arg == "where" for k in call.keywords):
            yield from _into(reader, call, framework)
    parsed = parse(reader.sequence[reader.failing].source)
    for statement in parsed.body if parsed is not None else ():
        if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Div):
            old = ast.unparse(statement.target)
            yield from _divisor(reader, statement.value, f"({old})", framework)


def _method(reader: Reader, call: ast.Call, method: ast.Attribute) -> Iterator[Change]:
    op, owner = canonical_op(method.attr), ast.unparse(method.value)
    if op == "div" and len(call.args) == 1 and not call.keywords:
        yield from _divisor(reader, call.args[0], f"({owner})", "torch")
    elif method.attr == "reciprocal_":
        yield from _divisor(reader, method.value, "1", "torch", in_place=True)
    elif op in _BOUNDS:
        low, high, guard = _BOUNDS[op]
        bounds = f"{low}, {high}" if high is not None else f"min={low}"
        pure = f"({owner}).{{}}{op}()"
        yield Change(
            reader.failing, method.value, f"{owner}.clamp_({bounds})",
            (pure.format(""), pure.format(f"clamp({bounds}).")), "torch", guard.format(owner),
        )  # fmt: skip


def _into(reader: Reader, call: ast.Call, framework: Framework) -> Iterator[Change]:
    """A function with `out=`: its argument is bounded, or its divisor."""
    function, op = ast.unparse(call.func), canonical_op((full_name(call.func, reader.aliases) or "").split(".")[-1])
    if op == "div" and len(call.args) == 2:
        yield from _divisor(reader, call.args[1], f"({ast.unparse(call.args[0])})", framework)
    bounded = {"torch": "torch.clamp", "numpy": "numpy.clip"}.get(framework)
    clip = reader.spelled(bounded) if bounded is not None else None
    if op in _BOUNDS and len(call.args) == 1 and clip is not None:
        low, high, guard = _BOUNDS[op]
        x = ast.unparse(call.args[0])
        after = f"{clip}({x}, {low}, {high})"
        yield Change(
            reader.failing, call.args[0], after, (f"{function}({x})", f"{function}({after})"), framework,
            guard.format(f"({x})"), remark=_remark(reader, framework, x),
        )  # fmt: skip


def _divisor(
    reader: Reader, node: ast.expr, dividend: str, framework: Framework, *, in_place: bool = False
) -> Iterator[Change]:
    where = reader.spelled(f"{framework}.where")
    if where is None:
        return
    divisor = ast.unparse(node)
    guarded = f"{where}({divisor} == 0, 1e-12, {divisor})"
    after = f"{divisor}.copy_({guarded})" if in_place else guarded
    yield Change(
        reader.failing, node, after, (f"{dividend} / ({divisor})", f"{dividend} / {guarded}"), framework,
        f"({divisor} == 0) | ({dividend} != {dividend})" if dividend != "1" else f"{divisor} == 0",
        remark=_remark(reader, framework, dividend.strip("()")),
    )  # fmt: skip


def _remark(reader: Reader, framework: Framework, operand: str) -> str:
    """What is said of a run of numpy's on an operand that the failing statement writes over."""
    names = overwritten(reader.sequence[reader.failing])
    return _WORKED_OUT if framework == "numpy" and operand.split("[")[0].split(".")[0] in names else ""
