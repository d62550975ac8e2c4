"""wider_cast: The value does not fit the dtype that it is cast to; the next wider one holds it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, compared
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import full_name

FIXES = {"NG501"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "beyond the narrower dtype's range"
EXAMPLES = {
    "torch": ("y = big.half()", "y = big.to(torch.float16)", "y = huge.to(dtype=torch.float32)"),
    "tensorflow": ("y = tf.cast(big, tf.float16)", "y = tf.cast(huge, dtype='float32')"),
    "numpy": ("y = big.astype(np.float16)", "y = np.float32(huge)", "y = huge.astype('float32')"),
}
_WIDER = {
    "float16": "float32", "half": "float32", "float32": "float64", "float": "float64", "single": "float64",
    "bfloat16": "float32",
}  # fmt: skip
_METHODS = {"half": "float", "float": "double", "bfloat16": "float"}
_CASTS = frozenset({"to", "astype", "cast", "type", "asarray", "array", "tensor", "constant", "convert_to_tensor"})


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The word for the dtype, in the casts of the failing statement."""
    for call in reader.calls(reader.failing):
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if framework == "torch" and name in _METHODS and not call.args and isinstance(function, ast.Attribute):
            yield _change(reader, call, call, f"{ast.unparse(function.value)}.{_METHODS[name]}()", framework)
        elif framework == "numpy" and full_name(function, reader.aliases) in ("numpy.float16", "numpy.float32"):
            wider = reader.spelled(f"numpy.{_WIDER[name]}")
            if wider is not None:
                yield _change(reader, call, function, wider, framework)
        elif name in _CASTS:
            for given in (*call.args, *(k.value for k in call.keywords)):
                wider = _wider(reader, given)
                if wider is not None:
                    yield _change(reader, call, given, wider, framework)


def _wider(reader: Reader, node: ast.expr) -> str | None:
    """The next wider dtype, spelled as this one is; None where it is none."""
    if isinstance(node, ast.Constant) and node.value in _WIDER:
        return repr(_WIDER[node.value])
    name = full_name(node, reader.aliases) if isinstance(node, ast.Attribute) else None
    module, _, last = (name or "").rpartition(".")
    return reader.spelled(f"{module}.{_WIDER[last]}") if module and last in _WIDER else None


def _change(reader: Reader, call: ast.Call, node: ast.expr, after: str, framework: Framework) -> Change:
    pair = compared(reader, call, reader.failing, node, ast.parse(after, mode="eval").body)
    return Change(reader.failing, node, after, pair, framework, rtol=2e-3)
