"""The same program in other clothes: names, statements, spellings and cells changed by its syntax tree, the meaning kept.

`variants(cells)` yields (name of the change, cells). A change that leaves the text as it was is left out.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence

_NAMES = "alpha beta gamma delta epsilon zeta theta iota kappa lamb omega sigma tau upsilon phi chi psi".split()
_AS_METHOD = {"torch": {"log", "exp", "sum", "softmax", "sigmoid", "sqrt", "abs", "pow", "matmul"}}
_AS_FUNCTION = {"sum", "mean", "exp", "log", "abs", "sqrt", "pow", "clamp", "sigmoid", "softmax"}
_OPERATORS: dict[str, dict[type[ast.operator], str]] = {
    "torch": {ast.Div: "div", ast.Mult: "mul", ast.Sub: "sub", ast.Add: "add"},
    "np": {ast.Div: "divide", ast.Mult: "multiply", ast.Sub: "subtract"},
    "tf": {ast.Div: "divide", ast.Mult: "multiply"},
}


def variants(cells: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """All changes, in three sets that do not undo one another."""
    seen = {tuple(_text(ast.parse(c)) for c in cells)}
    changes: dict[str, Callable[[list[str]], list[str]]] = {
        "methods-split-apart": lambda cells: apart(split(methods(cells))),
        "joined-merged": lambda cells: ["\n".join(joined(cells))],
        "respelled-renamed": lambda cells: renamed(respelled(cells)),
    }
    for name, change in changes.items():
        made = change([_text(ast.parse(c)) for c in cells])
        if tuple(made) not in seen:
            seen.add(tuple(made))
            yield name, made


def _text(tree: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(tree))


def bound(tree: ast.AST) -> set[str]:
    """Names that the program binds itself, without imports."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def renamed(cells: list[str]) -> list[str]:
    """Every variable has another name."""
    names = sorted(set().union(*(bound(ast.parse(c)) for c in cells)))
    new = dict(zip(names, _NAMES, strict=False))
    trees = [ast.parse(c) for c in cells]
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = new.get(node.id, node.id)
    return [_text(t) for t in trees]


def new_name(cells: list[str], variable: str) -> str:
    """What `renamed` calls a variable."""
    names = sorted(set().union(*(bound(ast.parse(c)) for c in cells)))
    return dict(zip(names, _NAMES, strict=False))[variable]


class _Split(ast.NodeTransformer):
    """Gives every operation inside an assigned expression a statement of its own."""

    def __init__(self) -> None:
        self.count = 0
        self.before: list[ast.stmt] = []

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        self.before = []
        for field, value in ast.iter_fields(node.value):
            if isinstance(value, list):
                setattr(node.value, field, [self._out(v) if isinstance(v, ast.expr) else v for v in value])
            elif isinstance(value, ast.Attribute) and isinstance(node.value, ast.Call):
                value.value = self._out(value.value)
            elif isinstance(value, ast.expr):
                setattr(node.value, field, self._out(value))
        return [*self.before, node]

    def _out(self, node: ast.expr) -> ast.expr:
        has_names = any(isinstance(n, ast.Name) for n in ast.walk(node))
        if not has_names or not isinstance(node, ast.Call | ast.BinOp):
            return node
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, field, [self._out(v) if isinstance(v, ast.expr) else v for v in value])
            elif isinstance(value, ast.Attribute) and isinstance(node, ast.Call):
                value.value = self._out(value.value)
            elif isinstance(value, ast.expr):
                setattr(node, field, self._out(value))
        self.count += 1
        name = f"part{self.count}"
        self.before.append(ast.Assign([ast.Name(name, ast.Store())], node))
        return ast.Name(name, ast.Load())


def split(cells: list[str]) -> list[str]:
    """One operation per statement."""
    splitter = _Split()
    return [*cells[:1], *(_text(splitter.visit(ast.parse(c))) for c in cells[1:])]


def joined(cells: list[str]) -> list[str]:
    """A variable that is bound once and only read in the statements right after it stands there in full."""
    out = cells[:1]
    for cell in cells[1:]:
        tree = ast.parse(cell)
        for first in list(tree.body):
            names = [t.id for t in getattr(first, "targets", []) if isinstance(t, ast.Name)]
            rest = tree.body[tree.body.index(first) + 1 :]
            if (
                not isinstance(first, ast.Assign)
                or len(names) != 1
                or not rest
                or names[0] in bound(ast.Module(rest, []))
            ):
                continue
            uses = [n for s in rest for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == names[0]]
            attributes = [
                n.value for s in rest for n in ast.walk(s)
                if isinstance(n, ast.Attribute) and n.attr in ("grad", "backward", "requires_grad")
            ]  # fmt: skip
            if not uses or any(u in attributes for u in uses) or len(tree.body) < 2:
                continue
            value = first.value

            class Put(ast.NodeTransformer):
                def visit_Name(self, node: ast.Name, uses: list[ast.Name] = uses, value: ast.expr = value) -> ast.expr:
                    return copy.deepcopy(value) if node in uses else node

            tree.body = [s if s is first else Put().visit(s) for s in tree.body if s is not first]
        out.append(_text(tree))
    return out


class _Respell(ast.NodeTransformer):
    """Methods become functions, operators become calls."""

    def __init__(self, module: str) -> None:
        self.module = module

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        f = node.func
        if isinstance(f, ast.Attribute) and f.attr in _AS_FUNCTION and not _is_module(f.value) and self.module != "tf":
            own = ast.Attribute(ast.Name(self.module, ast.Load()), f.attr, ast.Load())
            return ast.Call(own, [f.value, *node.args], node.keywords)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = _OPERATORS[self.module].get(type(node.op))
        if (
            name is None
            or isinstance(node.left, ast.Constant)
            or (self.module == "tf" and isinstance(node.op, ast.Div))
        ):
            return node
        function = ast.Attribute(ast.Name(self.module, ast.Load()), name, ast.Load())
        return ast.Call(function, [node.left, node.right], [])


class _Methods(ast.NodeTransformer):
    """Functions become methods, where the framework has them."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        f = node.func
        if not isinstance(f, ast.Attribute) or not isinstance(f.value, ast.Name) or not node.args:
            return node
        if f.attr not in _AS_METHOD.get(f.value.id, ()):
            return node
        return ast.Call(ast.Attribute(node.args[0], f.attr, ast.Load()), node.args[1:], node.keywords)


def _is_module(node: ast.expr) -> bool:
    return ast.unparse(node).split(".")[0] in ("torch", "np", "tf", "F", "nn")


def module_of(cells: Sequence[str]) -> str:
    """The name of the framework that the program uses."""
    text = "\n".join(cells)
    return next(m for m in ("torch", "tf", "np") if f"{m}." in text)


def respelled(cells: list[str]) -> list[str]:
    """Functions for methods and operators."""
    respell = _Respell(module_of(cells))
    return [*cells[:1], *(_text(respell.visit(ast.parse(c))) for c in cells[1:])]


def methods(cells: list[str]) -> list[str]:
    """Methods for functions."""
    return [*cells[:1], *(_text(_Methods().visit(ast.parse(c))) for c in cells[1:])]


def apart(cells: list[str]) -> list[str]:
    """Every top-level statement in a cell of its own, inputs together; a gradient stays with the formula that it is of."""
    if any("grad" in c for c in cells):
        return cells
    return [*cells[:1], *(_text(s) for c in cells[1:] for s in ast.parse(c).body)]
