"""The notebooks as a reader runs them: real JupyterLab, Run All, and the reports, pictures and panel that appear.

A few are run here, one per framework; with NUMGUARD_SHOTS (a folder for pictures) all are. `scripts/screenshots.py` makes
the README's pictures with this file.
"""

from __future__ import annotations

import json
import shutil

import pytest
from playwright.sync_api import expect

from .conftest import ROOT, Lab
from .pictures import SHOTS, shoot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ALL = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
CHOSEN = ALL if SHOTS else ["c1-invalid-domain", "c4-degenerate-reduction", "c9-misuse"]
# The first words of the last code cell's prompt, once it has its number and the kernel rests.
DONE = """() => { const w = window.jupyterapp.shell.currentWidget;
  const code = w.content.widgets.filter(c => c.model.type === 'code');
  return code.every(c => c.model.executionCount > 0 && !c.model.isDirty)
    && w.sessionContext.session.kernel.status === 'idle'; }"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(c => c.model.type === 'code'
  ? c.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue) : [])"""
HEIGHT = """() => { const w = window.jupyterapp.shell.currentWidget.content;
  return Math.ceil(w.widgets.reduce((sum, cell) => sum + cell.node.getBoundingClientRect().height, 0)); }"""
REPORTS = """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(c => c.model.type === 'code'
  ? c.model.outputs.toJSON().filter(o => 'application/vnd.numguard.report+json' in (o.data ?? {})
    && !('application/vnd.jupyter.widget-view+json' in o.data)) : []).length"""


def open_story(lab: Lab, name: str) -> None:
    """A copy of the notebook without outputs, open in JupyterLab."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    (lab.folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    shutil.copy(ROOT / "notebooks" / "exercise.py", lab.folder)
    lab.open(f"{name}.ipynb")


def run_to_the_end(lab: Lab) -> None:
    """Run All, with the time that a framework's import takes on a busy machine."""
    lab.command("notebook:run-all-cells")
    lab.page.wait_for_function(DONE, timeout=300_000)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_story_runs_to_its_end_and_shows_its_reports(lab: Lab, name: str) -> None:
    """Every cell runs without an error, each report is drawn, and the side panel tells what was found first."""
    open_story(lab, name)
    lab.command("numguard:open")
    run_to_the_end(lab)

    assert [] == lab.page.evaluate(ERRORS)
    reports = lab.page.evaluate(REPORTS)
    assert reports >= 3
    expect(lab.panel.locator(".ng-strip .ng-nonfinite").first).to_be_attached()
    lab.page.set_viewport_size({"width": 1400, "height": lab.page.evaluate(HEIGHT) + 200})  # all of it is drawn
    expect(lab.cells.locator(".jp-Numguard-output > .jp-Numguard")).to_have_count(reports)
    pictures = lab.cells.locator(".jp-OutputArea-output img")
    if name != "quickstart":
        expect(pictures.first).to_be_visible()
    assert all(width > 0 for width in pictures.evaluate_all("l => l.map(e => e.naturalWidth)"))
    lab.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").evaluate("e => { e.scrollTop = 0; }")
    shoot(lab.page, name)


@pytest.mark.skipif(not SHOTS, reason="pictures for the README: scripts/screenshots.py")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_for_the_readme(lab: Lab, theme: str) -> None:
    """The cell that failed, its report, and the side panel."""
    lab.page.set_viewport_size({"width": 1400, "height": 960})
    open_story(lab, "quickstart")
    lab.theme(f"JupyterLab {theme.capitalize()}")
    lab.command("application:toggle-left-area")
    lab.command("numguard:open")
    run = """async () => { const w = window.jupyterapp.shell.currentWidget; const c = w.content;
      c.activeCellIndex = c.widgets.findIndex(x => x.model.id === 'backward');
      await window.jupyterapp.commands.execute('notebook:run-all-above');
      await window.jupyterapp.commands.execute('notebook:run-cell'); }"""
    lab.page.evaluate(run)
    lab.page.wait_for_function(lab.IDLE)
    cell = lab.cells.filter(has_text="positions.grad").first
    expect(cell.locator(".jp-OutputArea-output").last).to_be_visible()
    expect(lab.status).to_contain_text("positions.grad")
    edge = lab.panel.bounding_box()
    assert edge is not None
    lab.page.mouse.move(edge["x"] - 2, 400)  # the panel is made wider by its edge
    lab.page.mouse.down()
    lab.page.mouse.move(edge["x"] - 140, 400, steps=5)
    lab.page.mouse.up()
    cell.scroll_into_view_if_needed()
    lab.page.wait_for_timeout(1_000)  # the panel's picture and the editor's squiggle are drawn after the status
    shoot(lab.page, f"panel-{theme}")
