"""What the statements after a rewritten one make of its result, on the copies: is there a second fault behind the first?

Only plain assignments, augmented ones and `return`, and only what `purity.py` knows; what cannot be run is left out, and so
is what needs it. An Inf on the way may be meant (a mask): it counts in the last statement only, a NaN always.

A statement that was rewritten as well must be run, be finite, and agree with the original wherever that is finite.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .copies import Copies
from .model import Framework, SourceStatement
from .numerics import array, is_tensor
from .purity import why_not_run
from .terms import is_in_place, overwritten, parse, written_over_value

_RTOL = 1e-4
Evaluate = Callable[[ast.expr, Mapping[str, object]], Any]


class UnprovenError(Exception):
    """A later statement that was rewritten as well could not be run, or gives another value; the text says which."""


class BrokenError(Exception):
    """A later statement ran on the original's value and raises on the rewritten one: of another dtype, say."""


def second_fault(
    original: str,
    first: str,
    later: Sequence[SourceStatement],
    copies: Copies,
    names: Mapping[str, object],
    aliases: Mapping[str, str],
    framework: Framework,
    evaluate: Evaluate,
    rewritten: Mapping[SourceStatement, str],
    rebound: Mapping[str, object],
) -> SourceStatement | None:
    """The first later statement whose value is not finite although the rewritten one's is; None if none is known.

    Args:
        original, first: The statement as it was and rewritten; what it binds is computed first.
        later: The statements after it, oldest first.
        names: Copies, modules and layers by name.
        rewritten: Later statements with their new texts.
        rebound: Names that hold another value than the copy: what makes them is rewritten too.

    Raises:
        UnprovenError: One of these does not hold.
        BrokenError: A later statement would raise, and did not.
    """
    known, bound = {**names, **rebound}, set(rebound)
    theirs: dict[str, object] = dict(names)  # the same names as the user's own program would have them
    if not set(rewritten) <= set(later):
        raise UnprovenError("a second changed line does not come after the first")
    last: tuple[SourceStatement, bool] | None = None
    made: list[SourceStatement] = []  # those that made an Inf of finite numbers: a mask, or the second fault
    for statement in (None, *later):
        new = rewritten.get(statement) if statement is not None else None
        parsed = parse(first if statement is None else statement.source if new is None else new)
        step = _step(parsed.body[0]) if parsed is not None and len(parsed.body) == 1 else None
        if step is None:
            if new is not None or (statement is None and rewritten):
                raise UnprovenError("a second changed line is not run")
            if statement is None:
                return None
            gone = {n.id for s in (parsed.body if parsed else ()) for n in ast.walk(s) if _is_store(n)}  # type: ignore[attr-defined]
            gone |= overwritten(statement)
            known = {name: value for name, value in known.items() if name not in gone}
            theirs = {name: value for name, value in theirs.items() if name not in gone}
            bound |= gone
            continue
        target, expression = step
        node = copies.renamed(expression, without=bound)
        reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        value = None
        old = _evaluated(original if statement is None else statement.source, copies, bound, theirs, aliases, evaluate)
        if why_not_run(node, aliases, known) is None:
            try:
                value = evaluate(node, known)
            except Exception as error:
                if old is None:
                    raise
                raise BrokenError(
                    f"then `{(statement.source if statement else first).strip()}` raises {type(error).__name__}"
                ) from None
        elif new is not None or (statement is None and rewritten):
            raise UnprovenError(f"of a second changed line, {why_not_run(node, aliases, known)}")
        elif statement is None:
            return None
        if statement is not None and new is not None:
            _agrees(statement, value, copies, bound, known, framework, evaluate)
        if value is not None and statement is not None and is_tensor(value, framework):
            nan, inf = _holds(value, framework)
            given = [known[name] for name in reads & known.keys() if is_tensor(known[name], framework)]
            is_written = re.search(r"\binf\b", statement.source, re.IGNORECASE)  # a mask
            if (nan or inf) and not is_written and not any(any(_holds(x, framework)) for x in given):
                made.append(statement)
            if reads & bound or new is not None:
                if inf and new is not None:
                    return statement
                if nan:
                    return (*made, statement)[0]
                last = statement, inf
        if target is not None:
            bound.add(target)
            for world, held_there in ((known, value), (theirs, old)):
                world.pop(target, None)
                if held_there is not None:
                    world[target] = held_there
    return (*made, last[0])[0] if last is not None and last[1] else None


def computed(
    between: Sequence[SourceStatement],
    copies: Copies,
    names: Mapping[str, object],
    aliases: Mapping[str, str],
    evaluate: Evaluate,
) -> dict[str, object]:
    """What plain statements bind, of names that have no copy: a mask that is made after the line that failed."""
    out: dict[str, object] = {}
    for statement in between:
        parsed = parse(statement.source)
        step = _step(parsed.body[0]) if parsed is not None and len(parsed.body) == 1 else None
        target = step[0] if step is not None else None
        if step is None or target is None or (target in names and target not in out):
            continue
        node, known = copies.renamed(step[1]), {**names, **out}
        out.pop(target, None)
        if why_not_run(node, aliases, known) is None:
            try:
                out[target] = evaluate(node, known)
            except Exception:  # the copies do not fit: it has none
                continue
    return out


def _holds(value: Any, framework: Framework) -> tuple[bool, bool]:
    """Whether a tensor holds a NaN, an Inf."""
    held = array(value, framework)
    return bool((held != held).any()), bool((abs(held) == float("inf")).any())


def _evaluated(
    source: str,
    copies: Copies,
    bound: set[str],
    known: Mapping[str, object],
    aliases: Mapping[str, str],
    evaluate: Evaluate,
) -> Any:
    """The value of a plain statement; None where it cannot be run."""
    parsed = parse(source)
    step = _step(parsed.body[0]) if parsed is not None and len(parsed.body) == 1 else None
    node = copies.renamed(step[1], without=bound) if step is not None else None
    if node is None or why_not_run(node, aliases, known) is not None:
        return None
    try:
        return evaluate(node, known)
    except Exception:  # so did the user's own
        return None


def _agrees(
    statement: SourceStatement,
    value: Any,
    copies: Copies,
    bound: set[str],
    known: Mapping[str, object],
    framework: Framework,
    evaluate: Evaluate,
) -> None:
    """The rewritten statement's value is the original's wherever that is finite.

    Raises:
        UnprovenError: It is not.
    """
    import numpy

    parsed = parse(statement.source)
    step = _step(parsed.body[0]) if parsed is not None and len(parsed.body) == 1 else None
    assert step is not None  # as it is of the new text
    held = array(value, framework)
    theirs = array(evaluate(copies.renamed(step[1], without=bound), known), framework)
    free = numpy.isfinite(theirs) if theirs.shape == held.shape else None
    if free is None or not numpy.allclose(held[free], theirs[free], rtol=_RTOL):
        raise UnprovenError("a second changed line gives another value where the original is finite")


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
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if is_in_place(method):
            held = written_over_value(node, name)
            return (name, held) if held is not None else None
        case ast.Return(value=ast.expr() as value) | ast.Expr(value=value):
            return None, value
    return None


def _is_store(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
