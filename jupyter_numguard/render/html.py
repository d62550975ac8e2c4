"""A report as one self-contained piece of HTML: the output under a cell that survives reload, restart and nbconvert.

No script, nothing loaded from elsewhere. Everything that must be read is text in lists and tables, so that it can be
read where styles are stripped (GitHub, an untrusted notebook); elsewhere `static/panel.css` makes it look like the
panel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from jupyter_numguard.model import Finding, Report, Step

from .chain import row_of
from .html_finding import chain, chain_row, code, quiet, section, table_row, why
from .markup import Markup, join, tag
from .spelling import code_lines, label
from .wording import (
    HEADINGS,
    about,
    blind_spots,
    brief_counts,
    comes_from,
    ending,
    finite_line,
    intended_line,
    next_step,
    since,
    what,
)

ROWS_SHOWN = 8  # of the table; the rest is folded
ROWS_LIMIT = 200  # and this is what a notebook is asked to store
OTHER_ORIGINS = 3


def render_html(report: Report) -> str:
    """The report as HTML; one line, plus what could not be seen, where nothing alarms."""
    alarms = report.alarms
    notes = [quiet(line) for line in (*blind_spots(report), ending(report), next_step(report)) if line]
    below = tag("div", notes, cls="ng-notes") if notes else None
    if not alarms:
        glyph = tag("span", "✓ ", cls="ng-ok", aria_hidden="true")
        return _root(tag("div", glyph, finite_line(report), role="status", cls="ng-calm"), below)
    first = alarms[0]
    left = tag("div", _table(report), chain(first, report), cls="ng-column")
    right = tag("div", why(first), _others(report), cls="ng-column")
    return _root(_status(first, report), tag("div", left, right, cls="ng-columns"), below)


def render_lineage_html(
    variable: str, executions: Iterable[int], steps: Iterable[Step], notes: Iterable[str] = ()
) -> str:
    """What `%numguard lineage VARIABLE` shows: the executions that matter, and the steps, newest first."""
    rows = [chain_row(row_of(step), code("\n".join(code_lines(step.code)))) for step in steps]
    return _root(
        tag("div", tag("b", label(variable)), comes_from(executions), role="status", cls="ng-calm"),
        tag("div", tag("ol", rows, cls="ng-chain"), cls="ng-section") if rows else None,
        *(tag("div", quiet(label(note)), cls="ng-notes") for note in notes),
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
    said = tag("b", "✕ ", what(finding), cls="ng-x")
    return tag("div", said, f" {since(finding, report)}", quiet(about(finding)), cls="ng-status", role="status")


def _table(report: Report) -> Markup:
    alarms = report.alarms
    head = tag("tr", tag("th", "Variable", scope="col"), tag("th", "Non-finite", scope="col"))
    rows = [table_row(f) for f in alarms[:ROWS_LIMIT]]
    folded = None
    if len(alarms) > ROWS_SHOWN:
        beyond = quiet(f"and {len(alarms) - ROWS_LIMIT} more") if len(alarms) > ROWS_LIMIT else None
        table = tag("table", tag("tbody", rows[ROWS_SHOWN:]), cls="ng-table")
        folded = tag("details", tag("summary", f"{len(alarms) - ROWS_SHOWN} more", cls="ng-q"), table, beyond)
    shown = tag("table", tag("thead", head), tag("tbody", rows[:ROWS_SHOWN]), cls="ng-table")
    return section(HEADINGS["now"], shown, folded, _intended(report))


def _intended(report: Report) -> Markup | None:
    intended = tuple(f for f in report.findings if f.intended is not None)
    if not intended:
        return None
    items = [
        tag("li", code(label(f.variable)), f" {brief_counts(f.counts)}: {label(f.intended or '')}")
        for f in intended[:ROWS_LIMIT]
    ]
    return tag("details", tag("summary", intended_line(intended), cls="ng-q"), tag("ul", items, cls="ng-list ng-q"))


def _others(report: Report) -> Markup:
    """Findings with an origin of their own, folded."""
    first, *rest = report.alarms
    seen = {_origin_key(first)}
    out: list[Markup] = []
    for finding in rest:
        key = _origin_key(finding)
        if finding.origin is None or key in seen or len(out) == OTHER_ORIGINS:
            continue
        seen.add(key)
        summary = tag("summary", tag("b", what(finding)), f" {since(finding, report)}")
        out.append(tag("details", summary, chain(finding, report), why(finding), cls="ng-section"))
    return join(*out)


def _origin_key(finding: Finding) -> tuple[object, ...]:
    origin = finding.origin
    return () if origin is None else (origin.execution, origin.file, origin.line, origin.op)
