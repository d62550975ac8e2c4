"""log_density: A density or tail probability underflows to 0 before its logarithm; the distribution has the logarithm itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import Term, full_name

FIXES = {"NG101"}
EXAMPLES = {
    "numpy": (
        "y = np.log(scipy.stats.norm.pdf(big))",
        "y = np.log(scipy.stats.norm.sf(big, scale=2.0))",
        "y = np.log(scipy.stats.poisson.pmf(np.round(1000 * big), mu=2.0))",
    ),
}
_LOGARITHMS = {"pdf": "logpdf", "pmf": "logpmf", "cdf": "logcdf", "sf": "logsf"}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The failing natural logarithm of what a distribution of scipy.stats gives, there or in a statement before."""
    for logarithm in reader.guilty() if framework == "numpy" else ():
        inside = logarithm.argument("x")
        if logarithm.op != "log" or inside is None:
            continue
        for made in reader.expansions(inside):
            after = _logarithm(reader, made) if reader.is_stable(made, logarithm.home) else None
            if after is not None:
                before = ast.unparse(ast.Call(_function(logarithm), [made.node], []))
                yield Change(logarithm.home, logarithm.node, after, (before, after), framework)


def _logarithm(reader: Reader, term: Term) -> str | None:
    """The same call of the method that gives the logarithm; None of every other call."""
    node = term.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    name, method = full_name(node.func, reader.aliases) or "", _LOGARITHMS.get(node.func.attr)
    if method is None or not name.startswith("scipy.stats."):
        return None
    return ast.unparse(ast.Call(ast.Attribute(node.func.value, method, ast.Load()), node.args, node.keywords))


def _function(logarithm: Term) -> ast.expr:
    assert isinstance(logarithm.node, ast.Call)
    return logarithm.node.func
