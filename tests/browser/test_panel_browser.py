"""The report as a person sees it: real JupyterLab, real Chromium, golden reports, no session behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from jupyter_numguard.model import Report
from jupyter_numguard.render.wording import finite_line, what
from jupyter_numguard.report import from_json

from .conftest import Lab
from .pictures import shoot

pytestmark = pytest.mark.browser

REPORTS = Path(__file__).parents[1] / "reports"

SETUP = f"""
import json
from pathlib import Path
from jupyter_numguard.publish import show_panel, show_report, update_panel
from jupyter_numguard.report import from_json
def golden(name):
    return from_json(json.loads((Path({str(REPORTS)!r}) / (name + ".json")).read_text(encoding="utf-8")))
history = [{{"count": n, "verdict": "nonfinite" if n in (14, 15, 17) else "finite"}} for n in range(1, 19)]
"""

# Runs code in the notebook's kernel without a cell.
IN_KERNEL = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await kernel.requestExecute({code}).done; }"""

# The sentences of a report: what the folds for other origins repeat is left out, the panel has the table for them.
SENTENCES = """e => [...e.querySelectorAll("[role=status], [role=heading], td, .ng-q, .ng-made, .ng-at, code, p, text, "
  + ".ng-chip, .ng-diff > span")].filter(c => !c.closest(".ng-column > details"))
  .map(c => c.textContent.replace(/\\s+/g, ' ').trim())"""

# Everything that runs out of the report's frame when it is `width` pixels wide.
OVERFLOW = """(e, width) => { e.style.width = width + "px"; const edge = e.getBoundingClientRect().right + 1;
  return [...e.querySelectorAll("*")].filter(c => !c.closest("svg") && c.getBoundingClientRect().right > edge)
    .map(c => c.tagName + " " + c.className + ": " + c.textContent.slice(0, 60)); }"""

# The words of an element as they are laid out, folds included, spaces evened out.
WORDS = "e => e.textContent.replace(/\\s+/g, ' ').trim()"

# WCAG contrast of every text in an element against what is behind it, computed on a canvas: colours may be
# color-mix() and half transparent.
CONTRASTS = """root => {
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const paint = colours => { pen.clearRect(0, 0, 1, 1);
    for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => { const [r, g, b] = rgb.map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b; };
  const out = [];
  for (const e of root.querySelectorAll("*")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect();
    if (!own || e.tagName === "STYLE" || e.closest("svg") || box.width < 2 || e.classList.contains("ng-dot")) continue;
    const behind = [];
    for (let p = e; p; p = p.parentElement) behind.unshift(getComputedStyle(p).backgroundColor);
    const back = light(paint(behind)), front = light(paint([...behind, getComputedStyle(e).color]));
    const ratio = (Math.max(back, front) + .05) / (Math.min(back, front) + .05);
    out.push([ratio, e.className + ": " + e.textContent.slice(0, 40)]);
  }
  return out; }"""


def report_of(name: str) -> Report:
    """A golden report."""
    return from_json(json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))


def shown(lab: Lab, i: int = 0) -> Locator:
    """The i-th report on the page."""
    return lab.page.locator(".jp-OutputArea-output .jp-Numguard").nth(i)


def test_the_output_says_it_in_both_themes_and_after_a_reload_without_a_kernel(lab: Lab) -> None:
    """Under the cell stands the report, readable in light and dark; it is still there when the kernel is not."""
    lab.open("output.ipynb", [SETUP, "show_report(golden('torch_forward_loop'))"])
    lab.run_all()
    first = report_of("torch_forward_loop").alarms[0]
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        expect(shown(lab).get_by_role("status").first).to_contain_text("loss is NaN since In [14], line 6, step 37")
        shoot(shown(lab), f"output-{theme.lower()}")
        weak = [c for c in shown(lab).evaluate(CONTRASTS) if c[0] < 4.5]
        assert [] == weak
    assert what(first) in shown(lab).evaluate(WORDS)
    lab.save()
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    lab.page.goto(f"{lab.address}/lab/tree/output.ipynb?reset")
    lab.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=90_000)
    expect(shown(lab).get_by_role("status").first).to_contain_text("loss is NaN since In [14], line 6, step 37")
    assert [] == lab.foreign


def test_a_narrow_panel_and_a_wide_one_fit(lab: Lab) -> None:
    """From 250 pixels to the full width nothing runs out of the report's frame."""
    names = ("torch_forward_loop", "torch_update", "hostile")
    lab.open("width.ipynb", [SETUP, f"for n in {names}: show_report(golden(n))"])
    lab.run_all()
    for i in range(3):
        expect(shown(lab, i)).to_be_visible()
        for width in (250, 340, 620, 1000):
            over = shown(lab, i).evaluate(OVERFLOW, width)
            assert [] == over
            if i < 2:
                shoot(shown(lab, i), f"output-{('loop', 'update')[i]}-{width}")


@pytest.mark.parametrize("how", ["show_report(golden('hostile'))", "show_panel(golden('hostile'), history)"])
def test_a_hostile_report_runs_nothing_and_loads_nothing(lab: Lab, how: str) -> None:
    """Names, sources and paths full of markup stay text; no script runs, no request leaves the server."""
    name = f"hostile{len(how)}.ipynb"
    lab.open(name, [SETUP, how])
    lab.run_all()
    expect(shown(lab).get_by_role("status").first).to_contain_text("<img src=x onerror=")
    assert lab.page.evaluate("() => window.__hit === undefined")
    assert 0 == shown(lab).locator("img, script, iframe, object").count()
    links = shown(lab).evaluate("e => [...e.querySelectorAll('a')].map(a => a.protocol)")
    assert {"https:"} >= set(links)
    handlers = shown(lab).evaluate(
        "e => [...e.querySelectorAll('*')].flatMap(c => c.getAttributeNames()).filter(n => n.startsWith('on'))"
    )
    assert [] == handlers
    assert [] == lab.foreign


def test_an_untrusted_notebook_shows_the_words_and_runs_nothing(lab: Lab) -> None:
    """Somebody else's notebook is sanitised by JupyterLab; what must be read is still there."""
    lab.open("trusted.ipynb", [SETUP, "show_report(golden('torch_backward'))\nshow_report(golden('hostile'))"])
    lab.run_all()
    lab.save()
    text = (lab.folder / "trusted.ipynb").read_text(encoding="utf-8")
    # Any change outside JupyterLab breaks the signature: the copy is untrusted.
    (lab.folder / "foreign.ipynb").write_text(text.replace("import json", "import json  # changed"), encoding="utf-8")
    lab.open("foreign.ipynb")
    output = lab.page.locator(".jp-OutputArea-output").first
    for words in ("x.grad holds NaN", "In [8]:5", "return torch.sqrt(squares.sum())", "not verified"):
        expect(output).to_contain_text(words)
    shoot(output, "output-untrusted")
    assert lab.page.evaluate("() => window.__hit === undefined")
    assert [] == lab.foreign


GOLDEN = sorted(p.stem for p in REPORTS.glob("*.json"))


def test_the_panel_says_the_same_words_as_the_output(lab: Lab) -> None:
    """Every sentence of the HTML stands in the panel too: wording lives twice, and this keeps it one."""
    lab.open("words.ipynb", [SETUP, f"import jupyter_numguard.publish as p\nfor n in {GOLDEN!r}:\n"
             "    r = golden(n); p._display({'text/html': p.render_html(r)}); p._panel = None; show_panel(r)"])  # fmt: skip
    lab.run_all()
    expect(lab.page.locator(".jp-Numguard")).to_have_count(2 * len(GOLDEN))
    for i, name in enumerate(GOLDEN):
        html, panel = shown(lab, 2 * i), shown(lab, 2 * i + 1)
        expect(panel.get_by_role("status").first).not_to_be_empty()
        words = panel.evaluate(WORDS)
        # The table's fold of the HTML ("33 more") is a scrolling table in the panel.
        missing = [s for s in html.evaluate(SENTENCES) if s not in words and not s.endswith(" more")]
        assert (name, []) == (name, missing)


def test_the_panel_follows_the_session_and_keeps_what_the_reader_was_doing(lab: Lab) -> None:
    """A later report is drawn in place: the focus, an open fold and the filter's text stay."""
    lab.open("live.ipynb", [SETUP, "show_panel(golden('many_findings'), history)"])
    lab.run_all()
    panel = shown(lab)
    expect(panel.get_by_role("status").first).to_contain_text("loss is NaN")
    expect(panel.locator(".ng-strip li")).to_have_count(18)
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        shoot(panel, f"panel-{theme.lower()}")
        assert [] == [c for c in panel.evaluate(CONTRASTS) if c[0] < 4.5]
    fold = panel.locator("details", has_text="3 earlier steps")
    fold.locator("summary").click()
    box = panel.get_by_role("searchbox")
    box.fill("bias")
    expect(panel.locator("tbody tr")).to_have_count(10)
    change = "import dataclasses as d; r = golden('many_findings'); f = d.replace(r.findings[0], variable='loss2')\n"
    lab.page.evaluate(IN_KERNEL, change + "update_panel(d.replace(r, findings=(f, *r.findings[1:])), history[:5])")
    expect(panel.get_by_role("status").first).to_contain_text("loss2 is NaN")
    expect(panel.locator(".ng-strip li")).to_have_count(5)
    expect(box).to_be_focused()
    expect(box).to_have_value("bias")
    lab.page.evaluate(IN_KERNEL, "update_panel(golden('many_findings'), history)")
    expect(panel.get_by_role("status").first).to_contain_text("loss is NaN")
    expect(panel.locator("details[open]", has_text="3 earlier steps")).to_have_count(1)


def test_the_panel_works_from_the_keyboard(lab: Lab) -> None:
    """Sorting, choosing a variable and copying need no mouse, and say what they did."""
    lab.open("keys.ipynb", [SETUP, "show_panel(golden('torch_forward_loop'))"])
    lab.run_all()
    panel = shown(lab)
    names = panel.locator("tbody .ng-name code")
    expect(names).to_have_text(["loss", "model[2].weight", "model[0].bias"])
    panel.get_by_role("button", name="Variable").focus()
    lab.page.keyboard.press("Enter")
    expect(names).to_have_text(["loss", "model[0].bias", "model[2].weight"])
    expect(panel.get_by_role("columnheader", name="Variable")).to_have_attribute("aria-sort", "ascending")
    expect(panel.get_by_role("button", name="Variable")).to_be_focused()
    panel.get_by_role("button", name="model[0].bias").focus()
    lab.page.keyboard.press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text(what(report_of("torch_forward_loop").alarms[2]))
    expect(panel.locator("tr[aria-current]")).to_contain_text("model[0].bias")
    panel.get_by_role("button", name="Copy JSON").focus()
    lab.page.keyboard.press("Enter")
    expect(panel.get_by_role("status").last).to_have_text("Copied.")
    copied = json.loads(lab.page.evaluate("() => navigator.clipboard.readText()"))
    assert json.loads((REPORTS / "torch_forward_loop.json").read_text(encoding="utf-8")) == copied
    panel.get_by_role("button", name="Copy Markdown").click()
    expect(panel.get_by_role("status").last).to_have_text("Copied.")
    assert lab.page.evaluate("() => navigator.clipboard.readText()").startswith("**model\\[0\\].bias holds NaN**")


def test_a_finite_trace_is_one_quiet_line(lab: Lab) -> None:
    """Nothing alarms: one line says how much was looked at, below it what could not be seen."""
    lab.open("finite.ipynb", [SETUP, "show_report(golden('finite'))"])
    lab.run_all()
    expect(shown(lab).get_by_role("status").first).to_have_text("✓ " + finite_line(report_of("finite")))
    expect(shown(lab)).to_contain_text("not checked: qweight (quantised tensor)")
    shoot(shown(lab), "output-finite")
