"""wider_operands: float16 ends at 65504 and at 6e-8; the same operation on float32 copies of its operands does not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, written_out
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, Term, full_name

FIXES = {"NG501", "NG502"}
GENERAL = True  # a formula that stays in float16 comes first
EXAMPLES = {
    "torch": ("y = h @ h", "y = h**2", "y = torch.square(h)", "y = h * h", "y = torch.mm(h, h.T)"),
    "tensorflow": ("y = tf.matmul(h, h, transpose_b=True)", "y = tf.square(h)"),
    "numpy": ("y = np.exp(e)", "y = h @ h", "y = h**2", "y = h * h"),
}
_TRANSPARENT = frozenset({"add", "sub", "mul", "neg", "div", "pow", "sqrt", "abs"})


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The failing expression, with every tensor that goes into it widened."""
    cast = reader.spelled(f"{framework}.cast") if framework == "tensorflow" else None
    float32 = reader.spelled(f"{framework}.float32")
    if (framework == "tensorflow" and cast is None) or (framework != "torch" and float32 is None):
        return

    def widened(text: str, node: ast.expr) -> str:
        if framework == "tensorflow":
            return f"{cast}({text}, {float32})"
        whole = text if isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.Attribute) else f"({text})"
        return f"{whole}.float()" if framework == "torch" else f"{whole}.astype({float32})"

    yield from _linear_layer(reader)
    numbers = dict(reader.path.numbers)  # `self.eps` is no tensor
    for whole, found in _operations(reader):
        leaves = [node for node in found if ast.unparse(node) not in numbers]
        swaps = {id(node): ast.parse(widened(ast.unparse(node), node), mode="eval").body for node in leaves}
        swaps |= {id(node): number for node in leaves if (number := _narrow_number(reader, node)) is not None}
        if swaps:
            after = ast.unparse(ast.fix_missing_locations(written_out(reader, whole, reader.failing, swaps)))
            yield Change(reader.failing, whole, after, (ast.unparse(whole), after), framework, rtol=2e-3)
            if framework == "torch":  # a layer, or a product with another tensor of float16, takes no float32
                narrow = f"({after}).to({widened(ast.unparse(leaves[0]), leaves[0]).removesuffix('.float()')}.dtype)"
                yield Change(reader.failing, whole, narrow, (ast.unparse(whole), narrow), framework, rtol=2e-3)


def _linear_layer(reader: Reader) -> Iterator[Change]:
    """A call of `nn.Linear`: its product on wider copies of its input and its parameters, which stay as they are."""
    call, linear = reader.failing_call(), reader.spelled("torch.nn.functional.linear")
    made = reader.maker(call.func, reader.failing) if call is not None else None
    while made is not None and isinstance(made.func, ast.Attribute) and isinstance(made.func.value, ast.Call):
        made = made.func.value  # `nn.Linear(4, 3).half()`
    if call is None or made is None or full_name(made.func, reader.aliases) != "torch.nn.Linear" or linear is None:
        return
    if len(call.args) != 1 or call.keywords or _feeds_a_layer(reader):
        return
    layer, given = ast.unparse(call.func), ast.unparse(call.args[0])
    whole = given if isinstance(call.args[0], ast.Name | ast.Call | ast.Attribute | ast.Subscript) else f"({given})"
    has_bias = len(made.args) < 3 and all(k.arg != "bias" for k in made.keywords)
    bias = f", {layer}.bias.float()" if has_bias else ""
    after = f"{linear}({whole}.float(), {layer}.weight.float(){bias})"
    if has_bias or any(
        k.arg == "bias" and isinstance(k.value, ast.Constant) and k.value.value is False for k in made.keywords
    ):
        yield Change(reader.failing, call, after, (ast.unparse(call), after), "torch", rtol=2e-3)


def _feeds_a_layer(reader: Reader) -> bool:
    """Whether a later statement calls what may be a layer (`down(h)`, `self.down(h)`): float16 as well, it takes no float32."""
    later = [c.func for home in range(reader.failing) for c in reader.calls(home)]
    return any(
        (isinstance(f, ast.Name) and full_name(f, reader.aliases) is None)
        or (isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "self")
        for f in later
    )


def _operations(reader: Reader) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """The failing expression and the tensors in it; a call that is not understood has its positional arguments."""
    for guilty in reader.guilty():
        yield guilty.node, [t.node for t in _leaves(guilty)]
    call = reader.failing_call()
    if call is not None and full_name(call.func, reader.aliases) is not None:
        yield call, [a for a in call.args if not isinstance(a, ast.Constant)]


def _leaves(term: Term) -> Iterator[Term]:
    """The tensors that an operation is computed from, through arithmetic written in the same expression."""
    for slot, argument in term.arguments:
        if slot not in ("x", "y") or argument.op == CONSTANT:
            continue
        if argument.op in _TRANSPARENT:
            yield from _leaves(argument)
        else:
            yield argument


def _narrow_number(reader: Reader, node: ast.expr) -> ast.expr | None:
    """The number in `np.float16(1e-8)`, which is 0 in float16."""
    if isinstance(node, ast.Call) and full_name(node.func, reader.aliases) in ("numpy.float16", "numpy.half"):
        return node.args[0] if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) else None
    return None
