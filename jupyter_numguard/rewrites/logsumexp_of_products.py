"""logsumexp_of_products: `log(sum(w * exp(x) / s))` is the logsumexp of `x + log(w) - log(s)`: no exponential is left.

A mixture's likelihood, a contrastive loss with a mask: the densities become 0 or Inf long before their logarithms do. The
factors must not be negative; where one is, the rewrite is not finite, and not shown.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_numguard.change import Change, unwrapped, written_out
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, OPAQUE, Term

FIXES = {"NG101", "NG203", "NG206", "NG304", "NG501", "NG502"}
EXAMPLES = {
    "torch": (
        "y = torch.log((b * torch.exp(x)).sum(1))",
        "y = torch.log((torch.exp(x)[:, None] * torch.exp(b)[None]).sum(1))",
        "y = torch.log((torch.exp(x) / b).sum(-1, keepdim=True))",
        "y = torch.log(torch.sum(b * torch.exp(-x) / (2 * b)))",
    ),
    "tensorflow": ("y = tf.math.log(tf.reduce_sum(b * tf.exp(x), axis=1))",),
    "numpy": ("y = np.log(np.sum(big * np.exp(x) / big, axis=0))", "y = np.log((np.exp(x) * big).sum())"),
}
# framework -> (log, function, name of the axis, name of what keeps it)
_SPELLED = {
    "torch": ("torch.log", "torch.logsumexp", "dim", "keepdim"),
    "tensorflow": ("tensorflow.math.log", "tensorflow.reduce_logsumexp", "axis", "keepdims"),
    "numpy": ("numpy.log", "numpy.logaddexp.reduce", "axis", "keepdims"),
}
_MAX_DEPTH = 8


@dataclass
class _Product:
    """Factors of a product: exponents of its exponentials, and the others, above and below the line."""

    exponents: list[tuple[bool, Term]] = field(default_factory=list)
    above: list[Term] = field(default_factory=list)
    below: list[Term] = field(default_factory=list)
    used: list[Term] = field(default_factory=list)

    def take(self, reader: Reader, term: Term, inverse: bool, depth: int = 0) -> None:
        """Add the factors of a term, through names."""
        for t in reader.expansions(term) if depth < _MAX_DEPTH else ():
            x, y = t.argument("x"), t.argument("y")
            if t.op == "exp" and x is not None:
                self.used.append(t)
                self.exponents.append((inverse, x))
                return
            picked = _picked_exponent(reader, t)
            if picked is not None:
                self.used.append(picked[0])
                self.exponents.append((inverse, picked[1]))
                return
            if t.op in ("mul", "div") and x is not None and y is not None and _holds_exp(reader, t, depth):
                self.used.append(t)
                self.take(reader, x, inverse, depth + 1)
                self.take(reader, y, inverse != (t.op == "div"), depth + 1)
                return
        (self.below if inverse else self.above).append(term)


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The logarithm of a sum of such products, where the logarithm or an exponential in it failed."""
    guilty = {id(t.node) for t in reader.guilty()}
    for home in range(reader.failing, -1, -1):
        for logarithm in reader.terms(home):
            if logarithm.op != "log" or (inside := logarithm.argument("x")) is None:
                continue
            total = next((t for t in reader.expansions(inside) if t.op == "sum"), None)
            factors = total.argument("x") if total is not None else None
            if total is None or factors is None or not {s for s, _ in total.arguments} <= {"x", "dim", "keepdim"}:
                continue
            product = _Product()
            product.take(reader, factors, inverse=False)
            parts = [*(t for _, t in product.exponents), *product.above, *product.below]
            used = [logarithm, *product.used]
            bad = next((t for t in used if id(t.node) in guilty), None)
            if bad is None or not product.exponents or len(parts) < 2:
                continue
            if not all(reader.is_stable(t, home) for t in (*parts, total)):
                continue
            after = _written(reader, product, total, framework)
            if after is not None:
                before = ast.unparse(written_out(reader, logarithm.node, home, {id(bad.node): bad.node}))
                yield Change(home, logarithm.node, after, (before, after), framework)


def _picked_exponent(reader: Reader, term: Term) -> tuple[Term, Term] | None:
    """`exp(x)[:, None]` as (`exp(x)`, `x[:, None]`): what rearranges elements may be done before."""
    for inner, rebuild in unwrapped(reader, term, term.home):
        x = inner.argument("x")
        if inner.op == "exp" and x is not None:
            made = rebuild(x.node)
            for child in ast.walk(made):
                child.numguard_made = True  # type: ignore[attr-defined]
            return inner, Term(OPAQUE, (), ast.fix_missing_locations(made), term.home)
    return None


def _holds_exp(reader: Reader, term: Term, depth: int) -> bool:
    """Whether a product has an exponential among its factors."""
    return depth < _MAX_DEPTH and any(
        t.op == "exp"
        or _picked_exponent(reader, t) is not None
        or (t.op in ("mul", "div") and any(_holds_exp(reader, a, depth + 1) for _, a in t.arguments))
        for t in reader.expansions(term)
    )


def _written(reader: Reader, product: _Product, total: Term, framework: Framework) -> str | None:
    log, function, axis, keeps = _SPELLED[framework]
    spelled_log, spelled = reader.spelled(log), reader.spelled(function)
    if spelled_log is None or spelled is None:
        return None
    exponent = "".join(f" {'-' if negative else '+'} ({reader.text(t)})" for negative, t in product.exponents)
    text = exponent.removeprefix(" + ").strip()
    for sign, factors in (("+", product.above), ("-", product.below)):
        numbers = [_number(t) for t in factors if t.op == CONSTANT]
        if not all(n > 0 for n in numbers):
            return None
        if numbers:
            text += f" {sign} {math.log(math.prod(numbers))!r}"
        others = " * ".join(f"({reader.text(t)})" for t in factors if t.op != CONSTANT)
        if others:
            text += f" {sign} {spelled_log}({others})"
    dim, keep = total.argument("dim"), total.argument("keepdim")
    along = f"{axis}={reader.text(dim)}" if dim is not None else ""
    if dim is None and framework == "torch":
        text, along = f"({text}).flatten()", "dim=0"
    elif dim is None and framework == "numpy":
        along = "axis=None"
    given = [text, along, f"{keeps}={reader.text(keep)}" if keep is not None else ""]
    return ast.unparse(ast.parse(f"{spelled}({', '.join(g for g in given if g)})", mode="eval"))


def _number(term: Term) -> float:
    """The number that a term is; 0 of any other constant."""
    value = getattr(term.node, "value", None)
    return float(value) if isinstance(value, (int, float)) else 0.0
