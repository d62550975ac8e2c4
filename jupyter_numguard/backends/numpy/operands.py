"""What a signalled operation was, and what it got and made, as far as the frame still tells."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from ...opnames import canonical_op
from .evaluate import METHODS, NotRepeatable, evaluate, is_pandas, is_pure
from .expression import Expression
from .overwritten import operand_of

MISSING: Any = object()
"""A value that cannot be had: it was overwritten, or evaluating it again might have an effect."""

# Operations of a library that are several ufuncs inside: the user wrote this call, not the ufunc that signalled.
_COMPOSITES = frozenset(
    "sum cumsum prod cumprod mean median std var norm softmax log_softmax logsumexp sigmoid logit matmul inverse det solve "
    "svd eigh cholesky kl_div cross_entropy normalize cosine_similarity segment_sum max min corrcoef".split()
)


@dataclass(slots=True)
class Operand:
    """One operand.

    Attributes:
        value: Its value, or MISSING.
        name: The user's path to it, None for an expression.
        form: An array of its dtype and shape where the value is gone.
        rebuilt: Where the value is gone, one that gives the result (`overwritten.py`); None where there is no telling.
    """

    value: Any
    name: str | None
    form: Any = None
    rebuilt: Any = None


@dataclass(slots=True)
class Operation:
    """A signalled operation. `result` is MISSING where it cannot be had; `in_place` that it was written over `target`."""

    operands: list[Operand]
    result: Any = MISSING
    target: Any = MISSING


def name_operation(text: str, expression: Expression, package: str | None) -> tuple[str, str]:
    """(canonical name, native name) of what a message is about.

    Args:
        text: numpy's message, "divide by zero encountered in log".
        package: The library that the user's expression called and that ran the operation; None if that line itself did.
    """
    ufunc = text.rsplit(" in ", 1)[-1].removeprefix("scalar ")
    call = expression.node
    if isinstance(call, ast.BinOp | ast.AugAssign) and isinstance(call.op, ast.Pow):
        return "pow", "numpy.power" if ufunc == "power" else f"numpy.power / numpy.{ufunc}"  # `x ** 0.5` runs sqrt
    if not isinstance(call, ast.Call):
        return canonical_op(ufunc), f"numpy.{ufunc}"
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if ufunc in ("reduce", "accumulate", "reduceat") and name == ufunc and isinstance(call.func, ast.Attribute):
        base = call.func.value
        base_name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        return canonical_op(
            f"{base_name}_{'accumulate' if ufunc == 'accumulate' else 'reduce'}"
        ), f"numpy.{base_name}.{ufunc}"
    canonical = canonical_op(name) if name else ""
    if canonical in _COMPOSITES and (package is not None or ufunc in ("reduce", "accumulate") or name == "sum"):
        native = f"{package or 'numpy'}.{name}" if package or isinstance(call.func, ast.Attribute) else name
        return canonical, native if ufunc in ("reduce", "accumulate", name) else f"{native} / numpy.{ufunc}"
    return canonical_op(ufunc), f"numpy.{ufunc}"


def repeat_operation(expression: Expression, frame: FrameType) -> Operation:
    """Operands and result, evaluated once more where that is safe; call under `state.silence()`."""
    node = expression.node
    if isinstance(node, ast.AugAssign):
        target = _value(node.target, frame)
        value = Operand(_value(node.value, frame), path_text(node.value))
        if isinstance(target, np.ndarray):  # numpy signals after it has written: the old value is gone
            value = _unless_written(value, node.value, target, frame)
            divides = isinstance(node.op, ast.Div)
            rebuilt = operand_of("div", target, _known(value)) if divides else None
            return Operation([Operand(MISSING, path_text(node.target), target, rebuilt), value], target, target)
        return Operation([Operand(target, path_text(node.target)), value])
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):  # a cast into the array's dtype
        source = expression.statement
        value_node = source.value if isinstance(source, ast.Assign) else None
        target = _value(node.value, frame)
        return Operation([_operand(value_node, frame)] if value_node is not None else [], target, target)
    if not isinstance(node, ast.expr):
        return Operation([])
    operation = Operation([_operand(x, frame) for x in _operand_nodes(node, frame)])
    out = _out_node(node, frame)
    if out is not None:
        operation.target = operation.result = _value(out, frame)
        nodes = _operand_nodes(node, frame)
        operation.operands = [
            _unless_written(o, n, operation.target, frame) for o, n in zip(operation.operands, nodes, strict=True)
        ]
        _rebuild(operation, node, nodes, frame)
    else:
        operation.result = _value(node, frame)
    operation.operands = [o for o in operation.operands if o.value is MISSING or is_numeric(o.value)]
    return operation


def _operand(node: ast.expr, frame: FrameType) -> Operand:
    value = _value(node, frame)
    if type(value) in (list, tuple) and all(isinstance(x, float | int | np.number) for x in value):
        value = np.asarray(value)  # what numpy made of it
    return Operand(value, path_text(node))


def _value(node: ast.expr, frame: FrameType) -> Any:
    try:
        return as_array(evaluate(node, frame))
    except NotRepeatable:
        return MISSING


def as_array(value: Any) -> Any:
    """A pandas column, index or table of numbers as its array; anything else as it is."""
    if is_pandas(value, "Series", "Index"):
        return value.to_numpy()
    if is_pandas(value, "DataFrame") and all(isinstance(d, np.dtype) and d.kind in "fiub" for d in value.dtypes):
        return value.to_numpy()
    return value


def is_numeric(value: Any) -> bool:
    """Whether a value is an array or a number."""
    return isinstance(value, np.ndarray | np.number | float | int | complex)


def _unless_written(operand: Operand, node: ast.expr, target: Any, frame: FrameType) -> Operand:
    """The operand without its value if it was computed from memory that the operation wrote over since."""
    if not isinstance(target, np.ndarray):
        return operand
    names = [_value(x, frame) for x in ast.walk(node) if isinstance(x, ast.Name)]
    if any(isinstance(v, np.ndarray) and np.may_share_memory(v, target) for v in (operand.value, *names)):
        return Operand(MISSING, operand.name, operand.value if isinstance(operand.value, np.ndarray) else None)
    return operand


def _rebuild(operation: Operation, node: ast.expr, nodes: list[ast.expr], frame: FrameType) -> None:
    """Give the first operand, where it is the very array that was written over, a value that gives the result."""
    first = operation.operands[0] if operation.operands else None
    if first is None or first.value is not MISSING or first.form is not operation.target:
        return
    function = _function(node, frame) if isinstance(node, ast.Call) else None
    divisor = _known(operation.operands[1]) if len(operation.operands) > 1 else None
    first.rebuilt = operand_of(canonical_op(getattr(function, "__name__", "")), operation.target, divisor)


def _known(operand: Operand) -> Any:
    return None if operand.value is MISSING else operand.value


def _operand_nodes(node: ast.expr, frame: FrameType) -> list[ast.expr]:
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.UnaryOp():
            return [node.operand]
        case ast.Call():
            args = [a for a in node.args if not isinstance(a, ast.Starred)]
            if isinstance(node.func, ast.Attribute) and _is_table(node.func.value, frame):
                return _operands_of_pandas(node.func, args)
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                owner = _value(node.func.value, frame)
                if owner is MISSING or is_numeric(owner):
                    return [node.func.value, *(args[:1] if node.func.attr == "dot" else [])]
            function = _function(node, frame)
            if isinstance(function, np.ufunc):
                return args[: function.nin]
            one = function is not None and is_pure(function) and getattr(function, "__name__", "") not in _TWO
            return args[:1] if one else [a for a in args[:2] if not isinstance(a, ast.Constant)]
    return []


def _is_table(node: ast.expr, frame: FrameType) -> bool:
    try:
        return is_pandas(evaluate(node, frame), "DataFrame", "Series", "Index")
    except NotRepeatable:
        return False


def _operands_of_pandas(method: ast.Attribute, args: list[ast.expr]) -> list[ast.expr]:
    """Of a method of a column or table: what it is called on; of a growth rate also what it divides by."""
    if method.attr == "pct_change":
        shifted = ast.Call(ast.Attribute(method.value, "shift", ast.Load()), args[:1], [])
        return [method.value, ast.copy_location(shifted, method)]
    arithmetic = method.attr in ("add", "sub", "mul", "div", "truediv", "divide", "pow", "rdiv", "dot")
    return [method.value, *(args[:1] if arithmetic else [])]


_TWO = frozenset(
    {"dot", "inner", "outer", "vdot", "matmul"}
)  # functions of two operands that are no ufuncs, or look so


def _function(node: ast.Call, frame: FrameType) -> Any:
    try:
        return evaluate(node.func, frame)
    except NotRepeatable:
        return None


def _out_node(node: ast.expr, frame: FrameType) -> ast.expr | None:
    """The expression of `out=`, by keyword or position."""
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "out" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None):
            out = keyword.value
            return out.elts[0] if isinstance(out, ast.Tuple) and len(out.elts) == 1 else out
    function = _function(node, frame)
    if isinstance(function, np.ufunc) and len(node.args) > function.nin:
        return node.args[function.nin]
    return None


def makes_new(operation: Operation) -> bool:
    """Whether some element of the result is non-finite where every operand's own element is finite.

    For operands that hold missing values elsewhere: `prices / prices.shift(1)` divides by a 0 in another row.
    """
    result = operation.result
    known = [np.asarray(o.value) for o in operation.operands if o.value is not MISSING]
    if not isinstance(result, np.ndarray) or not known or len(known) != len(operation.operands):
        return False
    try:
        if np.broadcast_shapes(*(x.shape for x in known)) != result.shape:
            return False
        whole = np.logical_and.reduce(np.broadcast_arrays(*(np.isfinite(x) for x in known)))
        return bool((whole & ~np.isfinite(result)).any())
    except (TypeError, ValueError):  # no numbers, or shapes that do not fit: a reduction, a product of matrices
        return False


def path_text(node: ast.expr) -> str | None:
    """The text of a path as the user types it (`x`, `self.w[0]`); None for any other expression."""
    inner = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    return ast.unparse(node) if isinstance(inner, ast.Name) else None
