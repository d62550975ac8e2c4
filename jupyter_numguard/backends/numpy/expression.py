"""Which expression of the source an instruction belongs to, the statement around it and the names it touches."""

from __future__ import annotations

import ast
import itertools
import linecache
from dataclasses import dataclass
from types import CodeType

from .evaluate import COMPREHENSIONS

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Expression:
    """The place of one instruction in the syntax tree.

    Attributes:
        path: Nodes from the outermost one of this code object (exclusive the function itself) to `node`.
        node: The guilty expression; an augmented assignment is its own. None where the source does not match the code.
        statement: The innermost statement; of a compound one its header is meant.
        targets: Names that the statement binds and does not read, if plain names are all that it writes.
        reads: Names that the statement reads.
        owner: The function, or at the top level the statement, that holds it all.
    """

    path: tuple[ast.AST, ...]
    node: ast.AST | None
    statement: ast.stmt | None
    targets: frozenset[str]
    reads: frozenset[str]
    owner: ast.AST | None = None

    def reads_later(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names` that statements behind this one read."""
        if self.owner is None or self.statement is None or not names:
            return names
        end = (self.statement.end_lineno or 0, self.statement.end_col_offset or 0)
        return names & _names(
            [x for x in ast.walk(self.owner) if isinstance(x, ast.Name) and _begin(x) > end], ast.Load
        )


def is_top_level(code: CodeType) -> bool:
    """Whether a code object is a module's or a cell's, not a function's (IPython before 9 says "<cell line: 3>")."""
    return code.co_name == "<module>" or code.co_name.startswith("<cell line")


def _begin(node: ast.Name) -> tuple[int, int]:
    return node.lineno, node.col_offset


_NOTHING = Expression((), None, None, frozenset(), frozenset())
_trees: dict[str, tuple[list[str], ast.Module | None]] = {}


def locate(code: CodeType, lasti: int) -> Expression:
    """The expression that the instruction at `lasti` evaluates. Cost: parses a file once, then about 50 µs."""
    tree = _tree(code.co_filename)
    position = next(itertools.islice(code.co_positions(), lasti // 2, None), None)
    if tree is None or position is None:
        return _NOTHING
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return _NOTHING
    path = _path(tree, ((line, column), (end_line, end_column)))
    node = path[-1] if path and _extent(path[-1]) == ((line, column), (end_line, end_column)) else None
    own, owner = _own_part(path, code)
    statement = next((n for n in reversed(own) if isinstance(n, ast.stmt)), None)
    if statement is None:
        statement = next((n for n in reversed(path) if isinstance(n, ast.stmt)), None)
        return Expression(tuple(own), node, statement, frozenset(), _names(path[-1:], ast.Load), owner)
    parts = header(statement)
    reads = _names(parts, ast.Load)
    return Expression(tuple(own), node, statement, _targets(statement) - reads, reads, owner)


def header(statement: ast.stmt) -> list[ast.AST]:
    """The parts of a statement that it evaluates itself: of a compound one all but its blocks."""
    return [
        child
        for name, value in ast.iter_fields(statement)
        if name not in ("body", "orelse", "finalbody", "handlers", "cases")
        for child in (value if isinstance(value, list) else [value])
        if isinstance(child, ast.AST)
    ]


def _tree(filename: str) -> ast.Module | None:
    lines = linecache.getlines(filename)
    known = _trees.get(filename)
    if known is None or known[0] is not lines:
        try:
            tree = ast.parse("".join(lines)) if lines else None
        except (SyntaxError, ValueError):
            tree = None
        if len(_trees) > 256:  # a long session has a file per cell
            _trees.clear()
        known = _trees[filename] = (lines, tree)
    return known[1]


_Extent = tuple[tuple[int, int], tuple[int, int]]


def _extent(node: ast.AST) -> _Extent | None:
    line = getattr(node, "lineno", None)
    return None if line is None else ((line, node.col_offset), (node.end_lineno, node.end_col_offset))  # type: ignore[attr-defined]


def _path(tree: ast.AST, wanted: _Extent) -> list[ast.AST]:
    """The nodes that contain an extent, outermost first."""
    path: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        node = next((c for c in ast.iter_child_nodes(node) if _contains(c, wanted)), None)
        if node is not None:
            path.append(node)
    while path and _extent(path[-1]) is None:  # contexts, operators, argument lists
        path.pop()
    return path


def _contains(node: ast.AST, wanted: _Extent) -> bool:
    extent = _extent(node)
    if extent is None:
        return any(_contains(c, wanted) for c in ast.iter_child_nodes(node))
    for decorator in getattr(node, "decorator_list", ()):
        if _contains(decorator, wanted):
            return True
    return extent[0] <= wanted[0] and wanted[1] <= extent[1]


def _own_part(path: list[ast.AST], code: CodeType) -> tuple[list[ast.AST], ast.AST | None]:
    """The part of the path inside the function, class or comprehension whose code object this is, and that one."""
    if is_top_level(code) or not path:
        return path, path[0] if path else None
    kinds: tuple[type[ast.AST], ...] = _COMPREHENSIONS if code.co_name in COMPREHENSIONS else _FUNCTIONS
    for i in range(len(path) - 1, -1, -1):
        if isinstance(path[i], kinds):
            return (path[i:] if code.co_name in COMPREHENSIONS else path[i + 1 :]), path[i]
    return path, path[0]


def _names(nodes: list[ast.AST], context: type[ast.expr_context]) -> frozenset[str]:
    return frozenset(
        x.id for node in nodes for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, context)
    )


def _targets(statement: ast.stmt) -> frozenset[str]:
    """The names bound by a plain assignment; empty where it writes into anything else as well."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return frozenset()
    if any(not isinstance(x, ast.Name | ast.Tuple | ast.List | ast.expr_context) for t in targets for x in ast.walk(t)):
        return frozenset()
    return _names(list(targets), ast.Store)
