"""Products of integers in the user's source that pass the largest number of their dtype: they wrap round."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from . import wording
from .change import rearranged
from .matching import Reader
from .model import TensorSummary
from .terms import OPAQUE, Term

_SIGNED = {"int8": 8, "int16": 16, "int32": 32}
_MAX_DEPTH = 8


def wrapped_product(reader: Reader) -> tuple[Term, TensorSummary, int] | None:
    """(product, factor, largest number of its dtype) of integers that the failing operation's operand is made of.

    The product of the named factor with itself, or with another, passes that number.
    """
    named = {x.variable: x for x in reader.path.named}
    inside = (argument for t in reader.guilty() for _, argument in t.arguments)
    return next((found for a in inside if (found := _wrapped(reader, a, named, 0)) is not None), None)


def _wrapped(
    reader: Reader, term: Term, named: Mapping[str | None, TensorSummary], depth: int
) -> tuple[Term, TensorSummary, int] | None:
    for t in reader.expansions(term):
        factors = [named.get(a.node.id) for _, a in t.arguments if isinstance(a.node, ast.Name)]
        first = next((x for x in factors if x is not None and x.absmax is not None), None)
        bits = _SIGNED.get(wording.dtype_name(first.dtype)) if first is not None else None
        if t.op in ("pow", "mul", "square") and first is not None and bits is not None:
            largest = 2 ** (bits - 1) - 1
            others = [x.absmax or 0.0 for x in factors if x is not None and x is not first]
            if (first.absmax or 0.0) * (others[0] if others else first.absmax or 0.0) > largest:
                return t, first, largest
        inner = rearranged(t.node, reader.aliases) if t.op == OPAQUE else None
        if depth < _MAX_DEPTH:
            for a in [reader.term(inner, t.home)] if inner is not None else [a for _, a in t.arguments]:
                found = _wrapped(reader, a, named, depth + 1)
                if found is not None:
                    return found
    return None
