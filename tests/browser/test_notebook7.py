"""Notebook 7 loads the same extension: panel, marks, stored output, apply."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Lab
from .pictures import shoot
from .test_sidebar import FIXED, LOAD, RATIO, SAID

pytestmark = pytest.mark.browser


def test_notebook_7(lab: Lab) -> None:
    """Panel, mark, go to the line, Apply, run again, reload: as in JupyterLab."""
    lab.write("seven.ipynb", [LOAD, RATIO])
    lab.page.goto(f"{lab.address}/notebooks/seven.ipynb")
    lab.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    lab.page.wait_for_function(lab.IDLE)
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("numguard is not loaded in this notebook")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID, timeout=2_000)
    expect(lab.page.locator(".cm-lintRange")).to_have_text("a / b")
    expect(lab.cells.nth(1).locator(".jp-OutputArea-output .jp-Numguard")).to_contain_text(SAID)
    shoot(lab.page, "notebook7")
    lab.panel.get_by_role("button", name="Go to In [2]:3").click()
    lab.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.activeCell.editor?.hasFocus()")
    assert [1, 3] == lab.cursor()
    lab.panel.get_by_role("button", name="Apply…").click()
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Apply").click()
    expect(lab.page.locator(".jp-Dialog")).to_have_count(0)
    assert FIXED == lab.sources()[1]
    lab.run_all()
    expect(lab.panel.locator(".ng-status")).to_have_count(0)
    expect(lab.status).to_contain_text("finite (")
    lab.page.reload()
    lab.page.wait_for_function(lab.IDLE)
    lab.command("numguard:open")
    expect(lab.status).to_contain_text("finite (")
    assert [] == lab.foreign
