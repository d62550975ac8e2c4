"""Text and HTML of a report: complete, bounded, escaped, the same words."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_numguard.model import ExecutionRef, Finding, Origin, Report, Span, Step
from jupyter_numguard.render import render_html, render_lineage_html, render_lineage_text, render_text
from jupyter_numguard.render.markup import link, tag
from jupyter_numguard.render.spelling import visible
from jupyter_numguard.report import from_json

REPORTS = Path(__file__).parent / "reports"
GOLDEN = sorted(p.stem for p in REPORTS.glob("*.json"))


def load(name: str) -> Report:
    """A golden report."""
    return from_json(json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))


class Reader(html.parser.HTMLParser):
    """What a browser finds in a piece of HTML: elements, attributes, text; and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must close the innermost one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text outside of the stylesheet."""
        if "style" not in self.open:
            self.text += data


@pytest.mark.parametrize("name", GOLDEN)
def test_the_html_is_well_formed_and_self_contained(name: str) -> None:
    """Every element is closed; no script, no handler, nothing loaded, no heading that enters a table of contents."""
    read = Reader(render_html(load(name)))

    assert [] == read.open
    assert set() == set(read.tags) & {"script", "img", "iframe", "link", "object", "form", "h1", "h2", "h3", "h4"}
    assert [] == [a for a, _ in read.attributes if a.startswith("on") or a in ("src", "style", "srcset")]
    assert [] == [v for a, v in read.attributes if a == "href" and not (v or "").startswith("https://")]
    assert "url(" not in render_html(load(name))
    assert "@import" not in render_html(load(name))


def test_no_field_of_a_report_can_become_markup() -> None:
    """Markup in any text field of a report is shown as text."""
    evil = "<i class='x'>\"&amp;</i></style></div>"
    report = _with_every_text(load("torch_backward"), evil)
    clean = _with_every_text(load("torch_backward"), "plain")

    assert Reader(render_html(clean)).tags == Reader(render_html(report)).tags
    assert evil[:20] in Reader(render_html(report)).text


def _with_every_text(value: Any, text: str) -> Any:
    """The same report with `text` in every free text field."""
    if isinstance(value, tuple):
        return tuple(_with_every_text(v, text) for v in value)
    if not dataclasses.is_dataclass(value):
        return value
    words = {
        "mode",
        "verdict",
        "status",
        "framework",
        "kind",
        "confidence",
        "phase",
        "event",
        "state",
        "measured",
        "scope",
    }
    changed = {
        f.name: text
        if isinstance(getattr(value, f.name), str) and f.name not in words
        else _with_every_text(getattr(value, f.name), text)
        for f in dataclasses.fields(value)
    }
    return type(value)(**changed)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_nothing_hidden_reaches_a_terminal_or_a_page(text: str) -> None:
    """Control, bidi, zero-width characters and broken surrogates are shown as escapes; what is visible stays."""
    shown = visible(text)

    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]", shown
    )
    shown.encode("utf-8")
    assert shown == visible(shown)


def test_text_shows_no_hidden_characters_of_a_hostile_report_and_stays_bounded() -> None:
    """A hostile report cannot colour the terminal, reverse text or fill the screen."""
    text = render_text(load("hostile"))

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
    assert "\\x1b[31m" in text
    assert "\\u202e" in text
    assert max(map(len, text.split("\n"))) < 2500
    assert text.count("\n") < 200


def test_a_huge_report_is_bounded_in_rendering() -> None:
    """Megabytes of code and thousands of findings make a page of bounded size; the rest is counted."""
    report = load("torch_forward_loop")
    first = report.findings[0]
    assert first.origin is not None
    origin = dataclasses.replace(first.origin, code="x = 1\n" * 500_000)
    many = tuple(dataclasses.replace(first, variable=f"v{i}", origin=origin) for i in range(3000))
    huge = dataclasses.replace(report, findings=many)

    assert len(render_html(huge)) < 200_000
    assert len(render_text(huge)) < 10_000
    assert "and 2800 more" in Reader(render_html(huge)).text
    assert "and 2993 more: v7, v8" in render_text(huge)


@pytest.mark.parametrize("name", [n for n in GOLDEN if n != "hostile"])
def test_text_and_html_say_the_same(name: str) -> None:
    """Every sentence of the text stands in the HTML too."""
    said = " ".join(Reader(render_html(load(name))).text.split())
    glyphs = re.compile(r"^[✕●✓?…] |^[\^]+$|^(called from|also known as|and \d+ more: )")
    ours = {"origin", "Non-finite now too"}
    lines = [line.strip() for line in render_text(load(name)).split("\n")]
    missing = [
        line
        for line in lines
        if line and not glyphs.match(line) and line not in ours
        and " ".join(line.split()) not in said and not _in_parts(line, said)
    ]  # fmt: skip

    assert [] == missing


def _in_parts(line: str, said: str) -> bool:
    """A line that HTML lays out in several cells or chips: each word of it stands there."""
    return all(word in said for word in re.split(r"[\s:,()]+", line.removeprefix("numguard")) if word)


def test_the_guilty_expression_is_underlined() -> None:
    """The carets stand below the expression, wherever the statement was indented, and count wide characters twice."""
    lines = render_text(load("torch_backward")).split("\n")
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("^"))

    assert "torch.sqrt(squares.sum())" == lines[at - 1][lines[at].index("^") : len(lines[at])]

    wide = _with_origin(code='y = "数", 1 / x', span=Span(5, 13, 5, 18, "1 / x"))
    lines = render_text(wide).split("\n")
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("^"))
    assert lines[at - 1].index("1 / x") + 1 == lines[at].index("^")


@pytest.mark.parametrize(
    ("code", "span", "marked"),
    [
        ("z = 1/x + 1/x", Span(5, 8, 5, 11, "1/x"), (4, 7)),  # indented by 4, the first of two
        ("z = 1/x + 1/x", Span(5, 14, 5, 17, "1/x"), (10, 13)),  # the second
        ("z = log10(x) + log(x)", Span(5, 15, 5, 21, "log(x)"), (15, 21)),
        ("z = xlog(x)", Span(5, 4, 5, 9, "log(x)"), None),  # inside a longer name
        ("z = f(x)", Span(5, 4, 5, 8, "g(x)"), None),  # the text is not there: the cell was edited
    ],
)
def test_the_right_one_of_equal_expressions_is_marked(code: str, span: Span, marked: tuple[int, int] | None) -> None:
    """Where an expression stands twice the column decides; where it is not found nothing is marked."""
    page = render_html(_with_origin(code=code, span=span))
    found = re.search(r'<code dir="ltr">([^<]*)<b class="ng-g">([^<]*)</b>', page)

    assert marked == (None if found is None else (len(found[1]), len(found[1]) + len(found[2])))


def _with_origin(**changes: Any) -> Report:
    report = load("torch_backward")
    finding = report.findings[0]
    assert finding.origin is not None
    origin: Origin = dataclasses.replace(finding.origin, **changes)
    changed: Finding = dataclasses.replace(finding, origin=origin, lineage=())
    return dataclasses.replace(report, findings=(changed,))


def test_what_stands_between_backticks_is_code() -> None:
    """In HTML it is a code element, escaped, without the backticks; the text keeps them; one alone stays."""
    report = load("torch_backward")
    finding = report.findings[0]
    [diagnosis] = finding.diagnoses[:1]
    diagnosis = dataclasses.replace(diagnosis, evidence="`a<b>` meets `c`; a lone ` stays.", rewrite=None)
    report = dataclasses.replace(report, findings=(dataclasses.replace(finding, diagnoses=(diagnosis,)),))

    code = '<code dir="ltr">{}</code>'.format
    assert f"<p>{code('a&lt;b&gt;')} meets {code('c')}; a lone ` stays.</p>" in render_html(report)
    assert "`a<b>` meets `c`; a lone ` stays." in render_text(report)


@pytest.mark.parametrize("without", [None, 6])
def test_the_origin_has_its_place_in_the_chain(without: int | None) -> None:
    """Between the steps that hold the NaN and those that were fine, also where the lineage does not hold its line."""
    report = load("torch_forward_loop")
    first = report.findings[0]
    lineage = tuple(s for s in first.lineage if s.line != without)
    text = render_text(dataclasses.replace(report, findings=(dataclasses.replace(first, lineage=lineage),)))
    chain = [line.strip()[:12] for line in text.split("\n") if re.match(r"\s+[✕●✓?] In", line)]

    assert ["✕ In [14]:7 ", "● In [14]:6 ", "✓ In [14]:5 ", "✓ In [14]:4 ", "✓ In [9]:12 "] == chain


def test_a_lineage_is_told_newest_first() -> None:
    """`%numguard lineage x`: the executions, then each step with its place, code and state."""
    steps = (
        Step(ExecutionRef(3), None, 1, "y = x / 0", "y", "bound", "nonfinite"),
        Step(ExecutionRef(1), None, 2, "x = ones(3)", "x", "bound", "finite"),
    )
    text = render_lineage_text("y", [1, 3], steps)
    read = Reader(render_lineage_html("y", [1, 3], steps))

    expected = [
        "y comes from In [1], In [3]",
        "✕ In [3]:1  y = x / 0",
        "y: non-finite",
        "✓ In [1]:2  x = ones(3)",
        "x: finite",
    ]
    assert expected == [line.strip() for line in text.split("\n")]
    assert [] == read.open
    assert "y comes from In [1], In [3]" in read.text
    assert "nothing is known" in render_lineage_text("q", [], ())


def test_only_web_addresses_become_links() -> None:
    """A script's or a file's address stays text."""
    assert '<a href="https://e.org/?a=&quot;b" target="_blank" rel="noopener noreferrer">x</a>' == link(
        'https://e.org/?a="b', "x"
    )
    assert "x" == link("javascript:alert(1)", "x")
    assert "<b>&lt;i&gt;</b>" == tag("b", "<i>")
