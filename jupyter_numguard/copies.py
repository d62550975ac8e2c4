"""Copies of operands by what the source calls them: a name (`x`), a path (`self.scale`) or an expression (`f(x)`).

What is run on them must name them: a path or an expression that has a copy is written as a stand-in name.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
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

    def renamed(self, node: ast.expr, without: Collection[str] = ()) -> ast.expr:
        """The expression with the stand-in names of what has a copy, the largest part first.

        Args:
            without: Names that hold something else by now: what reads them has no copy.
        """
        return cast(ast.expr, _Rename(self._names, without).visit(node))


class _Rename(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str], without: Collection[str]) -> None:
        self.names = names
        self.without = without

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            name = self.names.get(ast.unparse(node))
            if name is not None and not self._is_stale(node):
                return ast.copy_location(ast.Name(name, ast.Load()), node)
        return self.generic_visit(node)

    def _is_stale(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.without for n in ast.walk(node))
