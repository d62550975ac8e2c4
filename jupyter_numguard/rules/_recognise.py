"""What several rules ask: which operation failed, what the source says made its operand, how sure that is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from jupyter_numguard.change import reached
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import LineagePath, Origin, Phase, TensorSummary
from jupyter_numguard.terms import CONSTANT, OPAQUE, Term, parse, targets

# Methods that only rearrange or pick elements: what comes out was computed by what went in.
_REARRANGING = frozenset(
    "view reshape flatten squeeze unsqueeze transpose permute expand gather index_select select take contiguous clone "
    "float double half numpy cpu detach astype to".split()
)
_GRADIENT = re.compile(r"\.grad(?:ient)?\b|\.backward\(|\bjacobian\(")
_MAX_DEPTH = 12


def failing(path: LineagePath, ops: frozenset[str] | set[str], phases: tuple[Phase, ...]) -> Origin | None:
    """The origin, if it is an operation of this list in one of these phases."""
    origin = path.origin
    if origin is None or origin.kind != "op" or origin.op not in ops or origin.phase not in phases:
        return None
    return origin


def certain(origin: Origin, high: float) -> float:
    """`high` for an exact origin, somewhat less for a likely one."""
    return high if origin.confidence == "exact" else round(high * 0.8, 2)


def operand(origin: Origin, position: int) -> TensorSummary | None:
    """The operand at a position; None where there is none."""
    return origin.operands[position] if -len(origin.operands) <= position < len(origin.operands) else None


def producers(path: LineagePath, slot: str = "x") -> tuple[Term, ...]:
    """The operations that made an argument of the failing operation, as the source says, nearest first.

    Followed through names that earlier statements bound, through indexing and rearranging, and through
    `1 - …`, `c * …`.
    """
    reader = Reader(path)
    arguments = (guilty.argument(slot) for guilty in reader.guilty())
    return tuple(made for argument in arguments if argument is not None for made in _made_by(reader, argument, 0))


def _made_by(reader: Reader, term: Term, depth: int) -> Iterator[Term]:
    if depth > _MAX_DEPTH:
        return
    for t in reader.expansions(term):
        if t.op == OPAQUE:
            inner = _rearranged(t.node)
            if inner is not None:
                yield from _made_by(reader, reader.term(inner, t.home), depth + 1)
        elif t.op != CONSTANT:
            yield t
            inside = [a for _, a in t.arguments]
            if t.op in ("add", "sub", "mul", "div", "neg") and sum(a.op != CONSTANT for a in inside) == 1:
                yield from (m for a in inside if a.op != CONSTANT for m in _made_by(reader, a, depth + 1))


def _rearranged(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Subscript):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _REARRANGING:
        return node.func.value
    return None


def is_gradient(path: LineagePath) -> bool:
    """Whether the variable is a gradient, its origin lies in a backward pass, or its value goes on into one."""
    origin = path.origin
    if origin is not None and (origin.phase == "backward" or origin.backward is not None):
        return True
    sources = [path.variable, *(step.code for step in path.steps), *(s.source for s in path.later)]
    return any(_GRADIENT.search(source) for source in sources)


def is_selected(path: LineagePath) -> bool:
    """Whether the failing result goes into `where`, in its own statement or in one that it reaches."""
    reader = Reader(path)
    guilty = {id(t.node) for t in reader.guilty()}
    if not guilty:
        return False
    for home in range(reader.failing, -1, -1):
        for term in reader.terms(home):
            branches = (term.argument(slot) for slot in ("x", "y")) if term.op == "where" else ()
            if any(
                id(node) in guilty for b in branches if b is not None for node, _ in reached(reader, b.node, b.home)
            ):
                return True
    bound = targets(path.statements[0])
    sources = [s.source for s in path.later] + [s.code for s in path.steps]
    return any(_selects(source, bound) for source in sources)


def _selects(source: str, names: frozenset[str]) -> bool:
    parsed = parse(source)
    for statement in parsed.body if parsed is not None else ():
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                arguments = {n.id for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name)}
                if called == "where" and arguments & names:
                    return True
    return False
