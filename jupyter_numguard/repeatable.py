"""Whether an expression, written a second time, still stands for the value that it had: no draw, nothing taken or written.

A call of something unknown is trusted here to compute; whether it may be *run* is asked of `purity.py`.
"""

from __future__ import annotations

import ast

from .terms import dotted

_DRAWS = frozenset(
    """
    rand randn randint randperm rand_like randn_like randint_like random random_sample normal uniform bernoulli multinomial
    poisson binomial lognormal truncated_normal standard_normal standard_gamma choice permutation shuffle sample rsample
    gumbel_softmax dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
    """.split()
)
_TAKES = frozenset("next pop popleft popitem read readline readlines input recv get_nowait".split())
_GENERATORS = ("random", "rng")  # `np.random.gamma`, `rng.beta`: of them everything draws


def is_repeatable(node: ast.expr) -> bool:
    """False where the expression draws random numbers, takes something away or writes in place."""
    return not any(
        isinstance(child, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr)
        or (isinstance(child, ast.Call) and _changes(child.func))
        for child in ast.walk(node)
    )


def _changes(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        last = function.attr
    elif isinstance(function, ast.Name):
        last = function.id
    else:
        return False
    owner = (dotted(function) or "").split(".")[:-1]
    is_in_place = last.endswith("_") and not last.endswith("__")
    return is_in_place or last in _DRAWS or last in _TAKES or any(part in _GENERATORS for part in owner)
