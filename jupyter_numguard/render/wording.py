"""Every sentence that a report says, once; text and HTML put them in order and decorate them.

Sentence case, no exclamation, the user's own names, counts with their kind. `static/panel.js` says the same sentences;
`tests/browser` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_numguard.model import (
    Counts,
    ExecutionRef,
    Finding,
    History,
    Origin,
    Report,
    RewriteAdvice,
    Step,
    TensorSummary,
)

from .spelling import amount, duration, index, label, listed, many, memory, number, prose, tensor

HEADINGS = {
    "now": "Non-finite now",
    "chain": "How it got there",
    "why": "Why",
    "rewrite": "Write instead",
    "operands": "What it was given",
}

_EVENTS = {
    "bound": "",
    "mutated": "changed in place",
    "read": "read here",
    "introduced": "came in",
    "external": "outside",
}
_MEASURED = {"at_op": "", "after": "measured after the operation", "sample": "measured on a sample"}


def kinds(counts: Counts | TensorSummary) -> list[tuple[int, str]]:
    """How many of which kind, the kinds that occur only: [(3, "-Inf")]."""
    pairs = ((counts.nan, "NaN"), (counts.posinf, "+Inf"), (counts.neginf, "-Inf"))
    return [(n, kind) for n, kind in pairs if n]


def kind_names(counts: Counts | TensorSummary) -> str:
    """"NaN", "NaN and -Inf"; "non-finite" where nothing was counted."""  # fmt: skip
    return listed([kind for _, kind in kinds(counts)]) or "non-finite"


def what(finding: Finding) -> str:
    """"loss is NaN", "probs holds NaN and -Inf"; a local says of which function."""  # fmt: skip
    name = label(finding.variable)
    if finding.scope == "local" and finding.function is not None:
        name += f" in {label(finding.function)}()"
    verb = "is" if finding.counts.size == 1 else "holds"
    return f"{name} {verb} {kind_names(finding.counts)}"


def how_many(counts: Counts) -> str:
    """"3 of 640 elements", or with several kinds "2 NaN and 3 -Inf of 640 elements"."""  # fmt: skip
    found = kinds(counts)
    shown = amount(found[0][0]) if len(found) == 1 else listed([f"{amount(n)} {kind}" for n, kind in found]) or "some"
    return f"{shown} of {amount(counts.size)} elements"


def brief_counts(counts: Counts) -> str:
    """"NaN 1/1", "NaN 2/640, -Inf 3/640": for a table."""  # fmt: skip
    return ", ".join(f"{kind} {amount(n)}/{amount(counts.size)}" for n, kind in kinds(counts)) or "non-finite"


def about(finding: Finding) -> str:
    """"1 of 1 elements, float32, cpu"."""  # fmt: skip
    info = finding.tensor
    first = index(finding.first_index)
    return ", ".join(
        [how_many(finding.counts), tensor(info.dtype, info.shape, info.device)]
        + ([f"first at {first}"] if first else [])
    )


def cell(execution: ExecutionRef | None) -> str:
    """ "In [7]"; "In [ ]" where the front end keeps no count."""
    count = execution.count if execution is not None else None
    return f"In [{' ' if count is None else count}]"


def place(execution: ExecutionRef | None, file: str | None, line: int) -> str:
    """ "In [7], line 9", "losses/bce.py, line 12"."""
    return f"{label(file) if execution is None and file else cell(execution)}, line {line}"


def short_place(execution: ExecutionRef | None, file: str | None, line: int) -> str:
    """ "In [7]:9", "bce.py:12"."""
    if execution is None and file:
        return f"{label(file.replace(chr(92), '/').rsplit('/', 1)[-1])}:{line}"
    return f"{cell(execution)}:{line}"


def occurrence(origin: Origin) -> str:
    """ "step 37" where the line had run before, else nothing."""
    return f"step {amount(origin.occurrence)}" if origin.occurrence > 1 else ""


def since(finding: Finding, report: Report) -> str:
    """ "since In [14], line 6, step 37"; without an origin "found after In [14]"."""
    origin = finding.origin
    if origin is None:
        return f"found after {cell(ExecutionRef(report.execution.count))}"
    where = [place(origin.execution, origin.file, origin.line), occurrence(origin)]
    return "since " + ", ".join(filter(None, where))


def origin_sentence(origin: Origin) -> str:
    """What happened at the origin: "log (aten::log) made 3 -Inf of 640 elements".

    Of a gradient also who asked for it; of a likely origin, that it is only likely.
    """
    sentence = _origin_core(origin)
    return f"most likely {sentence}" if origin.confidence == "likely" and origin.kind == "op" else sentence


def _origin_core(origin: Origin) -> str:
    native = f" ({label(origin.native_op)})" if origin.native_op and origin.native_op != origin.op else ""
    if origin.kind == "introduced":
        return f"non-finite where it came in{native}"
    if origin.kind == "external":
        return f"made outside the code that numguard sees{native}"
    if origin.kind == "unknown":
        return "numguard did not see which operation made it"
    made = _made(origin.result)
    op = label(origin.op)
    if origin.phase == "backward":
        of = "" if origin.op == "backward" else f", of {op}{native},"  # watched: nobody saw of which operation
        return f"its gradient{of} {made}{asked(origin)}"
    if origin.phase == "update":
        return f"the optimizer's update{native} {made}"
    return f"{op}{native} {made}"


def asked(origin: Origin) -> str:
    """", asked for by loss.backward() in In [7], line 9"; nothing outside a backward."""  # fmt: skip
    by = origin.backward
    if by is None:
        return ""
    return f", asked for by {label(by.code)} in {place(by.execution, by.file, by.line)}"


def _made(result: TensorSummary | None) -> str:
    """ "made 3 -Inf of 640 elements", "made NaN" of a scalar, "made it" where the result was not measured."""
    found = kinds(result) if result is not None else []
    if not found:
        return "made it"
    if result is not None and result.size == 1:
        return f"made {found[0][1]}"
    total = f" of {amount(result.size)} elements" if result is not None and result.size else ""
    return f"made {listed([f'{amount(n)} {kind}' for n, kind in found])}{total}"


def operands_shown(origin: Origin, limit: int = 8) -> tuple[TensorSummary, ...]:
    """The operands of which something can be said: not those that have no name, no dtype and no numbers."""
    return tuple(s for s in origin.operands if s.variable or s.dtype != "unknown")[:limit]


def operand(summary: TensorSummary, name: str = "") -> str:
    """"p: float32[64, 10], cpu; 0 to 1; 3 of 640 are 0"."""  # fmt: skip
    facts = [tensor(summary.dtype, summary.shape, summary.device)]
    if summary.min is not None and summary.max is not None:
        same = summary.min == summary.max
        facts.append(number(summary.min) if same else f"{number(summary.min)} to {number(summary.max)}")
    elif summary.absmax is not None:
        facts.append(f"magnitude up to {number(summary.absmax)}")
    total = f" of {amount(summary.size)}" if summary.size else ""
    if summary.zeros:
        facts.append(f"{amount(summary.zeros)}{total} {'is' if summary.zeros == 1 else 'are'} 0")
    facts += [f"{amount(n)}{total} {'is' if n == 1 else 'are'} {kind}" for n, kind in kinds(summary)]
    if 0 in summary.shape:
        facts.append("no elements")
    elif summary.min is None and summary.absmax is None and not kinds(summary):
        facts.append("values not measured")
    elif _MEASURED[summary.measured]:
        facts.append(_MEASURED[summary.measured])
    shown = label(summary.variable) if summary.variable else name
    return f"{shown}: {'; '.join(facts)}" if shown else "; ".join(facts)


def step_note(step: Step) -> str:
    """ "loss: NaN 1/1, changed in place", "z: finite"; says when the cell is no longer what ran."""
    state = {"finite": "finite", "nonfinite": "non-finite", "unknown": "not checked"}[step.state]
    if step.state == "nonfinite" and step.counts is not None:
        state = brief_counts(step.counts)
    words = [state, _EVENTS[step.event], "its cell was edited or run again since" if step.stale else ""]
    note = ", ".join(filter(None, words))
    return f"{label(step.variable)}: {note}" if step.variable else note


def has_grown(history: History) -> bool:
    """Whether there are two finite points to compare."""
    return sum(abs(a) < float("inf") for a in history.absmax) > 1


def growth(history: History) -> str:
    """"largest |z| per step: 11 to 213 in 36 steps"; of non-finite points, when."""  # fmt: skip
    finite = [(s, a) for s, a in zip(history.step, history.absmax, strict=False) if abs(a) < float("inf")]
    name = f"largest |{label(history.variable)}| per step"
    if len(finite) < 2:
        return f"{name}: too few finite points"
    (s0, a0), (s1, a1) = finite[0], finite[-1]
    text = f"{name}: {number(a0)} at step {amount(s0)}, {number(a1)} at step {amount(s1)}"
    beyond = [s for s, a in zip(history.step, history.absmax, strict=False) if not abs(a) < float("inf") and s > s0]
    return f"{text}, non-finite at step {amount(beyond[0])}" if beyond else text


def exponents_sentence(summary: TensorSummary) -> str:
    """"p: binary exponents of 637 values, -126 to -1; 3 are 0"."""  # fmt: skip
    histogram = summary.exponents
    if histogram is None or not any(histogram.counts):
        return ""
    filled = [histogram.first + i for i, n in enumerate(histogram.counts) if n]
    text = f"binary exponents of {many(sum(histogram.counts), 'value')}, {filled[0]} to {filled[-1]}"
    zeros = f"; {amount(summary.zeros)} {'is' if summary.zeros == 1 else 'are'} 0" if summary.zeros else ""
    return f"{label(summary.variable)}: {text}{zeros}" if summary.variable else text + zeros


def verified(rewrite: RewriteAdvice) -> str:
    """"verified: <note>" or "not verified: <why>"."""  # fmt: skip
    head = "verified" if rewrite.verified else "not verified"
    return f"{head}: {prose(rewrite.note)}" if rewrite.note else head


def further_elements(finding: Finding) -> str:
    """"and 2 further elements of the same list", or nothing."""  # fmt: skip
    return f"and {many(finding.more, 'further element')} of the same list" if finding.more else ""


def intended_line(findings: tuple[Finding, ...], limit: int = 4) -> str:
    """"2 intended: mask (-Inf, attention mask), best (+Inf, best value so far)"."""  # fmt: skip
    shown = [f"{label(f.variable)} ({kind_names(f.counts)}, {label(f.intended or '')})" for f in findings[:limit]]
    rest = f" and {len(findings) - limit} more" if len(findings) > limit else ""
    return f"{amount(len(findings))} intended: {', '.join(shown)}{rest}"


def fine_steps(steps: list[Step]) -> str:
    """"4 earlier steps (In [2], In [7])": the folded end of a lineage."""  # fmt: skip
    cells = list(dict.fromkeys(cell(s.execution) if s.execution else label(s.file or "?") for s in reversed(steps)))
    shown = ", ".join(cells[:6]) + (", …" if len(cells) > 6 else "")
    return f"{many(len(steps), 'earlier step')} ({shown})"


def comes_from(executions: Iterable[int]) -> str:
    """" comes from In [2], In [7]": after a variable's name, the executions that its value depends on."""  # fmt: skip
    cells = ", ".join(f"In [{n}]" for n in executions)
    return f" comes from {cells}" if cells else ": nothing is known of where it came from"


def finite_line(report: Report) -> str:
    """ "numguard: 14 tensors finite (1.2 MB) in 3 ms"; the line that ends a traced cell where nothing alarms."""
    checked = report.checked
    state = "checked" if report.findings else "finite"
    tensors, spent = many(checked.tensors, "tensor"), duration(report.seconds.numguard)
    line = f"numguard: {tensors} {state} ({memory(checked.bytes)}) in {spent}"
    return f"{line}; {intended_line(report.findings)}" if report.findings else line


def blind_spots(report: Report, limit: int = 8) -> list[str]:
    """What numguard could not see, one line each: "not traced: …", "not checked: …"."""
    lines = []
    for head, pairs in (
        ("not traced", [(n.what, n.reason) for n in report.execution.not_traced]),
        ("not checked", [(s.variable, s.reason) for s in report.checked.skipped]),
    ):
        if pairs:
            shown = ", ".join(f"{label(what)} ({label(reason)})" for what, reason in pairs[:limit])
            lines.append(f"{head}: {shown}" + (f" and {len(pairs) - limit} more" if len(pairs) > limit else ""))
    return lines


def ending(report: Report) -> str:
    """A note where the cell itself did not end normally, else nothing."""
    return {"ok": "", "error": "the cell ended with an error", "interrupted": "the cell was interrupted"}[
        report.execution.status
    ]


def next_step(report: Report) -> str:
    """What to do to learn more of a watched cell: a trace names the operation and the step."""
    told = next((f.origin for f in report.alarms), None)
    if report.mode != "watch" or not report.alarms or (told is not None and told.confidence == "exact"):
        return ""
    if told is not None and told.run_again:
        return "seen by running its statements again on copies; for the run itself put %%numguard on top of the cell"
    return "for the exact operation, line and step: put %%numguard on top of the cell and run it again"
