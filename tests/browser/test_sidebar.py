"""The side panel and the marks in the notebook: real JupyterLab, a real kernel with numguard in it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Lab
from .pictures import shoot

pytestmark = pytest.mark.browser

LOAD = "%load_ext jupyter_numguard\nimport numpy as np"
RATIO = "%%numguard\na = np.zeros(3)\nb = np.arange(3.0)\nratio = a / b"


def test_the_panel_names_variable_line_and_rule(lab: Lab) -> None:
    """A cell makes a NaN: within two seconds of its end the panel says what, where and why."""
    lab.open("sidebar.ipynb", [LOAD, RATIO])
    lab.command("numguard:open")
    lab.run_all()
    expect(lab.panel.get_by_role("status").filter(has_text="ratio holds NaN since In [2], line 4")).to_be_visible(
        timeout=2_000
    )
    expect(lab.panel.get_by_text("NG1", exact=False).first).to_be_visible()
    shoot(lab.page, "sidebar")
