"""Try an expression on the operands that failed: is it finite, and what is it?

For settings that are no rewrite (`zero_infinity=True`): the advice then names the value that was finite.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from .copies import Copies
from .model import Framework
from .numerics import evaluate, unheard
from .purity import BUILTINS, holds_layers, why_not_run

Try = Callable[[str], float | None]
"""The largest magnitude of an expression, if it can be run and is finite; else None."""


def trier(
    samples: Mapping[str, object],
    modules: Mapping[str, object],
    aliases: Mapping[str, str],
    framework: Framework | None,
) -> Try:
    """The run for one finding; arguments as `verify.verifier` takes them."""
    copies = Copies(samples)
    names = {**{k: v for k, v in modules.items() if k in aliases or holds_layers(v)}, **copies.names}

    def attempt(text: str) -> float | None:
        try:
            node = copies.renamed(ast.parse(text, mode="eval").body)
            if framework is None or why_not_run(node, aliases, names) is not None:
                return None
            code = compile(ast.fix_missing_locations(ast.Expression(node)), "<numguard>", "eval")
            with unheard():
                run = evaluate(
                    lambda: eval(code, {"__builtins__": BUILTINS}, dict(names)), (), framework, gradient=False
                )
            return float(abs(run.value).max()) if run.is_finite() and run.value.size else None
        except Exception:  # whatever a framework raises: then nothing is claimed
            return None

    return attempt
