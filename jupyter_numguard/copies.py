"""Copies of operands by what the source calls them: a name (`x`), a path (`self.scale`) or an expression (`f(x)`).

What is run on them must name them: a path or an expression that has a copy is written as a stand-in name.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import cast


class Copies:
    """The copies of one finding.

    Attributes:
        names: Every copy by the name that `renamed` gives it.
    """

    def __init__(self, samples: Mapping[str, object]) -> None:
        """Give every copy a name; `samples` is by source text, as `ast.unparse` writes it."""
        self._names = {text: text if text.isidentifier() else f"numguard_copy_{i}" for i, text in enumerate(samples)}
        self.names: dict[str, object] = {self._names[text]: value for text, value in samples.items()}

    def renamed(self, node: ast.expr) -> ast.expr:
        """The expression with the stand-in names of what has a copy, the largest part first."""
        return cast(ast.expr, _Rename(self._names).visit(node))


class _Rename(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            name = self.names.get(ast.unparse(node))
            if name is not None:
                return ast.copy_location(ast.Name(name, ast.Load()), node)
        return self.generic_visit(node)
