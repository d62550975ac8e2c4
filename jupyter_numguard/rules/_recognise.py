"""What several rules ask: which operation failed, what the source says made its operand, how sure that is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from jupyter_numguard import wording
from jupyter_numguard.change import reached, rearranged
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import LineagePath, Origin, Phase, TensorSummary
from jupyter_numguard.terms import CONSTANT, OPAQUE, Term, parse, targets

_MASK = re.compile(r"(?:^|_)(?:mask|masks|masked|keep|valid|is|has|known|present|observed|active|not)(?:_|$|\d)", re.I)
# Functions that weight the logarithms they are given: name -> where they stand among the arguments.
_WEIGHTING = {"kl_div": 0, "KLDivLoss": 0}
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
            inner = rearranged(t.node, reader.aliases)
            if inner is not None:
                yield from _made_by(reader, reader.term(inner, t.home), depth + 1)
        elif t.op != CONSTANT:
            yield t
            inside = [a for _, a in t.arguments]
            if t.op in ("add", "sub", "mul", "div", "neg") and sum(a.op != CONSTANT for a in inside) == 1:
                yield from (m for a in inside if a.op != CONSTANT for m in _made_by(reader, a, depth + 1))


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


def weights(path: LineagePath) -> Iterator[tuple[Term, Term, Reader]]:
    """(failing operation, the other factor, reader) for every product that the failing result goes into as a factor.

    Through sums of it, its negative, differences, names and rearranging; in its own statement or a later one.
    """
    reader = Reader(path)
    guilty = {id(t.node): t for t in reader.guilty()}
    for home in range(reader.failing, -1, -1):
        for term in reader.terms(home) if guilty else ():
            if term.op != "mul":
                continue
            x, y = term.argument("x"), term.argument("y")
            for factor, other in ((x, y), (y, x)):
                if factor is None or other is None or is_constant(other):
                    continue
                found = next((guilty[id(t.node)] for t in _linear(reader, factor, 0) if id(t.node) in guilty), None)
                if found is not None:
                    yield found, other, reader


def _linear(reader: Reader, term: Term, depth: int) -> Iterator[Term]:
    """What a term is a sum, a multiple or a rearrangement of, itself first."""
    if depth > _MAX_DEPTH:
        return
    for t in reader.expansions(term):
        yield t
        inner = rearranged(t.node, reader.aliases) if t.op == OPAQUE else None
        if inner is not None:
            yield from _linear(reader, reader.term(inner, t.home), depth + 1)
        if t.op in ("neg", "add", "sub", "mul", "sum", "mean"):
            for _, argument in t.arguments:
                if argument.op != CONSTANT:
                    yield from _linear(reader, argument, depth + 1)


def is_constant(term: Term) -> bool:
    """Whether a term is a number that is written there, with its sign."""
    inner = term.argument("x") if term.op == "neg" else term
    return inner is not None and inner.op == CONSTANT


def is_mask(reader: Reader, term: Term) -> bool:
    """Whether a factor is 0 or 1 by its name or by the comparison that made it."""
    for t in reader.expansions(term):
        node: ast.expr | None = t.node
        while node is not None:
            if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert)):
                return True
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if _MASK.search(name):
                return True
            node = rearranged(node, reader.aliases)
    return False


def weighting_call(path: LineagePath) -> str | None:
    """The name of the function in the failing statement or a later one that weights the failing result, if there is one."""
    reader = Reader(path)
    guilty = {id(t.node) for t in reader.guilty()}
    for home in range(reader.failing, -1, -1):
        for call in reader.calls(home):
            function = call.func.func if isinstance(call.func, ast.Call) else call.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            given = call.args[_WEIGHTING[name]] if name in _WEIGHTING and len(call.args) > _WEIGHTING[name] else None
            if given is not None and any(id(node) in guilty for node, _ in reached(reader, given, home)):
                return name
    return None


def reaches(path: LineagePath, ops: set[str], *, through: set[str]) -> bool:
    """Whether the failing result goes into one of these operations, as it is or through operations in `through`."""
    reader = Reader(path)
    guilty = {id(t.node) for t in reader.guilty()}

    def holds(term: Term, depth: int) -> bool:
        return depth < _MAX_DEPTH and any(
            id(t.node) in guilty or (t.op in through and any(holds(a, depth + 1) for _, a in t.arguments))
            for t in reader.expansions(term)
        )

    return any(
        holds(argument, 0)
        for home in range(reader.failing, -1, -1)
        for term in reader.terms(home)
        if term.op in ops or (term.op == "pow" and "sqrt" in ops and _is_half(term.argument("y")))
        for slot, argument in term.arguments
        if slot == "x"
    )


def _is_half(term: Term | None) -> bool:
    return term is not None and term.key == "0.5"


def epsilon_of(reader: Reader) -> ast.keyword | None:
    """`eps=0` as the failing statement writes it, or the statement that made the layer which the failing one calls."""
    for home in range(reader.failing, len(reader.sequence)):
        for call in reader.calls(home):
            for keyword in call.keywords:
                is_epsilon = keyword.arg in ("eps", "epsilon", "variance_epsilon")
                if is_epsilon and isinstance(keyword.value, ast.Constant) and keyword.value.value == 0:
                    return keyword
    return None


def unsigned_difference(path: LineagePath) -> tuple[str, str] | None:
    """(text, dtype) of a difference of two unsigned integers that the failing operation's operand is made of."""
    reader, dtypes = Reader(path), {t.variable: wording.dtype_name(t.dtype) for t in path.named}
    for t in (*producers(path), *producers(path, "y")):
        if t.op != "sub":
            continue
        sides = [dtypes.get(a.node.id) for _, a in t.arguments if isinstance(a.node, ast.Name)]
        if len(sides) == 2 and sides[0] is not None and sides[0] == sides[1] and sides[0].startswith("uint"):
            return reader.text(t), sides[0]
    return None
