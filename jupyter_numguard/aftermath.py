"""What the statements after a rewritten one make of its result, on the copies: is there a second fault behind the first?

Only plain assignments, augmented ones and `return`, and only what `purity.py` knows; what cannot be run is left out, and so
is what needs it. An Inf on the way may be meant (a mask): it counts in the last statement only, a NaN always.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .copies import Copies
from .model import Framework, SourceStatement
from .numerics import array, is_tensor
from .purity import why_not_run
from .terms import parse

Evaluate = Callable[[ast.expr, Mapping[str, object]], Any]


def second_fault(
    first: str,
    later: Sequence[SourceStatement],
    copies: Copies,
    names: Mapping[str, object],
    aliases: Mapping[str, str],
    framework: Framework,
    evaluate: Evaluate,
) -> SourceStatement | None:
    """The first later statement whose value is not finite although the rewritten one's is; None if none is known.

    Args:
        first: The rewritten statement; what it binds is computed first.
        later: The statements after it, oldest first.
        names: Copies, modules and layers by name.
    """
    known, bound = dict(names), set[str]()
    last: tuple[SourceStatement, bool] | None = None
    for statement in (None, *later):
        parsed = parse(first if statement is None else statement.source)
        step = _step(parsed.body[0]) if parsed is not None and len(parsed.body) == 1 else None
        if step is None:
            if statement is None:
                return None
            gone = {n.id for s in (parsed.body if parsed else ()) for n in ast.walk(s) if _is_store(n)}  # type: ignore[attr-defined]
            known = {name: value for name, value in known.items() if name not in gone}
            bound |= gone
            continue
        target, expression = step
        node = copies.renamed(expression, without=bound)
        reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        value = None
        if why_not_run(node, aliases, known) is None:
            value = evaluate(node, known)
        elif statement is None:
            return None
        if value is not None and statement is not None and reads & bound and is_tensor(value, framework):
            held = array(value, framework)
            nan, inf = bool((held != held).any()), bool((abs(held) == float("inf")).any())
            if nan:
                return statement
            last = statement, inf
        if target is not None:
            bound.add(target)
            known.pop(target, None)
            if value is not None:
                known[target] = value
    return last[0] if last is not None and last[1] else None


def _step(node: ast.stmt) -> tuple[str | None, ast.expr] | None:
    """(the name that is bound, the expression); None of any other statement."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            return name, value
        case ast.AugAssign(target=ast.Name(id=name), op=operator, value=value):
            return name, ast.copy_location(ast.BinOp(ast.Name(name, ast.Load()), operator, value), node)
        case ast.Return(value=ast.expr() as value) | ast.Expr(value=value):
            return None, value
    return None


def _is_store(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
