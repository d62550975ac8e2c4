"""One finding in HTML: its table row, how it got there, why, and what to write instead."""

from __future__ import annotations

from jupyter_numguard.model import Counts, Diagnosis, Finding, History, Origin, Report, RewriteAdvice

from .chain import Chain, Row, chain_of, row_of
from .guilty import guilty_lines
from .markup import Markup, join, link, tag
from .pictures import exponents_picture, growth_picture
from .spelling import code_lines, first_line, label, prose, tensor, with_code
from .wording import (
    HEADINGS,
    brief_counts,
    exponents_sentence,
    fine_steps,
    further_elements,
    growth,
    has_grown,
    operand,
    operands_shown,
    place,
    verified,
)

FOLDED_LIMIT = 50  # finite ancestors that a notebook is asked to store
_GLYPHS = {"nonfinite": "✕", "origin": "●", "finite": "✓", "unknown": "?"}


def section(head: str, *children: Markup | None) -> Markup:
    """A part with its heading; not an h3, which would enter the notebook's table of contents."""
    heading = tag("div", tag("b", head), cls="ng-h", role="heading", aria_level="3")
    return tag("div", heading, children, cls="ng-section")


def sentence(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    return join(*(code(part) if is_code else part for part, is_code in with_code(text)))


def quiet(*children: str | None) -> Markup:
    """A line in the secondary colour."""
    return tag("div", *children, cls="ng-q")


def code(*children: str) -> Markup:
    """The user's text: left to right, whatever script its names are in."""
    return tag("code", *children, dir="ltr")


def table_row(finding: Finding) -> Markup:
    """A row of the table of variables: name, tensor and aliases, counts."""
    info = finding.tensor
    aliases = f"also {', '.join(label(a) for a in finding.aliases[:4])}" if finding.aliases else ""
    facts = [tensor(info.dtype, info.shape, info.device), aliases, further_elements(finding)]
    name = tag("div", tag("span", "✕ ", cls="ng-x", aria_hidden="true"), code(label(finding.variable)), cls="ng-name")
    below = tag("div", ", ".join(filter(None, facts)), cls="ng-q ng-sub")
    return tag("tr", tag("td", name, below), tag("td", _counts(finding.counts)))


def _counts(counts: Counts) -> Markup:
    """As `brief_counts`, each count unbroken."""
    words = brief_counts(counts).split(", ")
    return join(*(join(", " if i else None, tag("span", word, cls="ng-count")) for i, word in enumerate(words)))


def chain(finding: Finding, report: Report) -> Markup | None:
    """How it got there: the lineage from the variable down, the origin with what it was given."""
    steps = chain_of(finding)
    if not steps.rows:
        return None
    items = []
    for row in steps.rows:
        if row.mark == "origin" and finding.origin is not None:
            if steps.skipped:
                items.append(tag("li", quiet(f"… {steps.skipped} more"), cls="ng-gap"))
            items.append(chain_row(row, _guilty(report, finding.origin), _origin_facts(finding.origin)))
        else:
            items.append(chain_row(row, code(row.code)))
    items += _folded(steps)
    return section(HEADINGS["chain"], tag("ol", items, cls="ng-chain"), _growth(finding.history))


def chain_row(row: Row, statement: Markup, facts: Markup | None = None) -> Markup:
    """One step: its state as a glyph, the statement, the place, the notes."""
    dot = tag("span", _GLYPHS[row.mark], cls="ng-dot", aria_hidden="true")
    line = tag("div", statement, " ", tag("span", row.place, cls="ng-at"), cls="ng-l")
    notes = [quiet(note) for note in row.notes]
    if row.mark == "origin":
        said = row.notes[0].removeprefix("origin")
        notes[0] = tag("div", tag("b", "origin", cls="ng-x"), said, cls="ng-made")
    return tag("li", dot, line, notes, facts, cls=f"ng-{row.mark}")


def _folded(steps: Chain) -> list[Markup]:
    if not steps.folded:
        return []
    items = [
        tag("li", code(row.code), f" {row.place}, {row.notes[0]}")
        for row in (row_of(step) for step in steps.folded[:FOLDED_LIMIT])
    ]
    summary = tag("summary", fine_steps(list(steps.folded)), cls="ng-q")
    return [tag("li", tag("details", summary, tag("ul", items, cls="ng-list ng-q")), cls="ng-gap")]


def _guilty(report: Report, origin: Origin) -> Markup:
    lines = []
    for i, (text, start, end) in enumerate(guilty_lines(report, origin)):
        marked = tag("b", text[start:end], cls="ng-g") if end > start else None
        lines.append(join("\n" if i else None, text[:start], marked, text[end:]))
    return code(*lines)


def _origin_facts(origin: Origin) -> Markup | None:
    items = [operand(s) for s in operands_shown(origin)]
    items += [f"called from {place(f.execution, f.file, f.line)}: {first_line(f.code)}" for f in origin.called_from]
    return tag("ul", [tag("li", item) for item in items], cls="ng-list ng-q") if items else None


def _growth(history: History | None) -> Markup | None:
    if history is None or not has_grown(history):
        return None
    return tag("div", quiet(growth(history)), growth_picture(history), cls="ng-grown")


def why(finding: Finding) -> Markup | None:
    """The diagnoses, best first, each with its rewrite; without one, what the origin was given."""
    picture = _exponents(finding)
    if finding.diagnoses:
        return join(*(_diagnosis(d, None if i else picture) for i, d in enumerate(finding.diagnoses[:3])))
    return section(HEADINGS["operands"], picture) if picture is not None else None


def _diagnosis(diagnosis: Diagnosis, picture: Markup | None) -> Markup:
    rule = link(diagnosis.docs, f"{label(diagnosis.rule)} {label(diagnosis.rule_name)}")
    chips = [tag("span", label(diagnosis.category), cls="ng-chip"), " ", tag("span", rule, cls="ng-chip")]
    texts = [tag("p", sentence(prose(t))) for t in (diagnosis.evidence, diagnosis.advice) if t]
    head = join(tag("b", label(diagnosis.category_name)), " ", chips)
    advice = _rewrite(diagnosis.rewrite) if diagnosis.rewrite is not None else None
    return join(section(HEADINGS["why"], head, *texts, picture), advice)


def _rewrite(advice: RewriteAdvice) -> Markup:
    lines = [tag("span", f"- {t}\n", cls="ng-before") for t in code_lines(advice.before)]
    lines += [tag("span", f"+ {t}\n", cls="ng-after") for t in code_lines(advice.after)]
    glyph, cls = ("✓ ", "ng-ok") if advice.verified else ("? ", "ng-q")
    done = quiet(tag("span", glyph, cls=cls, aria_hidden="true"), sentence(verified(advice)))
    return section(HEADINGS["rewrite"], tag("pre", lines, cls="ng-diff", dir="ltr"), done)


def _exponents(finding: Finding) -> Markup | None:
    """The picture of the first operand whose exponents were measured, with its sentence."""
    operands = finding.origin.operands if finding.origin is not None else ()
    for summary in operands:
        picture = exponents_picture(summary)
        if picture is not None:
            return tag("div", quiet(exponents_sentence(summary)), picture)
    return None
