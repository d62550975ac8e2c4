"""epsilon_of_normalisation: Without eps a constant row is 0/0; with a small one it is 0 and the others hardly change."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, written_out
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import full_name

FIXES = {"NG105"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "normalised over elements that are nearly equal"
EXAMPLES = {
    "torch": ("y = torch.nn.functional.layer_norm(flat, (3,), eps=0.0)",),
    "tensorflow": ("y = tf.nn.batch_normalization(flat, mean, var, None, None, variance_epsilon=0.0)",),
}
_NAMES = frozenset({"eps", "epsilon", "variance_epsilon"})


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The keyword, in the failing statement or where the layer that it calls was made."""
    for home in range(reader.failing, len(reader.sequence)):
        for call in reader.calls(home):
            for keyword in call.keywords:
                value = keyword.value
                if keyword.arg in _NAMES and isinstance(value, ast.Constant) and value.value == 0:
                    yield Change(home, value, "1e-05", _compared(reader, value), framework, rtol=1e-2)


def _compared(reader: Reader, epsilon: ast.Constant) -> tuple[str, str]:
    """The failing call before and after, the layer made anew in it; empty where that cannot be run."""
    for call in reader.calls(reader.failing):
        before, after = (_with_layer(reader, call, {id(epsilon): value}) for value in (epsilon, ast.Constant(1e-5)))
        if before != after:
            return before, after
    return "", ""


def _with_layer(reader: Reader, call: ast.Call, swaps: dict[int, ast.expr]) -> str:
    """The call, with the layer that it calls made in its place; of Keras, whose layers hold state, the formula."""
    made = reader.definition(reader.term(call.func, reader.failing)) if isinstance(call.func, ast.Name) else None
    out: ast.Call = written_out(reader, call, reader.failing, swaps)
    if made is None or not isinstance(made.node, ast.Call):
        return ast.unparse(ast.fix_missing_locations(out))
    layer: ast.Call = written_out(reader, made.node, made.home, swaps)
    tf = reader.spelled("tensorflow")
    if tf is not None and (full_name(layer.func, reader.aliases) or "").endswith("LayerNormalization") and out.args:
        x, eps = ast.unparse(out.args[0]), next(ast.unparse(k.value) for k in layer.keywords if k.arg == "epsilon")
        mean, var = (
            f"{tf}.reduce_mean({x}, axis=-1, keepdims=True)",
            f"{tf}.math.reduce_variance({x}, axis=-1, keepdims=True)",
        )
        return f"{tf}.nn.batch_normalization({x}, {mean}, {var}, None, None, {eps})"
    return ast.unparse(ast.fix_missing_locations(ast.Call(layer, out.args, out.keywords)))
