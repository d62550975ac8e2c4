"""What a rewrite with a search of its own hands back, and the tools of such a search.

Some cures are no pattern: `where(c, f(x), y)` is cured at `x`, wherever in `f(x)` it stands, also when `f(x)` was computed
in an earlier statement. Such a rewrite finds the place itself and says which two expressions are to be compared.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .matching import Reader
from .model import Framework

_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Change:
    """One expression that shall be written differently.

    Attributes:
        home: Position of its statement in the reader's sequence.
        node: The expression; `after` is its new text.
        compared: Two expressions in the user's names, before and after, that are run and must agree.
    """

    home: int
    node: ast.expr
    after: str
    compared: tuple[str, str]
    framework: Framework


def written_out(reader: Reader, node: ast.AST, home: int, swaps: Mapping[int, ast.expr], depth: int = 0) -> Any:
    """The expression with the names that the failing statement and later ones bound replaced by what they stand for.

    Args:
        swaps: id of a node -> what shall stand in its place.
    """
    if id(node) in swaps:
        return swaps[id(node)]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and depth < _MAX_DEPTH:
        meant = reader.definition(reader.term(node, home))
        if meant is not None and meant.home <= reader.failing:
            return written_out(reader, meant.node, meant.home, swaps, depth + 1)
        return node
    made = type(node)()
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            value = written_out(reader, value, home, swaps, depth)
        elif isinstance(value, list):
            value = [written_out(reader, v, home, swaps, depth) if isinstance(v, ast.AST) else v for v in value]
        setattr(made, name, value)
    return made


def reached(reader: Reader, node: ast.expr, home: int, depth: int = 0) -> Iterator[tuple[ast.expr, int]]:
    """Every expression that `node` is made of, with its statement, through names bound from the failing statement on."""
    for child in ast.walk(node):
        if not isinstance(child, ast.expr):
            continue
        yield child, home
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and depth < _MAX_DEPTH:
            meant = reader.definition(reader.term(child, home))
            if meant is not None and meant.home <= reader.failing:
                yield from reached(reader, meant.node, meant.home, depth + 1)


def is_known_at(reader: Reader, node: ast.expr, home: int, root: int) -> bool:
    """Whether the names of an expression of statement `home` mean the same before the earlier statement `root` runs."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return not any(names & reader.bound_at(between) for between in range(home + 1, root + 1))
