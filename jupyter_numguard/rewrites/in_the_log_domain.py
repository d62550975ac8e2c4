"""in_the_log_domain: The logarithm of products, quotients and sums of exponentials is made of the exponents themselves.

A density before its logarithm, a risk set, one positive pair among many: the exponentials become 0 or Inf long before the
logarithm of the whole does. `log` goes inwards: a product becomes a sum, a sum a logsumexp, `exp` disappears. What else is in
the formula must be positive; where it is not, the rewrite is not finite, and not shown.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

from jupyter_numguard.change import Change, rearranged, unwrapped, written_out
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, OPAQUE, Term, expressions, identity, overwritten

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
_JOINING = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
_MAX_DEPTH = 12
_SHORT = 12  # characters: what is written twice without a name


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
            bad = next((t for t in (logarithm, *domain.used) if identity(t.node) in guilty), None)
            if text is not None and bad is not None:
                after = ast.unparse(ast.parse(text, mode="eval"))
                before = written_out(reader, logarithm.node, home, {identity(bad.node): bad.node})
                for name in overwritten(reader.sequence[reader.failing]):  # its copy is gone: what it was made of
                    was = reader.said(Term(OPAQUE, (), ast.Name(name, ast.Load()), reader.failing), home)
                    before = (
                        _put(before, {ast.dump(ast.Name(name, ast.Load())): was.node}) if was is not None else before
                    )
                covers = tuple(reader.sequence[at].source.strip() for at in _no_longer_needed(reader, domain, home))
                yield Change(
                    home, logarithm.node, after, (ast.unparse(before), after), framework, covers=covers,
                    given=_said_twice(after, domain.said),
                )  # fmt: skip


def _said_twice(text: str, said: list[str]) -> str:
    """The longest expression of the user's that the text holds twice: it gets a name."""
    dumps = [ast.dump(node) for node in ast.walk(ast.parse(text, mode="eval"))]
    often = [s for s in said if len(s) > _SHORT and dumps.count(ast.dump(ast.parse(s, mode="eval").body)) > 1]
    return max(often, key=len, default="")


def _put(node: ast.expr, swaps: dict[str, ast.expr]) -> ast.expr:
    """A copy of an expression with all parts replaced that are written like a key."""

    class _Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            there = swaps.get(ast.dump(node))
            return there if there is not None else super().visit(node)

    made: Any = _Put().visit(ast.parse(ast.unparse(node), mode="eval").body)
    return made  # type: ignore[no-any-return]


def _no_longer_needed(reader: Reader, domain: _LogDomain, home: int) -> set[int]:
    """The statements of what the logarithm went through whose results nothing else reads."""
    passed = {t.home for t in domain.used}
    others = [at for at in range(reader.failing) if at not in passed and at != home]
    read = {
        n.id for at in others for e in expressions(reader.sequence[at]) for n in ast.walk(e) if isinstance(n, ast.Name)
    }
    return {at for at in passed if at != home and not reader.bound_at(at) & read}


class _LogDomain:
    """Writes logarithms of terms for statement `home`; `used` are the operations that they went through,
    `said` the exponents as they are said there."""

    def __init__(self, reader: Reader, framework: Framework, home: int) -> None:
        self.reader = reader
        self.framework: Framework = framework
        self.home = home
        self.used: list[Term] = []
        self.said: list[str] = []

    def holds_exp(self, term: Term, depth: int) -> bool:
        """Whether an exponential is behind products, quotients, sums and rearranging."""
        return depth < _MAX_DEPTH and any(
            _is_exponential(t) or any(self.holds_exp(i, depth + 1) for i in self._inside(t))
            for t in self.reader.expansions(term)
        )

    def _inside(self, term: Term) -> list[Term]:
        if _is_moved(term):
            inner = rearranged(term.node, self.reader.aliases)
            parts = [inner] if inner is not None else _joined(term.node) or [m[0] for m in (_masked(term.node),) if m]
            return [self.reader.term(part, term.home) for part in parts]
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
                return self._rearranged(t, depth) if _is_moved(t) else self._of(t, depth)
        return None

    def _of(self, term: Term, depth: int) -> str | None:
        x, y = term.argument("x"), term.argument("y")
        if x is None or term.op == "log":
            return None
        if term.op == "exp":
            said = self.reader.said(x, self.home)
            self.said += [ast.unparse(said.node)] if said is not None else []
            return self._said(x, "({})")
        inner = self.log(x, depth + 1)
        if inner is None:
            return None
        if term.op == "sqrt":
            return f"(0.5 * {inner})"
        if term.op == "pow":
            return self._said(y, f"(({{}}) * {inner})") if y is not None else None
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
        parts = [self.log(self.reader.term(part, term.home), depth + 1) for part in _joined(term.node)]
        if parts and all(part is not None for part in parts):
            assert isinstance(term.node, ast.Call)
            listed = ast.parse(f"[{', '.join(str(part) for part in parts)}]", mode="eval").body
            return ast.unparse(ast.Call(term.node.func, [listed, *term.node.args[1:]], term.node.keywords))
        masked = _masked(term.node)
        if masked is None or self.framework != "torch":
            return None
        values, where = masked
        text = self.log(self.reader.term(values, term.home), depth + 1)
        eye, boolean = self.reader.spelled("torch.eye"), self.reader.spelled("torch.bool")
        if where is None:
            mask = f"{eye}(len({text}), dtype={boolean})" if eye is not None and boolean is not None else None
        else:
            mask = self._said(self.reader.term(where, term.home), "{}")
        return None if text is None or mask is None else f"({text}).masked_fill({mask}, float('-inf'))"

    def _plain(self, term: Term) -> str | None:
        if term.op == CONSTANT:
            value = getattr(term.node, "value", None)
            return repr(math.log(value)) if isinstance(value, (int, float)) and value > 0 else None
        text = self._said(term, "{}")
        return self._spelled("log", text) if text is not None else None

    def _said(self, term: Term, form: str) -> str | None:
        """The form with the term's text in it; None where it means something else by now and cannot be said."""
        said = self.reader.said(term, self.home)
        if said is None:
            return None
        return form.format(self.reader.text(said))

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


def _is_moved(term: Term) -> bool:
    """Whether elements are picked, joined or masked, and none is computed."""
    return term.op == OPAQUE or _masked(term.node) is not None


def _joined(node: ast.expr) -> list[ast.expr]:
    """What a call joins to one tensor: of `torch.cat([a, b], dim=0)`, a and b."""
    if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") not in _JOINING or not node.args:
        return []
    return list(node.args[0].elts) if isinstance(node.args[0], ast.List | ast.Tuple) else []


def _masked(node: ast.expr) -> tuple[ast.expr, ast.expr | None] | None:
    """(values, mask) of what puts zeros into a tensor: `e.masked_fill(m, 0)`; without a mask it puts them on the diagonal."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=values, attr="masked_fill"), args=[mask, ast.Constant(value=0)], keywords=[]
        ):
            return values, mask
        case ast.Call(
            func=ast.Attribute(value=values, attr="diagonal_scatter"),
            args=[ast.Call(func=ast.Attribute(attr="new_full"), args=[_, ast.Constant(value=0)])],
        ):
            return values, None
    return None


def _is_exponential(term: Term) -> bool:
    """Whether a term is one: `exp(x)`, or a base to an exponent that is no plain number."""
    exponent = term.argument("y") if term.op == "pow" else None
    return term.op == "exp" or (exponent is not None and exponent.op not in (CONSTANT, "neg"))
