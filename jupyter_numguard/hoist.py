"""A name for what a rewrite would otherwise compute again: `logits = model(x)`, put above `p = softmax(logits)`.

Called twice, a model in training drops other units out and counts its batch twice; a draw is another draw. So whatever may do
more than compute is bound to a new name where the user wrote it, and that statement reads the name.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import Any

from .inline import is_made
from .matching import METAVARIABLE, Match, Reader, offsets, text_of
from .model import SourceStatement
from .purity import only_computes
from .repeatable import is_repeatable
from .rewrite import Form
from .terms import Term, parse

# What the operand of an operation is called; of others "operand".
_CALLED = {
    "softmax": "logits", "log_softmax": "logits", "sigmoid": "logits", "exp": "exponent", "expm1": "exponent", "log": "argument",
    "sqrt": "squared", "acos": "cosine",
}  # fmt: skip
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)
# Below these an expression runs as often as they like, or not at all.
_ELSEWHERE = (
    ast.Lambda,
    ast.IfExp,
    ast.BoolOp,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.NamedExpr,
)
_NAME = re.compile(r"[^\W\d]\w*")


class Hoists:
    """The new names of one proposal.

    Attributes:
        given: Each new name with the user's text that it stands for.
    """

    def __init__(self, reader: Reader) -> None:
        self.given: dict[str, str] = {}
        self._reader = reader
        self._places: dict[tuple[int, int, int], str] = {}

    def text(self, metavariable: str, term: Term, form: Form, match: Match, times: int) -> str | None:
        """How the rewritten expression says `term`, which it says `times` times.

        None where it can only be said by computing it again, and that would give another value.
        """
        home = match.root.home
        written = text_of(term, self._reader)
        if times == 0 or (term.home == home and times == 1) or only_computes(term.node, self._reader.aliases):
            return written
        place = self._place(term)
        if place is None:
            return written if is_repeatable(term.node) else None
        if place not in self._places:
            name = self._new(_CALLED.get(_operation(form.pattern, metavariable), "operand"))
            self._places[place] = name
            self.given[name] = written
        return self._places[place]

    def bind(self, home: int, source: str) -> str | None:
        """The text of statement `home`, rewritten to `source` or as it was, below the lines that bind the new names."""
        mine = sorted((start, end, name) for (h, start, end), name in self._places.items() if h == home)
        if any(end > start for (_, end, _), (start, _, _) in pairwise(mine)):
            return None
        pad = source[: len(source) - len(source.lstrip())]
        if source == self._reader.sequence[home].source:
            for start, end, name in reversed(mine):
                source = source[:start] + name + source[end:]
        return "\n".join([*(f"{pad}{name} = {_bracketed(self.given[name])}" for _, _, name in mine), source])

    def named(self, after: str, part: str, home: int) -> str:
        """The expression with a new name for a part of it, which is bound above statement `home`."""
        wanted = ast.dump(ast.parse(part, mode="eval").body)
        name = self._new("exponent")
        self._places[home, 0, 0], self.given[name] = name, part

        class Named(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> Any:
                return ast.Name(name, ast.Load()) if ast.dump(node) == wanted else super().visit(node)

        return ast.unparse(Named().visit(ast.parse(after, mode="eval").body))

    @property
    def homes(self) -> frozenset[int]:
        """The statements above which something is bound."""
        return frozenset(home for home, _, _ in self._places)

    def _place(self, term: Term) -> tuple[int, int, int] | None:
        statement = self._reader.sequence[term.home]
        if statement.execution is None or is_made(term.node) or not _is_run_once(term.node, statement):
            return None
        return term.home, *offsets(term.node, statement)

    def _new(self, wanted: str) -> str:
        path = self._reader.path
        taken = {*path.taken, *self.given}
        for text in (path.source, *(s.source for s in self._reader.sequence)):
            taken.update(_NAME.findall(text))
        name, n = wanted, 1
        while name in taken:
            n += 1
            name = f"{wanted}{n}"
        return name


def _operation(pattern: Term, metavariable: str) -> str:
    """The operation of a pattern that takes the metavariable."""
    for term in pattern.walk():
        for _, argument in term.arguments:
            if argument.op == METAVARIABLE and isinstance(argument.node, ast.Name) and argument.node.id == metavariable:
                return term.op
    return ""


def _is_run_once(node: ast.expr, statement: SourceStatement) -> bool:
    """Whether a simple statement, alone on its lines, evaluates the node once each time it runs."""
    parsed = parse(statement.source)
    if parsed is None or len(parsed.body) != 1 or not isinstance(parsed.body[0], _SIMPLE):
        return False
    return _below(parsed.body[0], node)


def _below(parent: ast.AST, node: ast.expr) -> bool:
    return any(
        child is node or (not isinstance(child, _ELSEWHERE) and _below(child, node))
        for child in ast.iter_child_nodes(parent)
    )


def _bracketed(text: str) -> str:
    return f"({text})" if "\n" in text else text
