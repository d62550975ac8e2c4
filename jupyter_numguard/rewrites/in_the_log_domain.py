"""in_the_log_domain: The logarithm of products, quotients and sums of exponentials is made of the exponents themselves.

A density before its logarithm, a risk set, one positive pair among many: the exponentials become 0 or Inf long before the
logarithm of the whole does. `log` goes inwards: a product becomes a sum, a sum a logsumexp, `exp` disappears. What else is in
the formula must be positive; where it is not, the rewrite is not finite, and not shown.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from jupyter_numguard.change import Change, rearranged, unwrapped, written_out
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, OPAQUE, Term

FIXES = {"NG101", "NG203", "NG205", "NG206", "NG304", "NG401", "NG501", "NG502"}
GENERAL = True
EXAMPLES = {
    "torch": (
        "y = torch.log(torch.exp(-big * b) / b)",
        "y = torch.log(torch.exp(big) / (torch.exp(big) + b.exp().sum()))",
        "y = torch.log(torch.cumsum(torch.exp(big), dim=0))",
        "y = torch.log(torch.cumsum(torch.exp(big).flip(0), dim=0)).flip(0)",
    ),
    "tensorflow": ("y = tf.math.log(tf.exp(big) / (tf.exp(big) + tf.reduce_sum(tf.exp(big))))",),
    "numpy": (
        "y = np.log(0.001 ** (big / 2) * 0.5)",
        "y = np.log(np.exp(-0.5 * big ** 2) / np.sqrt(2 * np.pi))",
        "y = np.log(np.cumsum(np.exp(big)[::-1])[::-1])",
    ),
}  # fmt: skip
# operation -> how each framework says it of logarithms; {0}, {1}: them, {along}: the axis as the user gave it
_SPELLED: dict[Framework, dict[str, str]] = {
    "torch": {
        "log": "{torch.log}({0})", "add": "{torch.logaddexp}({0}, {1})", "sum": "{torch.logsumexp}({0}{along})",
        "prod": "{torch.sum}({0}{along})", "cumsum": "{torch.logcumsumexp}({0}{along})",
        "cumprod": "{torch.cumsum}({0}{along})",
    },
    "tensorflow": {
        "log": "{tensorflow.math.log}({0})", "add": "({0} + {tensorflow.math.softplus}({1} - {0}))",
        "sum": "{tensorflow.reduce_logsumexp}({0}{along})", "prod": "{tensorflow.reduce_sum}({0}{along})",
        "cumsum": "{tensorflow.math.cumulative_logsumexp}({0}{along})", "cumprod": "{tensorflow.cumsum}({0}{along})",
    },
    "numpy": {
        "log": "{numpy.log}({0})", "add": "{numpy.logaddexp}({0}, {1})", "sum": "{numpy.logaddexp.reduce}({0}{along})",
        "prod": "{numpy.sum}({0}{along})", "cumsum": "{numpy.logaddexp.accumulate}({0}{along})",
        "cumprod": "{numpy.cumsum}({0}{along})",
    },
}  # fmt: skip
_BOTH = {"mul": "({0} + {1})", "div": "({0} - {1})"}
_REDUCING = frozenset({"sum", "prod", "cumsum", "cumprod", "pow", "sqrt"})
_MAX_DEPTH = 12


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The logarithm of such a formula, where the logarithm or an exponential in it failed."""
    guilty = {id(t.node) for t in reader.guilty()}
    for home in range(reader.failing, -1, -1):
        for logarithm in reader.terms(home):
            inside = logarithm.argument("x")
            if logarithm.op != "log" or inside is None or logarithm.framework not in (None, framework):
                continue
            domain = _LogDomain(reader, framework, home)
            text = domain.log(inside, 0) if domain.holds_exp(inside, 0) else None
            bad = next((t for t in (logarithm, *domain.used) if id(t.node) in guilty), None)
            if text is not None and bad is not None:
                after = ast.unparse(ast.parse(text, mode="eval"))
                before = ast.unparse(written_out(reader, logarithm.node, home, {id(bad.node): bad.node}))
                yield Change(home, logarithm.node, after, (before, after), framework)


class _LogDomain:
    """Writes logarithms of terms for statement `home`; `used` are the operations that they went through."""

    def __init__(self, reader: Reader, framework: Framework, home: int) -> None:
        self.reader = reader
        self.framework: Framework = framework
        self.home = home
        self.used: list[Term] = []

    def holds_exp(self, term: Term, depth: int) -> bool:
        """Whether an exponential is behind products, quotients, sums and rearranging."""
        return depth < _MAX_DEPTH and any(
            _is_exponential(t) or any(self.holds_exp(i, depth + 1) for i in self._inside(t))
            for t in self.reader.expansions(term)
        )

    def _inside(self, term: Term) -> list[Term]:
        if term.op == OPAQUE:
            inner = rearranged(term.node, self.reader.aliases)
            return [self.reader.term(inner, term.home)] if inner is not None else []
        if term.op in _BOTH or term.op == "add":
            return [t for slot, t in term.arguments if slot in ("x", "y")]
        return [t for slot, t in term.arguments if slot == "x"] if term.op in _REDUCING else []

    def log(self, term: Term, depth: int) -> str | None:
        """The logarithm of a term as text; None where it cannot be said here."""
        if not self.holds_exp(term, 0):
            return self._plain(term)
        for t in self.reader.expansions(term) if depth < _MAX_DEPTH else ():
            if _is_exponential(t) or any(self.holds_exp(i, depth) for i in self._inside(t)):
                self.used.append(t)
                return self._rearranged(t, depth) if t.op == OPAQUE else self._of(t, depth)
        return None

    def _of(self, term: Term, depth: int) -> str | None:
        x, y = term.argument("x"), term.argument("y")
        if x is None or term.op == "log":
            return None
        if term.op == "exp":
            return f"({self.reader.text(x)})" if self.reader.is_stable(x, self.home) else None
        inner = self.log(x, depth + 1)
        if inner is None:
            return None
        if term.op == "sqrt":
            return f"(0.5 * {inner})"
        if term.op == "pow":
            return (
                f"(({self.reader.text(y)}) * {inner})"
                if y is not None and self.reader.is_stable(y, self.home)
                else None
            )
        if y is None:
            return self._spelled(term.op, inner, along=self._along(term))
        other = self.log(y, depth + 1)
        if other is None:
            return None
        return _BOTH[term.op].format(inner, other) if term.op in _BOTH else self._sum(inner, other, x, y)

    def _sum(self, a: str, b: str, x: Term, y: Term) -> str | None:
        if self.framework == "torch" and CONSTANT in (x.op, y.op):  # torch adds tensors only
            full = self.reader.spelled("torch.full_like")
            number, tensor = (a, b) if x.op == CONSTANT else (b, a)
            return self._spelled("add", tensor, f"{full}({tensor}, {number})") if full is not None else None
        return self._spelled("add", a, b)

    def _rearranged(self, term: Term, depth: int) -> str | None:
        for inner, rebuild in unwrapped(self.reader, term, self.home):
            text = self.log(inner, depth + 1)
            return ast.unparse(rebuild(ast.parse(text, mode="eval").body)) if text is not None else None
        return None

    def _plain(self, term: Term) -> str | None:
        if term.op == CONSTANT:
            value = getattr(term.node, "value", None)
            return repr(math.log(value)) if isinstance(value, (int, float)) and value > 0 else None
        return self._spelled("log", self.reader.text(term)) if self.reader.is_stable(term, self.home) else None

    def _along(self, term: Term) -> str | None:
        """The axis and `keepdim` in the words of the framework, with a comma before; None where they cannot be said."""
        given = dict(term.arguments)
        if set(given) - {"x", "dim", "keepdim"} or not all(self.reader.is_stable(t, self.home) for t in given.values()):
            return None
        dim, keeps = ("dim", "keepdim") if self.framework == "torch" else ("axis", "keepdims")
        words = {"dim": dim, "keepdim": keeps}
        if "dim" not in given and self.framework != "tensorflow" and term.op == "sum":
            given["dim"] = Term(OPAQUE, (), ast.Constant(None), self.home)
        texts = (
            f", {words[s]}={'None' if isinstance(t.node, ast.Constant) and t.node.value is None else self.reader.text(t)}"
            for s, t in given.items()
            if s != "x"
        )
        return "".join(texts)

    def _spelled(self, op: str, *parts: str, along: str | None = "") -> str | None:
        form = _SPELLED[self.framework].get(op)
        if form is None or along is None:
            return None
        if self.framework == "torch" and op == "sum" and ", dim=None" in along:
            parts, along = (f"({parts[0]}).flatten()",), along.replace("dim=None", "dim=0")
        name = form[form.index("{") + 1 : form.index("}")] if form.startswith("{") and not form.startswith("{0") else ""
        if self.framework == "tensorflow" and op == "add":
            name = "tensorflow.math.softplus"
        function = self.reader.spelled(name)
        if function is None:
            return None
        text = form.replace("{" + name + "}", function).replace("{along}", along)
        for i, part in enumerate(parts):
            text = text.replace("{" + str(i) + "}", part)
        return text


def _is_exponential(term: Term) -> bool:
    """Whether a term is one: `exp(x)`, or a base to an exponent that is no plain number."""
    exponent = term.argument("y") if term.op == "pow" else None
    return term.op == "exp" or (exponent is not None and exponent.op not in (CONSTANT, "neg"))
