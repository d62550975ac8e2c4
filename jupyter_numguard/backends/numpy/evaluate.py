"""Evaluate an expression of the user's once more, from the frame that ran it, where that can have no effect.

Repeated are names, constants, indexing of exact built-in containers and arrays, plain attributes, arithmetic on
numbers, arrays and columns, ufuncs, and the pure functions and methods of numpy and pandas listed here. Nothing else: of a
call of the user's what a small function computes (`small_functions.py`), never the call itself, a property never run, a
generator never drawn from."""

from __future__ import annotations

import ast
import inspect
import operator
import types
from collections import ChainMap
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from ...inline import inlined
from ...purity import COMPUTES, PURE
from ...small_functions import small_function
from ...spellings import functions

MAX_BYTES = 64 << 20  # an intermediate larger than this is not made again

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.Pow: np.power,
    ast.MatMult: np.matmul, ast.FloorDiv: np.floor_divide, ast.Mod: np.remainder,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}  # fmt: skip
# Integer arithmetic of Python stays Python's: numpy's ufuncs would refuse negative powers and wrap large values.
_EXACT = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}  # fmt: skip
METHODS = frozenset(
    "sum mean std var min max astype reshape ravel flatten transpose prod dot clip copy cumsum cumprod all any squeeze item "
    "tolist round trace diagonal swapaxes ptp conj".split()
)
# A warning of Python's own that the repetition makes is one that the user would see twice.
_WARNS = frozenset(
    "cov corrcoef polyfit nanmean nanmedian nanstd nanvar nanmax nanmin nanquantile quantile percentile".split()
)
# Of pandas those that neither warn nor write. `pct_change` warns in some versions: its operands are had without it.
_PANDAS_METHODS = frozenset("sum mean median std var min max abs shift diff cumsum cumprod clip copy to_numpy".split())
_TABLES = ("DataFrame", "Series", "Index")
_WINDOWS = ("Rolling", "Expanding", "ExponentialMovingWindow")
_OPEN_WINDOW = frozenset({"rolling", "expanding", "ewm"})
_OF_WINDOW = frozenset("sum mean median std var min max count".split())
_SPECIAL = frozenset({"softmax", "log_softmax", "logsumexp"})  # the other functions of scipy.special are ufuncs
_BUILTINS = {
    "float": float,
    "int": int,
    "len": len,
    "abs": abs,
    "max": max,
    "min": min,
    "bool": bool,
    "complex": complex,
}
_OF_DISTRIBUTION = frozenset("pdf pmf cdf sf".split())
_CONTAINERS = (list, tuple, dict, str)
_ARRAY_ATTRIBUTES = frozenset("T real imag shape size ndim dtype".split())


_MOMENTS = frozenset({"mean", "std", "var", "median"})


class NotRepeatable(Exception):
    """The expression cannot be evaluated once more without a possible effect."""


def evaluate(node: ast.expr, frame: FrameType) -> Any:
    """The value of `node` in `frame`, under the caller's `state.silence()`.

    Raises:
        NotRepeatable: It might have an effect, or is not known here.
    """
    try:
        return _evaluate(node, frame)
    except NotRepeatable:
        raise
    except Exception as error:  # the name is gone, the index is out of range, the shapes no longer match
        raise NotRepeatable(f"{type(error).__name__}: {error}") from None


def name_in(name: str, frame: FrameType) -> Any:
    """What a name means in a frame, the enclosing frame of a comprehension included."""
    scope: FrameType | None = frame
    while scope is not None:
        if name in scope.f_locals:
            return scope.f_locals[name]
        if name in frame.f_globals:
            return frame.f_globals[name]
        scope = scope.f_back if scope.f_code.co_name in COMPREHENSIONS else None
    raise NotRepeatable(name)


COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


def _evaluate(node: ast.expr, frame: FrameType) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return name_in(node.id, frame)
        case ast.BinOp():
            return _sized(_binary(node, _evaluate(node.left, frame), _evaluate(node.right, frame)))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert() as sign):
            value = _number(_evaluate(node.operand, frame))
            if isinstance(value, bool):
                raise NotRepeatable("Python warns of it")
            return -value if isinstance(sign, ast.USub) else ~value if isinstance(sign, ast.Invert) else value
        case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _COMPARE[type(op)](_number(_evaluate(node.left, frame)), _number(_evaluate(right, frame)))
        case ast.Attribute():
            return _attribute(_evaluate(node.value, frame), node.attr)
        case ast.Subscript():
            return _item(_evaluate(node.value, frame), _index(node.slice, frame))
        case ast.Tuple() | ast.List():
            values = [_evaluate(x, frame) for x in node.elts]
            return tuple(values) if isinstance(node, ast.Tuple) else values
        case ast.Call():
            return _sized(_call(node, frame))
    raise NotRepeatable(type(node).__name__)


def _binary(node: ast.BinOp, left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and type(node.op) in _EXACT:
        return _EXACT[type(node.op)](left, right)
    if type(left) in (list, tuple) and type(right) is type(left) and isinstance(node.op, ast.Add):
        return left + right
    if type(node.op) not in _BINARY:
        raise NotRepeatable(type(node.op).__name__)
    operate = _BINARY[type(node.op)]  # a ufunc: of columns and tables it is pandas' own arithmetic, aligned by label
    return operate(_number(left, tables=True), _number(right, tables=True))


def _index(node: ast.expr, frame: FrameType) -> Any:
    if isinstance(node, ast.Slice):
        return slice(*(None if x is None else _evaluate(x, frame) for x in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.Tuple):
        return tuple(_index(x, frame) for x in node.elts)
    return _evaluate(node, frame)


def _number(value: Any, *, tables: bool = False) -> Any:
    if tables and is_pandas(value, *_TABLES):
        return value
    if type(value) in (np.ndarray, float, int, bool, complex) or (
        isinstance(value, np.generic) and type(value).__module__ in ("numpy", "ml_dtypes")
    ):
        return value
    raise NotRepeatable(f"{type(value).__name__} has its own arithmetic")


def _sized(value: Any) -> Any:
    size = value.nbytes if isinstance(value, np.ndarray) else 8 * value.size if is_pandas(value, *_TABLES) else 0
    if size > MAX_BYTES:
        raise NotRepeatable("too large")
    return value


def is_pandas(value: Any, *names: str) -> bool:
    """Whether a value is exactly one of the named classes of pandas (which is not imported here)."""
    kind = type(value)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ in names


def _has_formula(value: Any, method: str) -> bool:
    """Whether a value is a distribution of scipy.stats, frozen or not, that computes this without integrating (it may warn)."""
    if not type(value).__module__.startswith("scipy.stats._"):
        return False
    distribution = type(vars(value).get("dist", value))
    written = (f"_{method}", f"_log{method}", "_cdf" if method == "sf" else "", "_pmf" if method == "pmf" else "")
    return distribution.__module__.startswith("scipy.stats._") and not vars(distribution).keys().isdisjoint(written)


def _attribute(value: Any, name: str) -> Any:
    """A plain attribute: no property, no `__getattr__`."""
    if isinstance(value, types.ModuleType):
        return value.__dict__[name]
    if type(value) is np.ndarray or isinstance(value, np.generic):
        if name in _ARRAY_ATTRIBUTES:
            return getattr(value, name)
        raise NotRepeatable(name)
    if is_pandas(value, *_TABLES):
        if name == "values" or (type(value).__name__ == "DataFrame" and name in value.columns):
            return getattr(value, name)
        raise NotRepeatable(name)
    found = inspect.getattr_static(value, name)
    if hasattr(type(found), "__get__") and not isinstance(found, type):
        raise NotRepeatable(f"{name} is computed")
    return found


def _item(value: Any, index: Any) -> Any:
    if type(value) in _CONTAINERS or type(value) is np.ndarray or is_pandas(value, *_TABLES):
        return value[index]
    raise NotRepeatable(f"{type(value).__name__} has its own indexing")


def _call(node: ast.Call, frame: FrameType) -> Any:
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg in (None, "out") for k in node.keywords):
        raise NotRepeatable("call")
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS | _PANDAS_METHODS | _OPEN_WINDOW | _OF_WINDOW:
        owner = _evaluate(node.func.value, frame)
        if (is_pandas(owner, *_TABLES) and node.func.attr in _PANDAS_METHODS | _OPEN_WINDOW) or (
            is_pandas(owner, *_WINDOWS) and node.func.attr in _OF_WINDOW
        ):
            args, kwargs = _arguments(node, frame)
            return getattr(owner, node.func.attr)(*args, **kwargs)
        if type(owner) is np.ndarray or isinstance(owner, np.generic):
            args, kwargs = _arguments(node, frame)
            _refuse_what_warns(node.func.attr, owner, args, kwargs)
            return getattr(owner, node.func.attr)(*args, **kwargs)
    if isinstance(node.func, ast.Attribute) and node.func.attr in _OF_DISTRIBUTION:
        owner = _evaluate(node.func.value, frame)
        if _has_formula(owner, node.func.attr):
            args, kwargs = _arguments(node, frame)
            return getattr(owner, node.func.attr)(*args, **kwargs)
    function: Any = _BUILTINS.get(node.func.id) if isinstance(node.func, ast.Name) else None
    if function is None or name_or_none(node.func, frame) not in (None, function):
        function = _evaluate(node.func, frame)
    if type(function) is types.FunctionType and not is_pure(function):
        return _written_out(function, node, frame)
    if not is_pure(function):
        raise NotRepeatable("call")
    args, kwargs = _arguments(node, frame)
    if function in _BUILTINS.values():
        args = [_number(a) for a in args] if function is not len else args
    _refuse_what_warns(getattr(function, "__name__", ""), args[0] if args else None, args[1:], kwargs)
    return function(*args, **kwargs)


def _written_out(function: types.FunctionType, call: ast.Call, frame: FrameType) -> Any:
    """What a small function of the user's computes, piece by piece: the function itself is not called."""
    small = (
        small_function(function, ChainMap(frame.f_locals, frame.f_globals))
        if function.__code__ is not frame.f_code
        else None
    )
    written = inlined(call, small) if small is not None else None
    if written is None:
        raise NotRepeatable("call")
    return _evaluate(written, frame)


def _refuse_what_warns(name: str, value: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Refuse a repetition that makes a warning of Python, which the user would then see twice.

    The filters are the user's: not even for a moment are they ours to change.
    """
    if name in _MOMENTS:  # "Mean of empty slice", "Degrees of freedom <= 0"
        ddof = kwargs.get("ddof", kwargs.get("correction", 0))
        if len(args) > 1 or min(np.shape(value), default=1) <= ddof:
            raise NotRepeatable("it may warn")
    elif np.iscomplexobj(value) and name in ("astype", "asarray", "array", "float64", "float32", "float16"):
        raise NotRepeatable("it may warn")  # the imaginary part is discarded
    elif name in ("float", "int", "complex") and np.ndim(value):
        raise NotRepeatable("it may warn")  # an array as a scalar


def name_or_none(node: ast.expr, frame: FrameType) -> Any:
    """What a plain name is bound to by the user, None if it is no name or not bound."""
    try:
        return name_in(node.id, frame) if isinstance(node, ast.Name) else None
    except NotRepeatable:
        return None


def is_pure(function: Any) -> bool:
    """Whether calling it has no effect: a ufunc, a number type, or one of the listed functions of numpy."""
    if isinstance(function, np.ufunc) or function in _BUILTINS.values():
        return True
    if isinstance(function, type):
        return issubclass(function, np.generic)
    name = getattr(function, "__name__", "")
    if function in (np.linalg.norm, np.linalg.det, np.linalg.slogdet) or (
        name in _SPECIAL and (getattr(function, "__module__", "") or "").startswith("scipy.special")
    ):
        return True
    is_known = name in PURE or name in COMPUTES or f"numpy.{name}" in functions()
    return is_known and name not in _WARNS and getattr(np, name, None) is function


def _arguments(node: ast.Call, frame: FrameType) -> tuple[list[Any], dict[str, Any]]:
    args = [_evaluate(a, frame) for a in node.args]
    if len(args) > 1 and isinstance(node.func, ast.Attribute):
        function = getattr(np, node.func.attr, None)
        if isinstance(function, np.ufunc) and len(args) > function.nin:
            raise NotRepeatable("positional out")
    kwargs = {str(k.arg): _evaluate(k.value, frame) for k in node.keywords}
    if any(callable(a) and not isinstance(a, type) for a in (*args, *kwargs.values())):
        raise NotRepeatable("it calls what it is given")
    return args, kwargs
