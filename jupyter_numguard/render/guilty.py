"""The guilty expression inside the statement that is shown: which characters of which line to mark."""

from __future__ import annotations

import unicodedata

from jupyter_numguard.model import Origin, Report, Span

from .spelling import code_lines, visible


def guilty_lines(report: Report, origin: Origin) -> list[tuple[str, int, int]]:
    """The statement's lines as (text, start, end) of the marked part; start == end where nothing is marked.

    The span counts lines and columns in the cell, the statement comes without the cell around it and without its first
    line's indentation. So the expression's text is looked for; where it occurs twice, at the last place that its column
    allows. Of an expression over several lines the first is marked.
    """
    out = [(text, 0, 0) for text in code_lines(origin.code)]
    span = origin.span
    text = visible(_text_of(report, origin, span).split("\n")[0].rstrip()) if span is not None else ""
    if span is None or not text:
        return out
    found = [(row, at) for row, (line, _, _) in enumerate(out) for at in _places(line, text) if at <= span.column]
    if found:
        row = max(r for r, _ in found) if span.line > origin.line else found[0][0]
        start = max(at for r, at in found if r == row)
        out[row] = (out[row][0], start, start + len(text))
    return out


def _text_of(report: Report, origin: Origin, span: Span) -> str:
    """The expression's text; where the report does not say it, from the source of the cell that the report is about."""
    if span.text or origin.execution is None or origin.execution.count != report.execution.count:
        return span.text
    lines = report.execution.source.split("\n")[span.line - 1 : span.line]
    return lines[0][span.column : span.end_column if span.end_line == span.line else None] if lines else ""


def _places(line: str, text: str) -> list[int]:
    """Where `text` stands in `line`, not inside a longer name."""
    at, out = line.find(text), []
    while at >= 0:
        around = line[max(0, at - 1) : at], line[at + len(text) : at + len(text) + 1]
        if not (_is_word(around[0]) and _is_word(text[0])) and not (_is_word(around[1]) and _is_word(text[-1])):
            out.append(at)
        at = line.find(text, at + 1)
    return out


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def width(text: str) -> int:
    """Columns that the text takes in a terminal: East Asian wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
