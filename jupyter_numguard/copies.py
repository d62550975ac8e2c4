"""Copies of operands by what the source calls them: a name (`x`), a path (`self.scale`) or an expression (`f(x)`).

What is run on them must name them: a path or an expression that has a copy is written as a stand-in name, and a call of a
small function of the user's as what it computes.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Mapping
from typing import cast

from .inline import inlined
from .small_functions import FunctionNamed

_MAX_DEPTH = 4  # how many small functions that call one another are written out


class Copies:
    """The copies of one finding.

    Attributes:
        names: Every copy by the name that `renamed` gives it.
    """

    def __init__(self, samples: Mapping[str, object], function_named: FunctionNamed = lambda name: None) -> None:
        """Give every copy a name; `samples` is by source text, as `ast.unparse` writes it."""
        self._function_named = function_named
        self._names = {text: text if text.isidentifier() else f"numguard_copy_{i}" for i, text in enumerate(samples)}
        self.names: dict[str, object] = {self._names[text]: value for text, value in samples.items()}

    def renamed(self, node: ast.expr, without: Collection[str] = ()) -> ast.expr:
        """The expression with the stand-in names of what has a copy, the largest part first.

        Args:
            without: Names that hold something else by now: what reads them has no copy.
        """
        node = copy.deepcopy(node)  # the tree of a statement is kept for whoever reads it next
        return cast(ast.expr, _Rename(self._names, without, self._function_named).visit(node))


class _Rename(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str], without: Collection[str], function_named: FunctionNamed) -> None:
        self.names = names
        self.without = without
        self.function_named = function_named
        self.depth = 0

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            name = self.names.get(ast.unparse(node))
            if name is not None and not self._is_stale(node):
                return ast.copy_location(ast.Name(name, ast.Load()), node)
        written = self._written_out(node)
        if written is None:
            return self.generic_visit(node)
        self.depth += 1
        out = self.visit(written)
        self.depth -= 1
        return out

    def _written_out(self, node: ast.AST) -> ast.expr | None:
        """What a call of a small function computes, in the caller's names."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or self.depth >= _MAX_DEPTH:
            return None
        if node.func.id in self.names or node.func.id in self.without:
            return None
        function = self.function_named(node.func.id)
        return inlined(node, function) if function is not None else None

    def _is_stale(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.without for n in ast.walk(node))
