"""What loading numguard imports: nothing heavy, and never a framework that the user did not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "tensorflow", "keras", "pandas", "scipy", "matplotlib")

_PROGRAM = """
import json, sys
for module in {heavy}:
    assert module not in sys.modules, f"{{module}} was there before the program began"
{body}
print("\\nloaded: " + json.dumps([m for m in {heavy} if m in sys.modules]))
"""

_IN_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
for cell in {cells!r}:
    shell.run_cell(cell, store_history=True).raise_error()
"""

WATCHED_AND_TRACED = (
    "%load_ext jupyter_numguard",
    "import numpy as np\nvalues = np.arange(3.0)",
    "ratio = values / values",
    "%%numguard\nlogarithm = np.log(values)",
    "%numguard status",
    "%numguard report ratio",
)


def heavy_modules_after(body: str, folder: Path) -> list[str]:
    """Which of HEAVY a fresh interpreter has imported after `body`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(heavy=HEAVY, body=body)],
        env={**os.environ, "IPYTHONDIR": str(folder)}, cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition("\nloaded: ")[2])


def in_notebook(*cells: str) -> str:
    """The program that runs `cells` on a real IPython shell and fails where one of them fails."""
    return _IN_NOTEBOOK.format(cells=cells)


def test_import_is_light(tmp_path: Path) -> None:
    """`import jupyter_numguard` imports no framework, no pandas, scipy or matplotlib."""
    assert heavy_modules_after("import jupyter_numguard", tmp_path) == []


def test_load_ext_is_light(tmp_path: Path) -> None:
    """`%load_ext jupyter_numguard` and the public names import nothing heavy."""
    names = "from jupyter_numguard import check, last_report, trace, NumguardError, Report"
    assert heavy_modules_after(in_notebook("%load_ext jupyter_numguard", names), tmp_path) == []


def test_numpy_notebook_gets_no_framework(tmp_path: Path) -> None:
    """Watching, tracing and reporting NaNs in a notebook that imports numpy only imports no other framework."""
    assert heavy_modules_after(in_notebook(*WATCHED_AND_TRACED), tmp_path) == []


@pytest.mark.parametrize("module", ["pandas", "torch"])
def test_these_tests_can_fail(module: str, tmp_path: Path) -> None:
    """The checker of this file does see a heavy import, in a plain program and among notebook cells."""
    assert module in heavy_modules_after(f"import jupyter_numguard, {module}", tmp_path)
    cells = [*WATCHED_AND_TRACED[:2], f"import {module}", *WATCHED_AND_TRACED[2:]]
    assert module in heavy_modules_after(in_notebook(*cells), tmp_path)
