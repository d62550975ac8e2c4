"""A rewrite that is no cure alone gets the rewrite of what is left beside it: `log(u)` in one function, `log1p(-u)` in another.

The cell is run with the first one and traced; what left the variable non-finite then is looked at like any other origin. Only
a cell that is finite with all of them makes the whole a verified rewrite.
"""

from __future__ import annotations

from collections.abc import Callable

from .edited_cell import InCell
from .model import Edit, RewriteAdvice
from .nonfinite import NonFinite
from .second_run import Repeated

_CURED = "With all of it the cell, run again on copies, is finite."
MAX_FURTHER = 3  # how many rewrites are put beside the first


def completed(
    first: RewriteAdvice, in_cell: InCell, rewrite_for: Callable[[NonFinite, Repeated], RewriteAdvice | None]
) -> RewriteAdvice:
    """The rewrite with those of what it leaves non-finite; itself where they are no cure either.

    Args:
        rewrite_for: The verified rewrite of what an operation left non-finite, None if there is none.
    """
    edits, parts = first.edits, [first]
    for _ in range(MAX_FURTHER):
        remaining = in_cell.remaining(edits)
        further = rewrite_for(*remaining) if remaining is not None else None
        if further is None or not further.edits or any(_overlap(a, b) for a in edits for b in further.edits):
            return first
        is_cured = in_cell.completes(edits, further.edits)
        edits = (*edits, *further.edits)
        parts.append(further)
        if is_cured:
            in_order = sorted(parts, key=lambda part: min((e.execution.count, e.line) for e in part.edits))
            return RewriteAdvice(
                edits=tuple(sorted(edits, key=lambda e: (e.execution.count, e.line), reverse=True)),
                before="\n".join(part.before for part in in_order),
                after="\n".join(part.after for part in in_order),
                verified=True,
                note=" ".join([first.note, *map(_told, parts[1:]), _CURED]),
            )
    return first


def _told(further: RewriteAdvice) -> str:
    lines = sorted({e.line for e in further.edits})
    return f"Line {' and '.join(map(str, lines))} changes as well: {further.note[:1].lower()}{further.note[1:]}"


def _overlap(a: Edit, b: Edit) -> bool:
    return a.execution == b.execution and a.line <= b.end_line and b.line <= a.end_line
