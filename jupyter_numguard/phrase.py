"""Write a rewrite's `after` expression in the user's names, and put it into the user's statement."""

from __future__ import annotations

import ast
from collections import Counter

from .hoist import Hoists
from .matching import Match, Reader, offsets
from .model import SourceStatement
from .rewrite import MODULES, Form
from .terms import full_name, in_users_words, parse

_ATOMS = (ast.Constant, ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Tuple)


def render(form: Form, match: Match, reader: Reader, hoists: Hoists) -> str | None:
    """The `after` expression with the user's names.

    None where a module that it needs has no name in the notebook, it would compute again what is another value then, or it asks
    a number for what only a tensor has.
    """
    used = Counter(n.id for n in ast.walk(form.result) if isinstance(n, ast.Name))
    texts: dict[str, tuple[str, ast.expr]] = {}
    for metavariable, term in match.bindings.items():
        name = metavariable.removeprefix("optional_")
        text = hoists.text(metavariable, term, form, match, used[name])
        if text is None:
            return None
        texts[name] = text, ast.Name(text) if text in hoists.given else term.node
    try:
        tree = _Fill(form, texts, reader).visit(ast.parse(ast.unparse(form.result), mode="eval").body)
    except KeyError:
        return None
    return ast.unparse(tree)


class _Fill(ast.NodeTransformer):
    """Puts the user's own text where the metavariables stand; `ast.unparse` writes a name's id as it is."""

    def __init__(self, form: Form, texts: dict[str, tuple[str, ast.expr]], reader: Reader) -> None:
        self.form = form
        self.texts = texts
        self.aliases = reader.aliases
        self.numbers = dict(reader.path.numbers)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = full_name(node, {self.form.module: MODULES[self.form.framework], "scipy": "scipy"})
        if name is not None:
            spelled = in_users_words(name, self.aliases)
            if spelled is None:
                raise KeyError(name)
            return ast.Name(spelled, ast.Load())
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in self.texts
            and self._is_number(*self.texts[node.value.id])
        ):
            raise KeyError(node.attr)  # a tensor's attribute: a Python number has no `dtype` and no `float()`
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if not self._is_absent(k.value)]
        node.func = self.visit(node.func)
        # Between the commas of a call the user's text needs no brackets.
        node.args = [self._bare(a) for a in node.args if not self._is_absent(a)]
        for keyword in node.keywords:
            keyword.value = self._bare(keyword.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.texts:
            return node
        text, written = self.texts[node.id]
        return ast.Name(text if isinstance(written, _ATOMS) else f"({text})", ast.Load())

    def _is_number(self, text: str, written: ast.expr) -> bool:
        operand = written.operand if isinstance(written, ast.UnaryOp) else written
        return isinstance(operand, ast.Constant) or text in self.numbers

    def _bare(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name) and node.id in self.texts:
            return ast.Name(self.texts[node.id][0], ast.Load())
        filled: ast.expr = self.visit(node)
        return filled

    def _is_absent(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.form.optional and node.id not in self.texts


def bracketed(after: str, replaced: ast.expr, statement: SourceStatement) -> str:
    """Brackets around an operator that comes into another expression."""
    start, end = offsets(replaced, statement)
    is_inside = statement.source[:start].endswith("(") and statement.source[end:].startswith(")")
    if is_inside or isinstance(ast.parse(f"({after})", mode="eval").body, _ATOMS):
        return after
    parsed = parse(statement.source)
    for stmt in parsed.body if parsed is not None else ():
        for parent in ast.walk(stmt):
            if replaced in ast.iter_child_nodes(parent):
                calls = isinstance(parent, ast.keyword) or (
                    isinstance(parent, ast.Call) and replaced is not parent.func
                )
                return after if calls or isinstance(parent, ast.stmt) else f"({after})"
    return f"({after})"
