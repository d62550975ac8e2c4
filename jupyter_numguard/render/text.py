"""A report as plain text: what a terminal, a log, GitHub or a screen reader of a saved notebook gets.

numguard: loss is NaN since In [14], line 6, step 37
  1 of 1 elements, float32, cuda:0

  In [14], line 6
      logp = torch.log(p)
             ^^^^^^^^^^^^
  origin: log (aten::log) made 3 -Inf of 640 elements, step 37
      p: float32[64, 10], cuda:0; 0 to 1; 3 of 640 are 0
...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jupyter_numguard.model import Diagnosis, Finding, Origin, Report, Step

from .chain import chain_of
from .guilty import guilty_lines, width
from .spelling import clip, code_lines, first_line, label, prose
from .wording import (
    HEADINGS,
    about,
    blind_spots,
    brief_counts,
    comes_from,
    ending,
    fine_steps,
    finite_line,
    further_elements,
    growth,
    has_grown,
    intended_line,
    next_step,
    occurrence,
    operand,
    operands_shown,
    origin_sentence,
    place,
    short_place,
    since,
    step_note,
    verified,
    what,
)

OTHERS_SHOWN = 6
_MARKS = {"nonfinite": "✕", "origin": "●", "finite": "✓", "unknown": "?"}


def render_text(report: Report) -> str:
    """The report as lines of text; one line, plus what could not be seen, where nothing alarms."""
    alarms = report.alarms
    lines = [_opening(report)] if alarms else [finite_line(report)]
    if alarms:
        lines += _indent(_finding(alarms[0], report))
        lines += _others(alarms[1:], alarms[0].origin)
        intended = tuple(f for f in report.findings if f.intended is not None)
        lines += _indent(_section("", [intended_line(intended)] if intended else []))
    extra = [line for line in (*blind_spots(report), ending(report), next_step(report)) if line]
    lines += ["", *_indent(extra)] if alarms and extra else list(_indent(extra))
    return "\n".join(line.rstrip() for line in lines)


def render_lineage_text(
    variable: str, executions: Iterable[int], steps: Iterable[Step], notes: Iterable[str] = ()
) -> str:
    """What `%numguard lineage VARIABLE` prints: the executions that matter, and the steps, newest first."""
    lines = [f"{label(variable)}{comes_from(executions)}"]
    for step in steps:
        at = short_place(step.execution, step.file, step.line)
        lines.append(f"  {_MARKS[step.state]} {at}  {first_line(step.code)}")
        lines.append(f"        {step_note(step)}")
    lines += [f"  {label(note)}" for note in notes]
    return "\n".join(lines)


def _opening(report: Report) -> str:
    first = report.alarms[0]
    return f"numguard: {what(first)} {since(first, report)}"


def _finding(finding: Finding, report: Report) -> Iterator[str]:
    yield about(finding)
    if finding.aliases:
        yield f"also known as {_names(finding.aliases)}"
    if finding.more:
        yield further_elements(finding)
    if finding.origin is not None:
        yield from _origin(finding.origin, report)
    if finding.history is not None and has_grown(finding.history):
        yield from _section("", [growth(finding.history)])
    if len(finding.lineage) > 1:
        yield from _section(HEADINGS["chain"], _chain(finding))
    for diagnosis in finding.diagnoses[:3]:
        yield from _diagnosis(diagnosis)


def _names(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(label(n) for n in names[:4]) + rest


def _origin(origin: Origin, report: Report) -> Iterator[str]:
    inside = f", in {label(origin.function)}()" if origin.function else ""
    body = list(_marked(report, origin))
    yield from _section(place(origin.execution, origin.file, origin.line) + inside, body)
    yield ", ".join(filter(None, [f"origin: {origin_sentence(origin)}", occurrence(origin)]))
    yield from _indent(map(operand, operands_shown(origin)), 4)
    for frame in origin.called_from:
        yield f"called from {place(frame.execution, frame.file, frame.line)}: {first_line(frame.code)}"


def _marked(report: Report, origin: Origin) -> Iterator[str]:
    for line, start, end in guilty_lines(report, origin):
        yield line
        if end > start:
            yield " " * width(line[:start]) + "^" * width(line[start:end])


def _chain(finding: Finding) -> Iterator[str]:
    chain = chain_of(finding)
    for i, row in enumerate(chain.rows):
        yield f"{_MARKS[row.mark]} {row.place}  {row.code}"
        # What happened at the origin stands above the chain already.
        yield from _indent(("origin", *row.notes[1:]) if row.mark == "origin" else row.notes, 6)
        if row.mark != "origin" and i + 1 < len(chain.rows) and chain.rows[i + 1].mark == "origin" and chain.skipped:
            yield f"  … {chain.skipped} more"
    if chain.folded:
        yield f"  … {fine_steps(list(chain.folded))}"


def _diagnosis(diagnosis: Diagnosis) -> Iterator[str]:
    head = f"{HEADINGS['why']}: {label(diagnosis.category_name)} ({label(diagnosis.category)}),"
    body = [prose(diagnosis.evidence), prose(diagnosis.advice)]
    yield from _section(f"{head} {label(diagnosis.rule)} {label(diagnosis.rule_name)}", [t for t in body if t])
    rewrite = diagnosis.rewrite
    if rewrite is not None:
        diff = [f"- {line}" for line in code_lines(rewrite.before)] + [
            f"+ {line}" for line in code_lines(rewrite.after)
        ]
        yield from _section(HEADINGS["rewrite"], [*diff, verified(rewrite)])


def _others(findings: tuple[Finding, ...], origin: Origin | None) -> list[str]:
    """The other non-finite variables, folded: a few by name, those with an origin of their own with its place."""
    if not findings:
        return []
    lines = []
    for finding in findings[:OTHERS_SHOWN]:
        own = finding.origin
        at = (
            f", origin {place(own.execution, own.file, own.line)}" if own is not None and not _same(own, origin) else ""
        )
        lines.append(f"{label(finding.variable)}: {brief_counts(finding.counts)}{at}")
    names = [label(f.variable) for f in findings[OTHERS_SHOWN:]]
    if names:
        lines.append(clip(f"and {len(names)} more: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}", 400))
    return ["", *_indent([HEADINGS["now"] + " too"]), *_indent(lines, 6)]


def _same(one: Origin, other: Origin | None) -> bool:
    return other is not None and (one.execution, one.file, one.line, one.op) == (
        other.execution, other.file, other.line, other.op,
    )  # fmt: skip


def _section(head: str, body: Iterable[str]) -> Iterator[str]:
    body = list(body)
    if body:
        yield ""
        if head:
            yield head
        yield from _indent(body, 4 if head else 0)


def _indent(lines: Iterable[str], by: int = 2) -> list[str]:
    return [" " * by + line if line else "" for line in lines]
