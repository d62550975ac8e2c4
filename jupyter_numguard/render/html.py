"""A report as one self-contained piece of HTML: the output under a cell that survives reload, restart and nbconvert.

No script, nothing loaded from elsewhere. Everything that must be read is text in lists and tables, so that it can be read
where styles are stripped (GitHub, an untrusted notebook); `static/panel.css` makes it look like the panel elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from ..model import Diagnosis, Finding, Origin, Report, Step
from .chain import Chain, Row, chain_of
from .guilty import guilty_lines
from .markup import Markup, join, link, tag
from .pictures import exponents_picture, growth_picture
from .spelling import code_lines, first_line, label, prose, tensor
from .wording import (
    HEADINGS,
    about,
    blind_spots,
    brief_counts,
    ending,
    exponents_sentence,
    fine_steps,
    finite_line,
    growth,
    intended_line,
    operand,
    place,
    short_place,
    since,
    step_note,
    verified,
    what,
)

ROWS_SHOWN = 8  # of the table; the rest is folded
ROWS_LIMIT = 200  # and this is what a notebook is asked to store
OTHER_ORIGINS = 3
_GLYPHS = {"nonfinite": "✕", "origin": "●", "finite": "✓", "unknown": "?"}


def render_html(report: Report) -> str:
    """The report as HTML; one line, plus what could not be seen, where nothing alarms."""
    alarms = report.alarms
    notes = [tag("div", line, cls="ng-q") for line in (*blind_spots(report), ending(report)) if line]
    if not alarms:
        glyph = tag("span", "✓ ", cls="ng-ok", aria_hidden="true")
        body = join(tag("div", glyph, finite_line(report), role="status", cls="ng-calm"), notes)
        return _root(body)
    intended = tuple(f for f in report.findings if f.intended is not None)
    return _root(
        _status(alarms[0], report),
        tag(
            "div",
            tag("div", _table(alarms, intended), _chain(alarms[0], report), cls="ng-column"),
            tag("div", _why(alarms[0]), _others(alarms, report), cls="ng-column"),
            cls="ng-columns",
        ),
        tag("div", notes, cls="ng-notes") if notes else None,
    )


def render_lineage_html(variable: str, executions: Iterable[int], steps: Iterable[Step]) -> str:
    """What `%numguard lineage VARIABLE` shows: the executions that matter, and the steps, newest first."""
    counts = ", ".join(f"In [{n}]" for n in executions)
    said = f" comes from {counts}" if counts else ": nothing is known of where it came from"
    rows = [_row(Row(s.state, "", short_place(s.execution, s.file, s.line), (step_note(s),)), _code(s.code)) for s in steps]
    return _root(
        tag("div", tag("b", label(variable)), said, role="status", cls="ng-calm"),
        tag("div", tag("ol", rows, cls="ng-chain"), cls="ng-section") if rows else None,
    )


@cache
def _style() -> Markup:
    """The panel's stylesheet, without comments and indentation: it is stored with every report."""
    text = files("jupyter_numguard").joinpath("static/panel.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text).replace(" { ", "{").replace("; }", "}").strip()
    return Markup(f"<style>{text}</style>")


def _root(*children: Markup | None) -> str:
    return str(tag("div", _style(), children, cls="jp-Numguard", role="region", aria_label="numguard report"))


def _status(finding: Finding, report: Report) -> Markup:
    return tag(
        "div",
        tag("b", "✕ ", what(finding), cls="ng-x"),
        f" {since(finding, report)}",
        tag("div", about(finding), cls="ng-q"),
        cls="ng-status",
        role="status",
    )


def _section(head: str, *children: Markup | None) -> Markup:
    """A part with its heading; not an h3, which would enter the notebook's table of contents."""
    return tag("div", tag("div", tag("b", head), cls="ng-h", role="heading", aria_level="3"), children, cls="ng-section")


def _table(alarms: tuple[Finding, ...], intended: tuple[Finding, ...]) -> Markup:
    rows = [_table_row(f) for f in alarms[:ROWS_LIMIT]]
    rest = len(alarms) - ROWS_SHOWN
    head = tag("tr", tag("th", "Variable", scope="col"), tag("th", "Non-finite", scope="col"))
    folded = None
    if rest > 0:
        beyond = tag("div", f"and {len(alarms) - ROWS_LIMIT} more", cls="ng-q") if len(alarms) > ROWS_LIMIT else None
        table = tag("table", tag("tbody", rows[ROWS_SHOWN:]), cls="ng-table")
        folded = tag("details", tag("summary", f"{rest} more", cls="ng-q"), table, beyond)
    return _section(
        HEADINGS["now"],
        tag("table", tag("thead", head), tag("tbody", rows[:ROWS_SHOWN]), cls="ng-table"),
        folded,
        _intended(intended),
    )


def _table_row(finding: Finding) -> Markup:
    info = finding.tensor
    aliases = f"also {', '.join(label(a) for a in finding.aliases[:4])}" if finding.aliases else ""
    more = f"and {finding.more} further elements of the same list" if finding.more else ""
    sub = ", ".join(filter(None, [tensor(info.dtype, info.shape, info.device), aliases, more]))
    name = tag("span", tag("span", "✕ ", cls="ng-x", aria_hidden="true"), tag("code", label(finding.variable), dir="ltr"))
    return tag("tr", tag("td", name, tag("div", sub, cls="ng-q ng-sub")), tag("td", brief_counts(finding.counts)))


def _intended(intended: tuple[Finding, ...]) -> Markup | None:
    if not intended:
        return None
    items = [
        tag("li", tag("code", label(f.variable), dir="ltr"), f" {brief_counts(f.counts)}: {label(f.intended or '')}")
        for f in intended[:ROWS_LIMIT]
    ]
    return tag("details", tag("summary", intended_line(intended), cls="ng-q"), tag("ul", items, cls="ng-list ng-q"))


def _chain(finding: Finding, report: Report) -> Markup | None:
    chain = chain_of(finding)
    if not chain.rows:
        return None
    items = []
    for row in chain.rows:
        if row.mark == "origin" and finding.origin is not None:
            if chain.skipped:
                items.append(tag("li", tag("div", f"… {chain.skipped} more", cls="ng-q"), cls="ng-gap"))
            items.append(_row(row, _guilty(report, finding.origin), _origin_facts(finding.origin)))
        else:
            items.append(_row(row, tag("code", row.code, dir="ltr")))
    items += _folded(chain)
    picture = growth_picture(finding.history) if finding.history is not None else None
    grown = tag("div", tag("div", growth(finding.history), cls="ng-q"), picture) if finding.history is not None else None
    return _section(HEADINGS["chain"], tag("ol", items, cls="ng-chain"), grown)


def _folded(chain: Chain) -> list[Markup]:
    if not chain.folded:
        return []
    steps = [
        tag("li", tag("code", first_line(s.code), dir="ltr"), f" {short_place(s.execution, s.file, s.line)}, {step_note(s)}")
        for s in chain.folded[:50]
    ]
    summary = tag("summary", fine_steps(list(chain.folded)), cls="ng-q")
    return [tag("li", tag("details", summary, tag("ul", steps, cls="ng-list ng-q")), cls="ng-gap")]


def _row(row: Row, code: Markup, *facts: Markup | None) -> Markup:
    dot = tag("span", _GLYPHS[row.mark], cls="ng-dot", aria_hidden="true")
    line = tag("div", code, tag("span", row.place, cls="ng-at"), cls="ng-l")
    return tag("li", dot, line, [tag("div", n, cls="ng-q") for n in row.notes], facts, cls=f"ng-{row.mark}")


def _code(code: str) -> Markup:
    return tag("code", "\n".join(code_lines(code)), dir="ltr")


def _guilty(report: Report, origin: Origin) -> Markup:
    lines: list[Markup] = []
    for i, (text, start, end) in enumerate(guilty_lines(report, origin)):
        marked = tag("b", text[start:end], cls="ng-g") if end > start else None
        lines.append(join("\n" if i else None, text[:start], marked, text[end:]))
    return tag("code", lines, dir="ltr")


def _origin_facts(origin: Origin) -> Markup | None:
    items = [operand(s) for s in origin.operands[:8]]
    items += [f"called from {place(f.execution, f.file, f.line)}: {first_line(f.code)}" for f in origin.called_from]
    return tag("ul", [tag("li", i) for i in items], cls="ng-list ng-q") if items else None


def _why(finding: Finding) -> Markup | None:
    parts = []
    for i, diagnosis in enumerate(finding.diagnoses[:3]):
        parts.append(_diagnosis(diagnosis, finding, with_picture=i == 0))
    if not parts and finding.origin is not None and _exponents(finding) is not None:
        parts.append(_section(HEADINGS["operands"], _exponents(finding)))
    return join(*parts) if parts else None


def _diagnosis(diagnosis: Diagnosis, finding: Finding, *, with_picture: bool) -> Markup:
    code = link(diagnosis.docs, f"{label(diagnosis.rule)} {label(diagnosis.rule_name)}")
    chips = (tag("span", label(diagnosis.category), cls="ng-chip"), " ", tag("span", code, cls="ng-chip"))
    name = tag("b", label(diagnosis.category_name))
    texts = [tag("p", prose(t)) for t in (diagnosis.evidence, diagnosis.advice) if t]
    picture = _exponents(finding) if with_picture else None
    why = _section(HEADINGS["why"], join(name, " ", *chips), *texts, picture)
    rewrite = diagnosis.rewrite
    if rewrite is None:
        return why
    lines = [tag("div", f"- {t}", cls="ng-before") for t in code_lines(rewrite.before)]
    lines += [tag("div", f"+ {t}", cls="ng-after") for t in code_lines(rewrite.after)]
    glyph = tag("span", "✓ " if rewrite.verified else "? ", cls="ng-ok" if rewrite.verified else "ng-q", aria_hidden="true")
    done = tag("div", glyph, verified(rewrite), cls="ng-q")
    return join(why, _section(HEADINGS["rewrite"], tag("div", lines, cls="ng-diff", dir="ltr"), done))


def _exponents(finding: Finding) -> Markup | None:
    """The picture of the operand that was measured in most detail, with its sentence."""
    operands = finding.origin.operands if finding.origin is not None else ()
    for summary in operands:
        picture = exponents_picture(summary)
        if picture is not None:
            return tag("div", tag("div", exponents_sentence(summary), cls="ng-q"), picture)
    return None


def _others(alarms: tuple[Finding, ...], report: Report) -> list[Markup]:
    """Findings with an origin of their own, folded."""
    seen, out = [_key(alarms[0])], []
    for finding in alarms[1:]:
        if finding.origin is None or _key(finding) in seen or len(out) == OTHER_ORIGINS:
            continue
        seen.append(_key(finding))
        summary = tag("summary", tag("b", what(finding)), f" {since(finding, report)}")
        out.append(tag("details", summary, _chain(finding, report), _why(finding), cls="ng-section"))
    return out


def _key(finding: Finding) -> tuple[object, ...]:
    origin = finding.origin
    return () if origin is None else (origin.execution, origin.file, origin.line, origin.op)
