"""Source expressions as canonical terms: `F.softmax(z, dim=-1)`, `z.softmax(-1)` `tf.nn.softmax(z, axis=-1)` are one.

A term is an operation with named arguments, a constant, or an opaque expression of the user. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .model import Framework, LineagePath, SourceStatement
from .spellings import PARAMETER_NAMES, ROOTS, USUAL_ALIASES, functions

OPAQUE = "opaque"
CONSTANT = "constant"
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
}  # fmt: skip


_MAKING = frozenset(
    "zeros ones empty full zeros_like ones_like empty_like full_like new_zeros new_ones new_full clone".split()
)
# Layers that are one operation: class -> operation, the parameters of its constructor, those of its call.
_LAYERS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "torch.nn.Softmax": ("softmax", ("dim",), ("x",)),
    "torch.nn.LogSoftmax": ("log_softmax", ("dim",), ("x",)),
    "torch.nn.Sigmoid": ("sigmoid", (), ("x",)),
    "torch.nn.CrossEntropyLoss": ("cross_entropy", ("weight", "size_average", "ignored"), ("x", "target")),
    "tensorflow.keras.layers.Softmax": ("softmax", ("dim",), ("x",)),
}


@dataclass(frozen=True, slots=True)
class Term:
    """One expression.

    Attributes:
        op: Canonical operation, or OPAQUE, or CONSTANT.
        arguments: Canonical parameter name and term, in the order of the parameters; absent ones are left out.
        node: The user's expression. Its line 1 is the first line of the statement's source.
        home: Position of the statement that holds the node in the sequence that was searched.
        framework: Whose function it is; None for operators and methods.
    """

    op: str
    arguments: tuple[tuple[str, Term], ...]
    node: ast.expr
    home: int
    framework: Framework | None = None

    @property
    def key(self) -> str:
        """Equal for expressions that mean the same, however they are spelled."""
        if self.op == CONSTANT and isinstance(self.node, ast.Constant):
            value = self.node.value
            return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)
        if self.op == OPAQUE:
            return ast.dump(self.node)
        return f"{self.op}({','.join(f'{name}={term.key}' for name, term in self.arguments)})"

    def argument(self, name: str) -> Term | None:
        """The term given for a parameter."""
        return dict(self.arguments).get(name)

    def walk(self) -> Iterator[Term]:
        """This term and all below it, outermost first."""
        yield self
        for _, term in self.arguments:
            yield from term.walk()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement's syntax. `shift` lines were put before it so that indented text parses; node lines include it."""

    body: tuple[ast.stmt, ...]
    shift: int


# An unknown escape in a string makes the parser itself warn; such a statement is declined, so that nothing is shown.
_ODD_ESCAPE = re.compile(r"""\\(?![\n\\'"abfnrtv0-7xNuU])""")


@lru_cache(maxsize=256)
def parse(source: str) -> Parsed | None:
    """The statements on these lines; None where they are not Python (a magic). A header gets a body."""
    if _ODD_ESCAPE.search(source):
        return None
    indented = source[:1] in (" ", "\t")
    head = "if True:\n" if indented else ""
    first = source.splitlines()[0] if source else ""
    pad = first[: len(first) - len(first.lstrip())]
    for tail in ("", f"\n{pad} pass"):
        try:
            body = ast.parse(head + source + tail).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if indented:
            inner = body[0]
            assert isinstance(inner, ast.If)
            body = inner.body
        return Parsed(tuple(body), 1 if indented else 0)
    return None


def dotted(node: ast.expr) -> str | None:
    """ "a.b.c" for plain attribute chains."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def full_name(node: ast.expr, aliases: Mapping[str, str]) -> str | None:
    """The dotted name with the user's alias replaced by what it stands for; None where the root is no alias."""
    name = dotted(node)
    if name is None:
        return None
    root, _, rest = name.partition(".")
    target = aliases.get(root)
    if target is None:
        return None
    return f"{target}.{rest}" if rest else target


def term_of(node: ast.expr, aliases: Mapping[str, str], home: int = 0) -> Term:
    """The canonical term of an expression; what is not understood is opaque."""
    if isinstance(node, ast.Constant):
        return Term(CONSTANT, (), node, home)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        pair = (("x", term_of(node.left, aliases, home)), ("y", term_of(node.right, aliases, home)))
        return Term(_OPERATORS[type(node.op)], pair, node, home)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return Term("neg", (("x", term_of(node.operand, aliases, home)),), node, home)
    if isinstance(node, ast.Call):
        return _call(node, aliases, home) or Term(OPAQUE, (), node, home)
    if isinstance(node, ast.Subscript | ast.Attribute):
        return _largest(node, aliases, home) or Term(OPAQUE, (), node, home)
    return Term(OPAQUE, (), node, home)


def _largest(node: ast.Subscript | ast.Attribute, aliases: Mapping[str, str], home: int) -> Term | None:
    """`z.max(dim=1, keepdim=True)[0]` and `….values`: torch hands back the place of the largest as well."""
    first = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0
    if not first and not (isinstance(node, ast.Attribute) and node.attr == "values"):
        return None
    inner = _call(node.value, aliases, home) if isinstance(node.value, ast.Call) else None
    if inner is None or inner.op != "max" or inner.argument("dim") is None:
        return None
    return Term("max", inner.arguments, node, home, inner.framework)


def _call(node: ast.Call, aliases: Mapping[str, str], home: int) -> Term | None:
    if isinstance(node.func, ast.Call):
        return layer_call(node, (node.func, home), aliases, home)
    name = full_name(node.func, aliases)
    given: list[ast.expr] = list(node.args)
    if name is not None:
        if name.startswith("tensorflow.keras.ops."):
            name = name.removeprefix("tensorflow.")
        spelling = functions().get(name)
    elif isinstance(node.func, ast.Attribute):
        method = node.func.attr
        spelling = functions().get("." + (method[:-1] if is_in_place(method) else method))
        given.insert(0, node.func.value)
    else:
        return None
    if spelling is None or len(given) > len(spelling.parameters) or any(isinstance(a, ast.Starred) for a in given):
        return None
    arguments = dict(zip(spelling.parameters, given, strict=False))
    for keyword in node.keywords:
        slot = PARAMETER_NAMES.get(keyword.arg or "")
        if slot is None or slot in arguments or slot not in spelling.parameters:
            return None
        arguments[slot] = keyword.value
    ordered = [(slot, term_of(arguments[slot], aliases, home)) for slot in spelling.parameters if slot in arguments]
    # keepdim=False and dim=None are what leaving them out means.
    kept = tuple((s, t) for s, t in ordered if not (s in ("keepdim", "dim") and t.key in ("False", "None")))
    if spelling.op == "square":
        return Term("pow", (*kept, ("y", Term(CONSTANT, (), ast.Constant(2), home))), node, home, spelling.framework)
    return Term(spelling.op, kept, node, home, spelling.framework)


def layer_call(node: ast.Call, made: tuple[ast.Call, int], aliases: Mapping[str, str], home: int) -> Term | None:
    """`nn.Softmax(dim=-1)(z)`, or `soft(z)` where `made` is the call that made `soft`, and where it stands."""
    layer, layer_home = made
    name = full_name(layer.func, aliases)
    if name not in _LAYERS or node.keywords or any(k.arg is None for k in layer.keywords):
        return None
    op, parameters, slots = _LAYERS[name]
    given = dict(zip(parameters, layer.args, strict=False))
    given.update((PARAMETER_NAMES.get(k.arg or "", k.arg or ""), k.value) for k in layer.keywords)
    if set(given) - set(parameters) or len(layer.args) > len(parameters) or len(node.args) != len(slots):
        return None
    operands = tuple((slot, term_of(value, aliases, home)) for slot, value in zip(slots, node.args, strict=True))
    constructor = tuple((slot, term_of(value, aliases, layer_home)) for slot, value in given.items())
    return Term(op, (*operands, *constructor), node, home, ROOTS[name.split(".")[0]])


def aliases_of(path: LineagePath) -> dict[str, str]:
    """The user's names of modules and framework functions, or the usual ones."""
    return dict(path.aliases or USUAL_ALIASES)


def expressions(statement: SourceStatement) -> Iterator[ast.expr]:
    """Every expression that the statement's own lines hold, outermost first."""
    parsed = parse(statement.source)
    for stmt in parsed.body if parsed is not None else ():
        for node in ast.walk(stmt):
            if isinstance(node, ast.expr):
                yield node


def targets(statement: SourceStatement) -> frozenset[str]:
    """Root names that the statement binds or may change; what a function does to its own names is its own."""
    names: set[str] = set()
    parsed = parse(statement.source)
    todo: list[ast.AST] = list(parsed.body) if parsed is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            names.update(n.id for n in ast.walk(node.value) if isinstance(n, ast.Name))
        elif isinstance(node, ast.Attribute) and is_in_place(node.attr) and not _is_new(node.value):
            names.update(n.id for n in ast.walk(node.value) if isinstance(n, ast.Name))  # x.exp_()
    return frozenset(names)


def _is_new(node: ast.expr) -> bool:
    """Whether an expression makes memory of its own: `torch.zeros(n)` of `torch.zeros(n).index_add_(…)`."""
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _MAKING


def overwritten(statement: SourceStatement) -> frozenset[str]:
    """Names whose tensors the statement writes over with what it computes of them: `x /= y`, `x.log_()`, `out=x`."""
    names: set[str] = set()
    parsed = parse(statement.source)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if isinstance(node, ast.AugAssign):
            written: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Call):
            written = [k.value for k in node.keywords if k.arg == "out"]
            if isinstance(node.func, ast.Attribute) and is_in_place(node.func.attr):
                written.append(node.func.value)
        else:
            continue
        names.update(n.id for w in written for n in ast.walk(w) if isinstance(n, ast.Name))
    return frozenset(names)


def is_in_place(method: str) -> bool:
    """Whether a method of torch writes over what it is called on: `log_`."""
    return method.endswith("_") and not method.endswith("__")


def overwriting(node: ast.expr) -> ast.Attribute | None:
    """The method of a call that writes over what it is called on; None of any other expression."""
    method = node.func if isinstance(node, ast.Call) else None
    return method if isinstance(method, ast.Attribute) and is_in_place(method.attr) else None


def bound_value(statement: SourceStatement, name: str) -> ast.expr | None:
    """The expression of a plain `name = expression` in the statement, if that is all it does to `name`; of `a, b = x, y` one."""
    parsed = parse(statement.source)
    found: list[ast.expr] = []
    for stmt in parsed.body if parsed is not None else ():
        whole = stmt.value if isinstance(stmt, ast.Assign | ast.AnnAssign) else None
        into = (
            stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target] if isinstance(stmt, ast.AnnAssign) else []
        )
        one = next((v for t in into if whole is not None and (v := _element(t, whole, name)) is not None), None)
        if one is not None:
            found.append(one)
        elif name in {n.id for n in ast.walk(stmt) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}:
            return None
    return found[0] if len(found) == 1 else None


def _element(target: ast.expr, value: ast.expr, name: str) -> ast.expr | None:
    """What the target binds to the name."""
    if isinstance(target, ast.Name):
        return value if target.id == name else None
    if not isinstance(target, ast.Tuple | ast.List) or not isinstance(value, ast.Tuple | ast.List):
        return None
    inner = [*target.elts, *value.elts]
    if len(target.elts) != len(value.elts) or any(isinstance(n, ast.Starred) for n in inner):
        return None
    found = [v for t, v in zip(target.elts, value.elts, strict=True) if isinstance(t, ast.Name) and t.id == name]
    return found[0] if len(found) == 1 else None


def written_over_value(statement: ast.stmt | None, name: str) -> ast.expr | None:
    """What a tensor holds after the statement wrote over it, as an expression: `x.exp()` of `x.exp_()`, `x / y` of `x /= y`."""
    made: ast.expr | None = None
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=method)) as call) if (
            owner == name and is_in_place(method) and not method.startswith(("copy_", "set_"))
        ):
            if (
                method == "fill_diagonal_" and len(call.args) == 1 and not call.keywords
            ):  # the one without a form that copies
                value = ast.unparse(call.args[0])
                made = ast.parse(f"{name}.diagonal_scatter({name}.new_full((len({name}),), {value}))", mode="eval").body
            else:
                function = ast.Attribute(ast.Name(name, ast.Load()), method.removesuffix("_"), ast.Load())
                made = ast.Call(function, call.args, call.keywords)
            made.numguard_original = call  # type: ignore[attr-defined]
        case ast.AugAssign(target=ast.Name(id=owner), op=operator, value=operand) if owner == name:
            made = ast.BinOp(ast.Name(name, ast.Load()), operator, operand)
            made.numguard_original = statement  # type: ignore[attr-defined]
    if made is not None:
        made.numguard_made = True  # type: ignore[attr-defined]
    return made


def identity(node: ast.AST) -> int:
    """The same for a node of the user's and for what `written_over_value` makes of it."""
    return id(getattr(node, "numguard_original", node))


def in_users_words(name: str, aliases: Mapping[str, str]) -> str | None:
    """The shortest way to write a full dotted name; None where none of its modules has a name."""
    ways = [
        alias + name[len(target) :]
        for alias, target in aliases.items()
        if name == target or name.startswith(target + ".")
    ]
    return min(ways, key=lambda way: (len(way), way), default=None)
