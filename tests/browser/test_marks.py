"""Marks where the code is: squiggle, message, quick fix, a bar beside the cell."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Lab
from .pictures import shoot
from .test_sidebar import FIXED, LOAD, RATIO

pytestmark = pytest.mark.browser

CHANGE = """([from, to, text]) =>
  window.jupyterapp.shell.currentWidget.content.model.cells.get(1).sharedModel.updateSource(from, to, text)"""
BAR = "e => getComputedStyle(e.querySelector('.jp-InputArea')).boxShadow !== 'none'"


def test_the_guilty_expression_is_underlined_and_mended(lab: Lab) -> None:
    """The expression has a squiggle, its cell a bar; hovering says why; the quick fix writes the proposal."""
    lab.open("squiggle.ipynb", [LOAD, RATIO])
    lab.run_all()
    cell = lab.cells.nth(1)
    mark = cell.locator(".cm-lintRange")
    expect(mark).to_have_text("a / b")
    assert cell.evaluate(BAR)
    assert not lab.cells.first.evaluate(BAR)
    mark.hover()
    tooltip = lab.page.locator(".cm-tooltip-lint")
    expect(tooltip).to_contain_text("ratio holds NaN: div (numpy.divide) made 1 NaN of 3 elements")
    expect(tooltip).to_contain_text("NG102 division-by-zero")
    shoot(lab.page, "squiggle")
    tooltip.get_by_role("button", name="Apply…").click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Apply").click()
    expect(mark).to_have_count(0)
    assert FIXED == lab.sources()[1]
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[2]:")


def test_marks_follow_the_text(lab: Lab) -> None:
    """Lines put above move the mark along; a changed expression loses it, and gets it again when it is changed back."""
    lab.open("moving.ipynb", [LOAD, RATIO])
    lab.run_all()
    mark = lab.cells.nth(1).locator(".cm-lintRange")
    expect(mark).to_have_text("a / b")
    at = RATIO.index("a = np")
    lab.page.evaluate(CHANGE, [at, at, "# a comment\n\n"])
    expect(mark).to_have_text("a / b")
    at = lab.sources()[1].index("a / b")
    lab.page.evaluate(CHANGE, [at, at + 1, "c"])
    expect(mark).to_have_count(0)
    lab.page.evaluate(CHANGE, [at, at + 1, "a"])
    expect(mark).to_have_text("a / b")


@pytest.mark.parametrize("mode", ["contentVisibility", "full", "defer", "none"])
def test_marks_in_every_windowing_mode(lab: Lab, mode: str) -> None:
    """However JupyterLab draws long notebooks, a cell that is scrolled to has its mark; going there from far away works."""
    fill = ["\n".join(f"# {i}.{j}" for j in range(30)) for i in range(40)]
    lab.settings_of("@jupyterlab/notebook-extension:tracker", windowingMode=mode)
    try:
        lab.open(f"window-{mode}.ipynb", [LOAD, *fill, RATIO, *fill])
        lab.command("numguard:open")
        for index in (0, 41):
            lab.run(index)
        expect(lab.status).to_contain_text("ratio holds NaN since In [2], line 4")
        lab.save()
        lab.page.goto(f"{lab.address}/lab/tree/window-{mode}.ipynb")
        lab.ready()
        lab.command("numguard:open")
        expect(lab.status).to_contain_text("ratio holds NaN")
        lab.panel.get_by_role("button", name="Go to In [2]:4").click()
        expect(lab.page.locator(".cm-lintRange")).to_have_text("a / b")
        expect(lab.page.locator(".cm-lintRange")).to_be_in_viewport()
        assert [41, 4] == lab.cursor()
        expect(lab.page.locator(".jp-mod-numguard")).to_have_count(1)
    finally:
        lab.settings_of("@jupyterlab/notebook-extension:tracker")
