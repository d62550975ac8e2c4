"""The side panel in real JupyterLab, with a real kernel that has numguard in it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Lab
from .pictures import shoot

pytestmark = pytest.mark.browser

LOAD = "%load_ext jupyter_numguard\nimport numpy as np\nimport warnings; warnings.simplefilter('ignore')"
RATIO = "%%numguard\na = np.zeros(3)\nb = np.arange(3.0)\nratio = a / b"
FIXED = "%%numguard\na = np.zeros(3)\nb = np.arange(3.0)\nratio = a / np.where(b == 0, 1e-12, b)"
SAID = "ratio holds NaN since In [2], line 4"
SOON = 2_000  # ms after the cell's end

# The sentences of a report, wherever it stands.
FACTS = """e => [...e.querySelectorAll(
    ".ng-status, tbody td, .ng-chain code, .ng-q, .ng-made, .ng-chip, .ng-section p, .ng-diff")]
  .filter(c => !c.closest(".ng-notes, .ng-first")).map(c => c.textContent.replace(/\\s+/g, ' ').trim())"""


def nothing_non_finite(report: Locator) -> None:
    """Wait until the report says that all is finite."""
    expect(report.locator("[role=status]").first).to_contain_text("finite (")
    expect(report.locator(".ng-status")).to_have_count(0)


def test_panel_widget_and_output_show_the_same(lab: Lab) -> None:
    """A cell makes a NaN: within two seconds the panel says what, where and why, as the widget and the output do."""
    lab.open("same.ipynb", [LOAD, RATIO, "%numguard report"])
    lab.command("numguard:open")
    lab.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID, timeout=SOON)
    expect(lab.panel.get_by_text("NG102 division-by-zero")).to_be_visible(timeout=SOON)
    output, widget = (lab.cells.nth(i).locator(".jp-OutputArea-output .jp-Numguard") for i in (1, 2))
    expect(widget).to_be_visible()
    facts = lab.panel.locator(".jp-Numguard").evaluate(FACTS)
    assert 10 < len(facts)
    assert facts == output.evaluate(FACTS)
    assert facts == widget.evaluate(FACTS)
    shoot(lab.page, "sidebar")
    assert [] == lab.foreign


def test_go_to_the_line_apply_undo_and_run_again(lab: Lab) -> None:
    """A click goes to cell and line; Apply writes exactly the proposal, one undo takes it back; a run without NaN clears all."""
    lab.open("apply.ipynb", [LOAD, RATIO, "%numguard report", "pass"])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID)
    lab.go_to("In [2]:3")
    assert [1, 3] == lab.cursor()

    lab.panel.get_by_role("button", name="Apply…").click()
    dialog = lab.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("+ ratio = a / np.where(b == 0, 1e-12, b)")
    shoot(lab.page, "apply-preview")
    assert RATIO == lab.sources()[1]
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_have_count(0)
    assert FIXED == lab.sources()[1]
    expect(lab.cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[2]:")
    expect(lab.panel.get_by_text("A cell was edited since it ran")).to_be_visible()
    expect(lab.panel.get_by_role("button", name="Apply…")).to_be_disabled()
    lab.page.keyboard.press("Control+z")
    assert RATIO == lab.sources()[1]
    expect(lab.panel.get_by_role("button", name="Apply…")).to_be_enabled()
    lab.page.keyboard.press("Control+Shift+z")
    assert FIXED == lab.sources()[1]

    lab.page.keyboard.press("Control+Enter")
    nothing_non_finite(lab.panel.locator(".jp-Numguard"))
    nothing_non_finite(lab.cells.nth(1).locator(".jp-OutputArea-output .jp-Numguard"))
    nothing_non_finite(lab.cells.nth(2).locator(".jp-OutputArea-output .jp-Numguard"))
    expect(lab.page.locator(".jp-mod-numguard, .cm-lintRange")).to_have_count(0)
    expect(lab.page.get_by_role("button", name="numguard: ✓ finite")).to_be_visible()
    shoot(lab.page, "after-the-fix")


def test_the_panel_follows_the_notebook_in_front(lab: Lab) -> None:
    """With two notebooks open the panel shows the one in front, and each again as it was left."""
    lab.open("first.ipynb", [LOAD, RATIO])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID)
    lab.write("second.ipynb", [LOAD, "%%numguard\nscale = np.log(np.zeros(2))"])
    lab.command("docmanager:open", path="second.ipynb")
    expect(lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")).to_contain_text("scale")
    lab.page.wait_for_function(lab.IDLE)
    expect(lab.panel).to_contain_text("numguard is not loaded in this notebook")
    lab.run_all()
    expect(lab.status).to_contain_text("scale holds -Inf since In [2], line 2")
    lab.command("docmanager:open", path="first.ipynb")
    expect(lab.panel.locator("h2")).to_contain_text("first.ipynb")
    expect(lab.status).to_contain_text(SAID)
    lab.command("docmanager:open", path="second.ipynb")
    expect(lab.status).to_contain_text("scale holds -Inf")


def test_a_page_reload_finds_the_session_again(lab: Lab) -> None:
    """After a reload the panel shows the running session: findings, history, marks."""
    lab.open("reload.ipynb", [LOAD, RATIO, "1"])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID)
    lab.save()
    lab.page.goto(f"{lab.address}/lab/tree/reload.ipynb")
    lab.ready()
    lab.command("numguard:open")
    expect(lab.status).to_contain_text(SAID)
    expect(lab.panel.locator(".ng-strip li")).to_have_count(3)
    expect(lab.panel.get_by_text("stored in this notebook")).to_have_count(0)
    expect(lab.cells.nth(1).locator(".cm-lintRange")).to_have_text("a / b")


def test_restart_and_the_way_back(lab: Lab) -> None:
    """After a restart the panel says that numguard is not loaded, shows the stored report, and offers to load it."""
    lab.open("restart.ipynb", [LOAD, RATIO])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID)
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(lab.panel).to_contain_text("The kernel was restarted; numguard is not loaded in it.")
    expect(lab.panel).to_contain_text("Below: the last report stored in this notebook, of In [2].")
    expect(lab.status).to_contain_text(SAID)
    shoot(lab.panel, "restarted")
    lab.page.wait_for_function(lab.IDLE)
    lab.panel.get_by_role("button", name="Insert %load_ext jupyter_numguard").click()
    assert "%load_ext jupyter_numguard" == lab.sources()[0]
    expect(lab.cells.first.locator(".jp-InputPrompt")).to_have_text("[ ]:")
    lab.run_all()
    expect(lab.status).to_contain_text("ratio holds NaN since In [3], line 4")


DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_a_kernel_that_dies_and_is_started_again(lab: Lab) -> None:
    """Killed, and started again by the server: the panel says so, and is alive again when numguard is loaded."""
    lab.open("killed.ipynb", [LOAD, RATIO, DIE], "mortal")
    lab.command("numguard:open")
    lab.run(0)
    lab.run(1)
    expect(lab.status).to_contain_text(SAID)
    lab.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2; }")
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-cell')")
    expect(lab.panel).to_contain_text("The kernel died and was started again; numguard is not loaded in it.")
    expect(lab.panel).to_contain_text("Below: the last report stored in this notebook, of In [2].")
    expect(lab.status).to_contain_text(SAID)
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
    lab.page.wait_for_function(lab.IDLE)
    lab.run(0)
    lab.run(1)
    expect(lab.panel.get_by_text("The kernel died")).to_have_count(0)
    expect(lab.status).to_contain_text(SAID)


def test_a_dead_kernel(lab: Lab) -> None:
    """Killed, and it cannot be started: the panel says dead, shows what is stored, and comes back after a restart."""
    lab.open("dead.ipynb", [LOAD, RATIO, DIE], "mortal")
    lab.command("numguard:open")
    lab.run(0)
    lab.run(1)
    expect(lab.status).to_contain_text(SAID)
    stop = lab.folder / "no-start"
    stop.touch()
    try:
        lab.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2; }")
        lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-cell')")
        expect(lab.panel).to_contain_text("The kernel died. Restart it and run the cells again.")
    finally:
        stop.unlink()
    expect(lab.panel).to_contain_text("Below: the last report stored in this notebook, of In [2].")
    shoot(lab.page, "dead")
    # JupyterLab tells of the death once more for every failed start, at any time.
    lab.page.add_locator_handler(
        lab.page.locator(".jp-Dialog"), lambda dialog: dialog.get_by_role("button", name="Ok").click()
    )
    lab.go_to("In [2]:3")
    assert [1, 3] == lab.cursor()
    lab.panel.get_by_role("button", name="Copy JSON").click()
    expect(lab.panel.get_by_text("Copied.")).to_be_attached()
    lab.command("notebook:restart-kernel")  # there is none to lose: JupyterLab does not ask
    expect(lab.panel.get_by_text("The kernel died.")).to_have_count(0)
    lab.page.wait_for_function(lab.IDLE)
    lab.run(0)
    lab.run(1)
    expect(lab.status).to_contain_text(SAID)
    expect(lab.panel.get_by_text("stored in this notebook")).to_have_count(0)


def test_reopened_without_its_kernel(lab: Lab) -> None:
    """A notebook that is opened later, its kernel gone, shows what is stored in it, and says so."""
    lab.open("later.ipynb", [LOAD, RATIO])
    lab.run_all()
    expect(lab.cells.nth(1).locator(".jp-OutputArea-output .jp-Numguard").first).to_be_visible()
    lab.save()
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("This notebook has no kernel.")
    expect(lab.status).to_contain_text(SAID)
    lab.open("later.ipynb")
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("numguard is not loaded in this notebook.")
    expect(lab.panel).to_contain_text("Below: the last report stored in this notebook, of In [2].")
    expect(lab.status).to_contain_text(SAID)
    expect(lab.cells.nth(1).locator(".jp-OutputArea-output")).not_to_contain_text("Task was destroyed")


def test_without_a_notebook_and_without_numguard(lab: Lab) -> None:
    """No notebook, and a notebook that does not use numguard: said in words, and the kernel is left alone."""
    lab.open("plain.ipynb", ["1 + 1"])
    lab.run_all()
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("numguard is not loaded in this notebook.")
    assert 0 == lab.page.evaluate("""async () => { const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
      return Object.keys((await session.kernel.requestCommInfo({target_name: 'numguard'})).content.comms).length; }""")
    shoot(lab.panel, "absent")
    lab.save()
    lab.command("application:close")
    expect(lab.panel).to_contain_text("No notebook is open.")


SLEEP = "import time; time.sleep(120)"


def test_run_all_while_the_kernel_is_busy(lab: Lab) -> None:
    """Loaded in a Run All, numguard is reached within two seconds, not after the cells that wait behind."""
    lab.open("busy.ipynb", [LOAD, RATIO, SLEEP, "after = 1"])
    lab.command("numguard:open")
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(lab.cells.nth(1).locator(".jp-OutputArea-output .jp-Numguard")).to_be_visible()
    expect(lab.status).to_contain_text(SAID, timeout=SOON)
    expect(lab.panel).to_contain_text("A cell is running; what stands here is from before.")
    lab.interrupt()
    expect(lab.panel.get_by_text("A cell is running")).to_have_count(0, timeout=SOON)


def test_a_page_opened_while_a_cell_runs(lab: Lab) -> None:
    """The session is reached on a thread of its own while the cell runs, which is said; its end is told at once."""
    lab.open("late.ipynb", [LOAD, RATIO, "1", f"{SLEEP}\nlate = np.log(np.zeros(2))"])
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(lab.cells.nth(1).locator(".jp-OutputArea-output .jp-Numguard")).to_be_visible()
    lab.save()
    lab.page.goto(f"{lab.address}/lab/tree/late.ipynb")
    lab.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=90_000)
    lab.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("A cell is running")
    expect(lab.status).to_contain_text(SAID)
    expect(lab.panel.locator(".ng-strip li")).to_have_count(3, timeout=10_000)  # JupyterLab sends nothing for 3 s
    expect(lab.panel).to_contain_text("A cell is running; what stands here is from before.")
    shoot(lab.panel, "late")
    lab.interrupt()
    expect(lab.panel.locator(".ng-strip li")).to_have_count(4, timeout=SOON)
    expect(lab.panel.get_by_text("A cell is running")).to_have_count(0)


def test_mute_watch_and_the_history(lab: Lab) -> None:
    """Mute and unmute by a click; the watch off and on by a command; cells that ran meanwhile are 'not checked'."""
    lab.open("switches.ipynb", [LOAD, RATIO, "early = 1", "late = np.log(np.zeros(2))"])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text("holds")
    expect(lab.panel.locator("tbody tr")).to_have_count(2)
    lab.panel.get_by_role("button", name="late", exact=True).click()
    lab.panel.get_by_role("button", name="Mute", exact=True).click()
    expect(lab.panel.locator("tbody tr")).to_have_count(1)
    lab.panel.get_by_role("button", name="Unmute").click()
    expect(lab.panel.locator("tbody tr")).to_have_count(2)
    lab.command("numguard:toggle-watch")
    expect(lab.panel).to_contain_text("The watch is off")
    lab.run(2)
    lab.panel.get_by_role("button", name="Watch").click()
    expect(lab.panel.get_by_text("The watch is off")).to_have_count(0)
    lab.run(2)
    states = lab.panel.locator(".ng-strip li")
    expect(states).to_have_count(6)
    assert ["unchecked", "nonfinite", "finite", "nonfinite", "unchecked", "finite"] == [
        c.removeprefix("ng-") for c in states.evaluate_all("l => l.map(e => e.className)")
    ]
    shoot(lab.panel, "history")
    lab.panel.get_by_role("button", name="First bad cell: In [2]").click()
    assert 1 == lab.cursor()[0]


def test_commands_and_settings(lab: Lab) -> None:
    """Trace this cell, next and previous, status bar, shortcuts; open on finding and marks as settings say."""
    lab.settings(openOnFinding=True)
    lab.open("commands.ipynb", [LOAD, "x = np.log(np.zeros(2))\ny = np.zeros(2) / np.zeros(2)"])
    lab.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
    lab.command("numguard:trace-cell")
    lab.command("numguard:trace-cell")
    assert "%%numguard\nx = np.log(np.zeros(2))\ny = np.zeros(2) / np.zeros(2)" == lab.sources()[1]
    lab.run_all()
    expect(lab.panel).to_be_visible()
    for key, said, line in (
        ("Alt+F8", "x holds -Inf", 2),
        ("Alt+F8", "y holds NaN", 3),
        ("Alt+Shift+F8", "x holds -Inf", 2),
    ):
        lab.page.keyboard.press(key)
        expect(lab.status).to_contain_text(said)
        lab.page.wait_for_function("l => window.jupyterapp.shell.currentWidget.content.activeCell.editor"
                                   ".getCursorPosition().line + 1 === l", arg=line)  # fmt: skip
    expect(lab.page.locator(".cm-lintRange")).to_have_text(["np.log(np.zeros(2))", "np.zeros(2) / np.zeros(2)"])
    lab.save()
    lab.settings(marks=False)
    lab.page.goto(f"{lab.address}/lab/tree/commands.ipynb")
    lab.ready()
    lab.page.get_by_role("button", name="numguard: ✕ 2 non-finite").click()
    expect(lab.status).to_contain_text("x holds -Inf")
    expect(lab.page.locator(".cm-lintRange, .jp-mod-numguard")).to_have_count(0)


def test_a_button_pressed_while_a_report_comes_is_clicked(lab: Lab) -> None:
    """A cell that ends between press and release of the pointer does not take the click away; what it said is drawn after."""
    lab.open("press.ipynb", [LOAD, RATIO, FIXED])
    lab.command("numguard:open")
    lab.run(0)
    lab.run(1)
    expect(lab.panel).to_contain_text("ratio")
    lab.panel.get_by_role("button", name="Copy JSON").hover()
    lab.page.mouse.down()
    lab.run(2)
    lab.page.wait_for_timeout(SOON)  # the panel would have been drawn by now
    lab.page.mouse.up()
    expect(lab.panel.get_by_text("Copied.")).to_be_attached()
    nothing_non_finite(lab.panel.locator(".jp-Numguard"))


def test_copied_json_is_the_report(lab: Lab) -> None:
    """What the side panel copies is a report of the same schema as the stored one."""
    lab.open("copy.ipynb", [LOAD, RATIO])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text(SAID)
    lab.panel.get_by_role("button", name="Copy JSON").click()
    expect(lab.panel.get_by_text("Copied.")).to_be_attached()
    copied = json.loads(lab.page.evaluate("() => navigator.clipboard.readText()"))
    stored = lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1)"
                               ".outputs.get(0).data['application/vnd.numguard.report+json']")  # fmt: skip
    assert stored["findings"] == copied["findings"]
