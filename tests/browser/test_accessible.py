"""For everybody: axe-core's rules in three themes, keyboard only, a live region, a narrow panel."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import ROOT, Lab
from .pictures import shoot
from .test_sidebar import LOAD, RATIO

pytestmark = pytest.mark.browser

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async selector => (await axe.run(selector)).violations.filter(v => ["serious", "critical"].includes(v.impact))
  .map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + n.failureSummary).join(" | "))"""
FOCUSED = "() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent; }"
FINDINGS = [
    LOAD,
    RATIO,
    "%%numguard\n" + "\n".join(f"v{i} = np.log(np.zeros(2))" for i in range(12)),
    "%numguard mute v3",
]


def serious(lab: Lab, selector: str) -> list[str]:
    """Serious and critical violations in the element."""
    lab.page.add_script_tag(path=str(AXE))
    found: list[str] = lab.page.evaluate(SERIOUS, selector)
    return found


@pytest.mark.parametrize("theme", ["Light", "Dark", "Dark High Contrast"])
def test_axe_finds_nothing_serious(lab: Lab, theme: str) -> None:
    """No serious or critical violation: findings, muted variables, folds, the stored output; the empty panel too."""
    lab.open(f"axe-{theme}.ipynb", FINDINGS)
    lab.theme(f"JupyterLab {theme}")
    lab.command("numguard:open")
    expect(lab.panel).to_contain_text("numguard is not loaded")
    assert [] == serious(lab, "#jupyter-numguard-panel")
    lab.run_all()
    expect(lab.panel).to_contain_text("Muted")
    expect(lab.status).to_contain_text("holds")
    lab.panel.get_by_role("button", name="ratio", exact=True).click()
    shoot(lab.page, f"theme-{theme.lower().replace(' ', '-')}")
    assert [] == serious(lab, "#jupyter-numguard-panel")
    assert [] == serious(lab, ".jp-OutputArea-output .jp-Numguard")


def test_forced_colours(lab: Lab) -> None:
    """In the system's high-contrast mode marks and states are still told apart: by text and shape."""
    lab.page.emulate_media(forced_colors="active")
    lab.open("forced.ipynb", FINDINGS)
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.status).to_contain_text("✕")
    shoot(lab.page, "theme-forced")
    words = lab.panel.locator(".ng-strip li").evaluate_all("l => l.map(e => e.textContent)")
    assert ["In [1]: not checked", "In [2]: non-finite", "In [3]: non-finite", "In [4]: finite"] == words


def test_keyboard_only(lab: Lab) -> None:
    """Open, choose a variable, walk the history, go to the line, apply, come back: without a mouse."""
    lab.open("keyboard.ipynb", FINDINGS[:3])
    lab.run_all()
    lab.page.keyboard.press("Control+Alt+g")
    expect(lab.status).to_contain_text("holds")

    def tab_to(name: str) -> None:
        for _ in range(60):
            if name in (said() or ""):
                return
            lab.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {name!r}")

    def said() -> str | None:
        text: Any = lab.page.evaluate(FOCUSED)
        return text  # type: ignore[no-any-return]

    lab.page.wait_for_function(
        "() => document.querySelector('#jupyter-numguard-panel').contains(document.activeElement)"
    )
    tab_to("In [3]: non-finite")
    lab.page.keyboard.press("ArrowLeft")
    assert "In [2]: non-finite" == said()
    tab_to("ratio")
    lab.page.keyboard.press("Enter")
    expect(lab.status).to_contain_text("ratio holds NaN")
    tab_to("Apply…")
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator(".jp-Dialog")).to_be_visible()
    lab.page.keyboard.press("Escape")
    expect(lab.page.locator(".jp-Dialog")).to_have_count(0)
    lab.panel.get_by_role("button", name="Go to In [2]:4").focus()
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.activeCell.editor?.hasFocus()")
    assert [1, 4] == lab.cursor()
    lab.page.keyboard.press("Control+Alt+g")
    lab.page.wait_for_function(
        "() => document.querySelector('#jupyter-numguard-panel').contains(document.activeElement)"
    )
    lab.page.keyboard.press("Escape")
    assert lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.node.contains(document.activeElement)")


def test_the_panel_fits_in_250_pixels(lab: Lab) -> None:
    """At 250 pixels nothing runs out of the panel."""
    lab.open("narrow.ipynb", FINDINGS)
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.panel).to_contain_text("Muted")
    lab.panel.get_by_role("button", name="ratio", exact=True).click()
    over = lab.panel.evaluate("""e => { e.style.width = '250px'; const edge = e.getBoundingClientRect().left + 251;
      return [...e.querySelectorAll('*')].filter(c => !c.closest('svg, .ng-strip, .ng-hidden')
        && c.getBoundingClientRect().right > edge).map(c => c.tagName + ' ' + c.className); }""")
    shoot(lab.panel, "narrow")
    assert [] == over
