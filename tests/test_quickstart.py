"""The quickstart: `make demo` runs it in a real kernel, and its committed outputs are those of a real run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
EXECUTED = ROOT / "out" / "quickstart.executed.ipynb"
REPORT = "application/vnd.numguard.report+json"

pytestmark = pytest.mark.kernel

# (cell id, variable, operation, line in the cell that made it, phase): what each story is about.
STORIES = [
    ("scale", "scaled", None, 4, "forward"),
    ("risk", "risk", None, 4, "forward"),
    ("torch-train", "loss", "log", 6, "forward"),
    ("backward", "positions.grad", "sqrt", 4, "backward"),
    ("tf-train", "error", "exp", 6, "forward"),
]
REPAIRED = ["scale-repaired", "torch-repaired", "backward-repaired", "tf-repaired"]


def reports(notebook: NotebookNode, cell_id: str) -> list[dict[str, Any]]:
    """The reports that one cell shows."""
    (cell,) = [c for c in notebook.cells if c.id == cell_id]
    return [output.data[REPORT] for output in cell.outputs if REPORT in output.get("data", {})]


@pytest.fixture(scope="module")
def demo() -> tuple[str, NotebookNode]:
    """What `make demo` prints and the notebook it leaves."""
    EXECUTED.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "scripts" / "notebooks.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, nbformat.read(EXECUTED, as_version=4)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("notebooks_script", ROOT / "scripts" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_demo_runs_every_cell(demo: tuple[str, NotebookNode]) -> None:
    """Every code cell is run, in order, and none of them fails."""
    printed, notebook = demo
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert list(range(1, len(code) + 1)) == [cell.execution_count for cell in code]
    assert [] == [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert [f"{n}/{len(code)}" for n in range(1, len(code) + 1)] == re.findall(r"^\[ ?(\d+/\d+)\]", printed, re.M)


def test_demo_prints_reports_and_place(demo: tuple[str, NotebookNode]) -> None:
    """The terminal shows each report as text, and where the executed notebook lies."""
    printed, notebook = demo

    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if REPORT in output.get("data", {}):
                first = output.data["text/plain"].splitlines()[0]
                assert f"    {first}\n" in printed
    assert str(EXECUTED.relative_to(ROOT)) in printed


@pytest.mark.parametrize(("cell_id", "variable", "op", "line", "phase"), STORIES)
def test_story(
    demo: tuple[str, NotebookNode], cell_id: str, variable: str, op: str | None, line: int, phase: str
) -> None:
    """The report of each buggy cell names the variable, the operation, the line and the phase."""
    (report,) = reports(demo[1], cell_id)
    (finding,) = [f for f in report["findings"] if f["variable"] == variable]
    origin = finding["origin"]

    assert (line, phase) == (origin["line"], origin["phase"])
    assert op in (None, origin["op"])
    assert finding["intended"] is None


@pytest.mark.parametrize("cell_id", REPAIRED)
def test_repaired_cell_raises_no_alarm(demo: tuple[str, NotebookNode], cell_id: str) -> None:
    """No repaired cell shows a finding."""
    assert [] == [f["variable"] for report in reports(demo[1], cell_id) for f in report["findings"]]


def test_committed_outputs_are_of_a_real_run(demo: tuple[str, NotebookNode]) -> None:
    """What a reader of the repository sees is what a run shows: the same findings and origins, cell by cell."""

    def shown(notebook: NotebookNode) -> dict[str, list[tuple[Any, ...]]]:
        return {
            cell.id: [
                (f["variable"], f["origin"] and (f["origin"]["op"], f["origin"]["line"], f["origin"]["occurrence"]))
                for report in reports(notebook, cell.id)
                for f in report["findings"]
            ]
            for cell in notebook.cells
            if cell.cell_type == "code"
        }

    assert shown(demo[1]) == shown(nbformat.read(NOTEBOOK, as_version=4))


def test_demo_stops_at_a_failing_cell(script: ModuleType) -> None:
    """A quickstart whose assertion does not hold is not reported as a success."""
    cells = [nbformat.v4.new_code_cell("assert 1 + 1 == 3"), nbformat.v4.new_code_cell("later = True")]
    notebook = nbformat.v4.new_notebook(cells=cells)

    with pytest.raises(CellExecutionError, match="AssertionError"):
        script.execute(notebook)
    assert notebook.cells[1].execution_count is None
