"""segment_softmax: Exponentials over their sum per group are Inf/Inf for large scores; the group's largest is taken off first.

As of attention over the edges of a graph: `w = exp(score)`, `total = zeros(n).index_add_(0, dst, w)`, `w / total[dst]`. The
largest of all scores would not do: a group far below it would be 0/0.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_numguard.change import Change, unwrapped
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, Term, expressions, identity, overwriting, targets

FIXES = {"NG203", "NG501"}
NEIGHBOURHOOD = "where the sum overflows"
EXAMPLES = {
    "torch": (
        "y = torch.exp(big) / torch.zeros(2).index_add_(0, at, torch.exp(big))[at]",
        "y = big.exp() / (torch.zeros(2).scatter_add(0, at, big.exp())[at] + 1e-16)",
    )
}
_SUMS = frozenset({"index_add", "index_add_", "scatter_add", "scatter_add_"})
_ZEROS = frozenset({"zeros", "zeros_like", "new_zeros"})


@dataclass(frozen=True, slots=True)
class _Total:
    """The sum per group: `zeros` of what shape, summed by `method` along `dim` at `index`; `pick` picks each element's own."""

    home: int
    method: str
    zeros: ast.expr
    dim: ast.expr
    index: ast.expr
    pick: Callable[[ast.expr], ast.expr]


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The argument of an exponential that is divided by such a sum of itself."""
    for guilty in reader.guilty() if framework == "torch" else ():
        x = guilty.argument("x")
        if guilty.op != "exp" or x is None or overwriting(guilty.node) is not None:
            continue
        for home in range(reader.failing, -1, -1):
            for quotient in reader.terms(home):
                total = _total(reader, quotient, guilty)
                if total is not None and _is_used_so_only(reader, guilty, total, quotient):
                    yield from _shifted(reader, guilty, x, quotient, total)


def _total(reader: Reader, quotient: Term, guilty: Term) -> _Total | None:
    above, below = quotient.argument("x"), quotient.argument("y")
    if quotient.op != "div" or above is None or below is None or not _is_it(reader, above, guilty):
        return None
    epsilon = None
    for seen in reader.expansions(below):
        number = next((t for _, t in seen.arguments if t.op == CONSTANT), None) if seen.op == "add" else None
        if number is not None:
            epsilon = number.node
            below = next((t for _, t in seen.arguments if t is not number), below)
            break
    for inner, rebuild in unwrapped(reader, below, quotient.home):
        for t in reader.expansions(inner):
            found = _sum_in(reader, t, guilty, _with_epsilon(rebuild, epsilon))
            if found is not None:
                return found
    return None


def _with_epsilon(rebuild: Callable[[ast.expr], ast.expr], epsilon: ast.expr | None) -> Callable[[ast.expr], ast.expr]:
    if epsilon is None:
        return rebuild
    return lambda new: ast.BinOp(rebuild(new), ast.Add(), epsilon)


def _sum_in(reader: Reader, t: Term, guilty: Term, pick: Callable[[ast.expr], ast.expr]) -> _Total | None:
    call = t.node
    match call:
        case ast.Call(func=ast.Attribute(value=base, attr=method), args=[dim, index, source], keywords=[]) if (
            method in _SUMS and _is_it(reader, reader.term(source, t.home), guilty)
        ):
            for zeros in reader.expansions(reader.term(base, t.home)):
                name = getattr(getattr(zeros.node, "func", None), "attr", "")
                if name in _ZEROS:
                    return _Total(t.home, method.removesuffix("_"), zeros.node, dim, index, pick)
    return None


def _is_it(reader: Reader, term: Term, guilty: Term) -> bool:
    """Whether a term is the failing exponential, or one that is written just like it in the same statement."""
    return any(
        identity(t.node) == identity(guilty.node) or (t.home == guilty.home and t.op == "exp" and t.key == guilty.key)
        for t in reader.expansions(term)
    )


def _is_used_so_only(reader: Reader, guilty: Term, total: _Total, quotient: Term) -> bool:
    """Whether nothing but the sum and the quotient reads the exponential: it is another number then."""
    home = quotient.home
    names = targets(reader.sequence[guilty.home]) if home != guilty.home else frozenset()
    inside = {id(n) for n in ast.walk(quotient.node)}
    for at in range(guilty.home - 1, -1, -1):
        nodes = {id(n): n for e in expressions(reader.sequence[at]) for n in ast.walk(e)}
        left_out = inside | {id(part) for n in nodes.values() for part in _only_its_shape(n)}
        reads = {
            n.id
            for n in nodes.values()
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in left_out
        }
        if at != total.home and reads & names:
            return False
        if at <= home:
            names -= targets(reader.sequence[at])
    return True


def _only_its_shape(node: ast.AST) -> list[ast.expr]:
    """What an expression asks for its shape and not for its values: e in `e.size(1)`, `index.expand_as(e)`."""
    match node:
        case ast.Attribute(value=value, attr="size" | "shape" | "dtype" | "device" | "ndim"):
            return [value]
        case ast.Call(func=ast.Attribute(attr="expand_as" | "zeros_like"), args=args):
            return list(args)
    return []


def _shifted(reader: Reader, guilty: Term, x: Term, quotient: Term, total: _Total) -> Iterator[Change]:
    same: dict[str, ast.expr] = dict.fromkeys(targets(reader.sequence[guilty.home]), x.node)
    same |= {ast.unparse(guilty.node): x.node}
    zeros, index = _put(total.zeros, same), _put(_before(reader, total, guilty), same)
    origin, score = reader.path.origin, copy.deepcopy(x.node)
    rank = len(origin.operands[0].shape) if origin is not None and origin.operands else 1
    if total.method == "index_add" and rank > 1:
        if rank > 2 or not (isinstance(total.dim, ast.Constant) and total.dim.value == 0):
            return
        index = ast.parse(f"({ast.unparse(index)})[:, None].expand_as({ast.unparse(score)})", mode="eval").body
    largest = _call(zeros, "scatter_reduce", total.dim, index, score, "'amax'", "include_self=False")
    plain = _picked(total.pick, largest)
    if plain is None:
        return
    names = {n.id for n in ast.walk(plain) if isinstance(n, ast.Name)} - reader.aliases.keys()
    if any(names & reader.bound_at(at) for at in range(quotient.home, guilty.home + 1)):
        return
    shifted = ast.BinOp(score, ast.Sub(), plain)
    wide = zeros
    if (
        isinstance(zeros, ast.Call) and getattr(zeros.func, "attr", "") == "zeros"
    ):  # of the scores' dtype, whatever that is
        wide = _call(score, "new_zeros", *zeros.args)
    other = ast.BinOp(score, ast.Sub(), _put(plain, {ast.unparse(zeros): wide}))
    total = dataclasses.replace(total, index=_before(reader, total, guilty))
    compared = tuple(_quotient(tuple(same), argument, wide, total) for argument in (score, other))
    node, after = x.node, ast.unparse(shifted)
    if quotient.home == guilty.home:  # both exponentials stand in it
        node, after = quotient.node, _quotient(tuple(same), shifted, zeros, total)
    below = ast.parse(compared[0], mode="eval").body
    added = below.right if isinstance(below, ast.BinOp) and isinstance(below.right, ast.BinOp) else None
    guard = f"({ast.unparse(added.left)}) * 1e-5 < {ast.unparse(added.right)}" if added is not None else ""
    yield Change(
        guilty.home, node, after, (compared[0], compared[1]), "torch", guard, wide=True,
        where="where the sum overflows, or what was added is more than 1e-5 of it" if guard else "",
    )  # fmt: skip


def _before(reader: Reader, total: _Total, guilty: Term) -> ast.expr:
    """The index as it can be said where the exponential stands: a name that is bound later as what it is bound to."""
    meant = reader.definition(reader.term(total.index, total.home))
    return meant.node if meant is not None and meant.home < guilty.home else total.index


def _quotient(written: tuple[str, ...], argument: ast.expr, zeros: ast.expr, total: _Total) -> str:
    weight = ast.parse(f"({ast.unparse(argument)}).exp()", mode="eval").body
    index = _put(total.index, dict.fromkeys(written, weight))
    return ast.unparse(ast.BinOp(weight, ast.Div(), total.pick(_call(zeros, total.method, total.dim, index, weight))))


def _picked(pick: Callable[[ast.expr], ast.expr], largest: ast.expr) -> ast.expr | None:
    made = pick(largest)
    while isinstance(made, ast.BinOp):  # without what was added to the sum
        made = made.left
    return made


def _call(owner: ast.expr, method: str, *arguments: ast.expr | str) -> ast.expr:
    texts = (a if isinstance(a, str) else ast.unparse(a) for a in arguments)
    return ast.parse(f"({ast.unparse(owner)}).{method}({', '.join(texts)})", mode="eval").body


def _put(node: ast.expr, swaps: Mapping[str, ast.expr]) -> ast.expr:
    """A copy with the parts replaced that are written like a key."""

    class _Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            there = swaps.get(ast.unparse(node)) if isinstance(node, ast.expr) else None
            return copy.deepcopy(there) if there is not None else super().visit(node)

    made: Any = _Put().visit(copy.deepcopy(node))
    return made  # type: ignore[no-any-return]
