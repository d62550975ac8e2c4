"""What a rewrite with a search of its own hands back, and the tools of such a search.

Some cures are no pattern: `where(c, f(x), y)` is cured at `x`, wherever in `f(x)` it stands, also when `f(x)` was computed
in an earlier statement. Such a rewrite finds the place itself and says which two expressions are to be compared.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .matching import Reader
from .model import Framework, SourceStatement
from .spellings import ROOTS
from .terms import OPAQUE, Term, full_name, identity

_MAX_DEPTH = 6

# Methods and functions that only rearrange, pick or copy elements: what comes out was computed by what went in.
_REARRANGING = frozenset(
    """
    flip fliplr flipud view reshape flatten ravel squeeze unsqueeze expand_dims transpose permute swapaxes expand expand_as t
    gather gather_nd diag diagonal index_select masked_select boolean_mask select narrow take take_along_axis take_along_dim
    contiguous clone copy identity convert_to_tensor float double half numpy cpu detach stop_gradient astype cast to item
    float64 float32 asarray
    """.split()
)


Rebuild = Callable[[ast.expr], ast.expr]


@dataclass(frozen=True, slots=True)
class Change:
    """One expression that shall be written differently.

    Attributes:
        home: Position of its statement in the reader's sequence.
        node: The expression; `after` is its new text.
        compared: Two expressions in the user's names, before and after, that are run and must agree. Empty: there is
            no copy to run them on.
        guard: A mask of the elements on which they need not agree, as an expression; empty: none.
        rtol: How closely they must agree; that of the narrower dtype where the change is one of dtype.
        remark: What else is to be said of the run.
        where: Where the values change, if the rewrite's own words (`NEIGHBOURHOOD`) do not say it.
        instead: A statement above, perhaps of a function that called, and its new text: it changes instead of this one.
        rebound: With `instead`: the name that holds another value then, and that value as text.
        wide: The compared expressions take float64 as well: none of them writes down a dtype.
        given: A part of `after` that gets a name in a line above; empty: none.
        covers: The code of other statements that are cured by it, or whose results nothing needs any more.
    """

    home: int
    node: ast.expr
    after: str
    compared: tuple[str, str]
    framework: Framework
    guard: str = ""
    rtol: float = 1e-4
    remark: str = ""
    where: str = ""
    instead: tuple[SourceStatement, str] | None = None
    rebound: tuple[str, str] = ("", "")
    covers: tuple[str, ...] = ()
    given: str = ""
    wide: bool = False


def written_out(reader: Reader, node: ast.AST, home: int, swaps: Mapping[int, ast.expr], depth: int = 0) -> Any:
    """The expression with some nodes replaced, also in what the names stand for that it is made of.

    A name that the failing statement or a later one bound is written out only where it holds one of the nodes.

    Args:
        swaps: id of a node -> what shall stand in its place (the node itself: nothing changes, but it is written out).
    """
    if identity(node) in swaps:
        there = swaps[identity(node)]
        if not hasattr(node, "numguard_original"):
            return there
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and depth < _MAX_DEPTH:
        meant = reader.definition(reader.term(node, home))
        if meant is None or meant.home > reader.failing:
            return node
        holds = any(identity(child) in swaps for child, _ in reached(reader, meant.node, meant.home))
        return written_out(reader, meant.node, meant.home, swaps, depth + 1) if holds else node
    made = type(node)()
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            value = written_out(reader, value, home, swaps, depth)
        elif isinstance(value, list):
            value = [written_out(reader, v, home, swaps, depth) if isinstance(v, ast.AST) else v for v in value]
        setattr(made, name, value)
    return made


def compared(reader: Reader, whole: ast.expr, home: int, part: ast.expr, new: ast.expr) -> tuple[str, str]:
    """An expression as it is and with `part` of it replaced, as two texts in the same names."""
    before, after = (
        ast.unparse(ast.fix_missing_locations(written_out(reader, whole, home, {id(part): there})))
        for there in (part, new)
    )
    return before, after


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


def rearranged(node: ast.expr, aliases: Mapping[str, str]) -> ast.expr | None:
    """What an expression picks or rearranges elements of; None where it computes."""
    if isinstance(node, ast.Subscript):
        return node.value
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in _REARRANGING:
        return None
    name = full_name(node.func, aliases)
    if name is None:
        return node.func.value
    return node.args[0] if name.split(".")[0] in ROOTS and node.args else None


def unwrapped(reader: Reader, term: Term, root: int, depth: int = 0) -> Iterator[tuple[Term, Rebuild]]:
    """What a term picks elements of, nearest first, each with the function that picks the same of something else.

    `p[i].view(-1)` yields `p[i]` and `p`; for the latter the function makes `new[i].view(-1)` of `new`.
    """
    for t in reader.expansions(term):
        inner = rearranged(t.node, reader.aliases) if t.op == OPAQUE and depth < _MAX_DEPTH else None
        if inner is None or not reader.is_stable(t, root):
            continue

        def rebuild(new: ast.expr, whole: ast.expr = t.node, part: ast.expr = inner) -> ast.expr:
            made: ast.expr = _Swap(part, new).visit(whole)
            return made

        found = reader.term(inner, t.home)
        yield found, rebuild
        for deeper, further in unwrapped(reader, found, root, depth + 1):
            yield deeper, lambda new, further=further, rebuild=rebuild: rebuild(further(new))  # type: ignore[misc]


class _Swap(ast.NodeTransformer):
    """A copy of an expression with one of its nodes replaced."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old = old
        self.new = new

    def visit(self, node: ast.AST) -> Any:
        if node is self.old:
            return self.new
        made = type(node)()
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                value = [self.visit(v) if isinstance(v, ast.AST) else v for v in value]
            setattr(made, name, self.visit(value) if isinstance(value, ast.AST) else value)
        return made
