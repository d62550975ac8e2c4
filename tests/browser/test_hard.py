"""Much, and hostile: 300 findings, 500 executions, names that are markup, strings of a megabyte."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Lab
from .pictures import shoot
from .test_sidebar import LOAD

pytestmark = pytest.mark.browser

# Runs code in the notebook's kernel, one execution after the other.
RUN = """async codes => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  for (const code of codes) { await kernel.requestExecute({code, store_history: true}).done; } }"""

HOSTILE = """import numpy as np
class Trap(dict): pass
bad = np.array([np.nan]) / 1
box = Trap()
box["<img src=x onerror=window.__hit=1>"] = np.log(np.zeros(1))
box["</script><script>window.__hit=1</script>"] = np.log(np.zeros(1))
box["\\u202egnp.exe \\x07\\x1b[31m"] = np.log(np.zeros(1))
box["x" * 1_000_000] = np.log(np.zeros(1)); box["</style><b onmouseover=window.__hit=1>"] = np.log(np.zeros(1))"""


def test_300_findings_and_500_executions(lab: Lab) -> None:
    """The panel draws them all, the filter reaches each, and the history holds the last 500."""
    lab.open("many.ipynb", [LOAD, "pass"])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text("finite (")
    many = "%%numguard\nmany = {f'v{i}': np.log(np.zeros(i % 7 + 1)) for i in range(300)}"
    lab.page.evaluate(RUN, [*(f"n = {i}" for i in range(500)), many])
    expect(lab.panel.locator("tbody tr")).to_have_count(300)
    expect(lab.panel.locator(".ng-strip li")).to_have_count(500)
    lab.panel.get_by_role("searchbox").fill("v29")
    expect(lab.panel.locator("tbody tr")).to_have_count(11)
    shoot(lab.page, "many")


def test_hostile_names_and_sources_run_nothing(lab: Lab) -> None:
    """Names, sources and outputs full of markup, control and direction characters stay text, in panel, marks and outputs."""
    lab.open("hostile-live.ipynb", ["%load_ext jupyter_numguard", "%%numguard\n" + HOSTILE])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text("since In [2]")
    expect(lab.panel).to_contain_text("<img src=x onerror=")
    expect(lab.panel).to_contain_text(r"\u202e")
    for mark in lab.page.locator(".cm-lintRange").all():
        mark.hover()
    tooltip = lab.page.locator(".cm-tooltip-lint")
    expect(tooltip).to_contain_text("onmouseover=")
    assert 0 == tooltip.locator("img, script").count()
    lab.page.mouse.move(5, 5)  # away: it covers the panel
    expect(tooltip).to_have_count(0)
    for name in lab.panel.locator("tbody button").all():
        name.click()
    shoot(lab.page, "hostile")
    places = lab.page.locator(".jp-Numguard, .cm-tooltip-lint")
    assert 0 == places.locator("img, script, iframe, object, [onerror], [onmouseover]").count()
    assert lab.page.evaluate("() => window.__hit === undefined")
    over = lab.panel.evaluate("e => e.scrollWidth - e.clientWidth")
    assert 0 == over
    assert [] == lab.foreign
