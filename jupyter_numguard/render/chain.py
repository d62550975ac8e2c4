"""The lineage of a finding as rows of a chain, newest first: the origin marked, the finite end folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jupyter_numguard.model import Finding, Origin, Step

from .spelling import first_line
from .wording import occurrence, origin_sentence, short_place, step_note

SHOWN_AFTER_ORIGIN = 3  # finite ancestors that are shown before the rest is folded
SHOWN_BEFORE_ORIGIN = 12  # a NaN passes through long chains; the newest steps are kept

Mark = Literal["nonfinite", "origin", "finite", "unknown"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the chain; `notes` are sentences below the statement."""

    mark: Mark
    code: str
    place: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Rows to show, how many were left out between the variable and the origin, and the folded finite ancestors."""

    rows: tuple[Row, ...]
    skipped: int
    folded: tuple[Step, ...]


def chain_of(finding: Finding) -> Chain:
    """The chain of a finding; the origin is a row of its own where the lineage does not hold its line."""
    steps, origin = list(finding.lineage), finding.origin
    at = _position(steps, origin)
    before, rest = steps[:at], steps[at:]
    skipped = max(0, len(before) - SHOWN_BEFORE_ORIGIN)
    rows = [row_of(s) for s in before[: len(before) - skipped]]
    if origin is not None:
        own = [rest.pop(0)] if rest and _same_line(rest[0], origin) else []
        notes = [_origin_note(origin), *(step_note(s) for s in own)]
        code = first_line(own[0].code if own and not origin.code else origin.code)
        rows.append(Row("origin", code, short_place(origin.execution, origin.file, origin.line), tuple(notes)))
    rows += [row_of(s) for s in rest[:SHOWN_AFTER_ORIGIN]]
    return Chain(tuple(rows), skipped, tuple(rest[SHOWN_AFTER_ORIGIN:]))


def _position(steps: list[Step], origin: Origin | None) -> int:
    """Where the origin belongs: at the oldest non-finite step of its line, else behind the oldest non-finite step."""
    if origin is not None:
        own = [i for i, s in enumerate(steps) if s.state == "nonfinite" and _same_line(s, origin)]
        if own:
            return own[-1]
    return max((i + 1 for i, s in enumerate(steps) if s.state == "nonfinite"), default=0)


def _same_line(step: Step, origin: Origin) -> bool:
    return (step.execution, step.file, step.line) == (origin.execution, origin.file, origin.line)


def _origin_note(origin: Origin) -> str:
    return ", ".join(filter(None, [f"origin: {origin_sentence(origin)}", occurrence(origin)]))


def row_of(step: Step) -> Row:
    """One step as a row."""
    return Row(step.state, first_line(step.code), short_place(step.execution, step.file, step.line), (step_note(step),))
