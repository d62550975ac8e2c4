"""Run notebooks/quickstart.ipynb in a real kernel, print every report as text, and keep the executed notebook.

    python scripts/quickstart.py            out/quickstart.executed.ipynb
    python scripts/quickstart.py --save     also put the outputs into notebooks/quickstart.ipynb, as committed

One line per cell as it starts, so that a slow machine shows where it is. The cells assert what the reports must name;
a cell that fails ends the run with its traceback and exit status 1.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
EXECUTED = ROOT / "out" / "quickstart.executed.ipynb"
REPORT = "application/vnd.numguard.report+json"
CELL_SECONDS = 180  # the slowest cell imports TensorFlow


def reports_of(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of an executed cell that carry a report: `data` holds its JSON and its text."""
    return [output for output in cell.get("outputs", ()) if REPORT in output.get("data", {})]


class Progress:
    """Prints what happens in the notebook while it runs."""

    def __init__(self, notebook: NotebookNode) -> None:
        code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        self.number = {index: n for n, index in enumerate(code, 1)}

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        """One line as the cell starts: its number and its first code, below the magic if there is one."""
        if cell_index in self.number:
            lines = cell.source.splitlines()
            head = "  ".join(lines[:2]) if lines[0].startswith("%%") else lines[0]
            print(f"[{self.number[cell_index]:2}/{len(self.number)}] {head}", flush=True)

    def end(self, cell: NotebookNode, cell_index: int, **_: Any) -> None:
        """The reports that the cell showed, indented."""
        for output in reports_of(cell):
            text = "".join(output["data"].get("text/plain", ""))
            print("\n" + "\n".join("    " + line for line in text.rstrip().splitlines()) + "\n", flush=True)


def execute(notebook: NotebookNode) -> None:
    """Run all cells of `notebook` in a fresh kernel, in place.

    Raises:
        CellExecutionError: a cell failed; the outputs so far are in `notebook`.
    """
    progress = Progress(notebook)
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        record_timing=False,
        on_cell_start=progress.start,
        on_cell_executed=progress.end,
    ).execute()


def main(arguments: list[str]) -> int:
    """Run the notebook; the exit status is 1 if one of its cells failed."""
    if arguments not in ([], ["--save"]):
        print(__doc__, file=sys.stderr)
        return 2
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    failed = None
    try:
        execute(notebook)
    except CellExecutionError as error:
        failed = error
    EXECUTED.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, EXECUTED)
    if failed is not None:
        print(f"\n{failed}\nA cell failed. The notebook up to it: {EXECUTED.relative_to(ROOT)}", file=sys.stderr)
        return 1
    if arguments == ["--save"]:
        nbformat.write(notebook, NOTEBOOK)
        print(f"Outputs written to {NOTEBOOK.relative_to(ROOT)}")
    shown = sum(len(reports_of(cell)) for cell in notebook.cells)
    print(f"All cells ran; {shown} reports. The executed notebook: {EXECUTED.relative_to(ROOT)}")
    print("To see it in JupyterLab: make lab")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
