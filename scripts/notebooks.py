"""Run the project's notebooks in a real kernel, print every report as text, and keep the executed notebooks.

    python scripts/notebooks.py                      quickstart; out/quickstart.executed.ipynb
    python scripts/notebooks.py c3-singular-gradient a notebook of `notebooks/` by its name, or several; `all` for all
    python scripts/notebooks.py all --save           also put the outputs into notebooks/, as committed
    python scripts/notebooks.py all --check          fail if what the committed outputs say is not what the run says

One line per cell as it starts, so that a slow machine shows where it is. The cells assert what the reports must name;
a cell that fails ends the run with its traceback and exit status 1. What differs from run to run without meaning
(times, file names of cells, kernel messages) is evened out before outputs are saved, so that a second `--save` changes
no file but where something was said differently.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
OUT = ROOT / "out"
REPORT = "application/vnd.numguard.report+json"
CELL_SECONDS = 180  # the slowest cell imports TensorFlow

# Where a cell's code lies for Python: another folder and name in every kernel.
_CELL_FILE = re.compile(r"\S*ipykernel_\d+/\d+\.py")
# How long the check of a cell took.
_TIMES = re.compile(r"(?<= in )\d[\d.,]* (?:µs|ms|s)\b|(?<=\"(?:cell)\": )[\d.e-]+")


def names() -> list[str]:
    """The notebooks of the project by name, the quickstart first."""
    return sorted((path.stem for path in FOLDER.glob("*.ipynb")), key=lambda name: (name != "quickstart", name))


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
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        store_widget_state=False,  # a panel's state holds its whole program; without a kernel its HTML says the same
        on_cell_start=progress.start,
        on_cell_executed=progress.end,
    ).execute()


def said(notebook: NotebookNode) -> dict[str, list[Any]]:
    """What matters of the outputs, by cell id: their kinds, and of each report what it found and why.

    The text that the cells themselves print is left out: the last digits of a loss differ between processors. So do
    counts and magnitudes, and the order of findings with the same origin.
    """
    told: dict[str, list[Any]] = {}
    for cell in notebook.cells:
        outputs = [o for o in cell.get("outputs", ()) if o.output_type != "stream"]
        kinds = [sorted(o.get("data", ())) for o in outputs]
        told[cell.id] = [*kinds, *(_findings(output["data"][REPORT]) for output in reports_of(cell))]
    return told


def _findings(report: dict[str, Any]) -> list[Any]:
    first, *others = report["findings"] or [None]
    return [report["mode"], report["verdict"], first and _finding(first), sorted(f["variable"] for f in others)]


def _finding(finding: dict[str, Any]) -> tuple[Any, ...]:
    origin = finding["origin"] or {}
    diagnoses = [
        (d["rule"], d["rewrite"] and (d["rewrite"]["after"], d["rewrite"]["verified"])) for d in finding["diagnoses"]
    ]
    return finding["variable"], *(origin.get(k) for k in ("kind", "op", "line", "phase", "occurrence")), diagnoses


def even(value: Any) -> Any:
    """The same output without what differs from run to run: nested JSON, in a copy."""
    if isinstance(value, dict):
        return {
            k: dict.fromkeys(v, 0.0) if k == "seconds" and isinstance(v, dict) else even(v) for k, v in value.items()
        }
    if isinstance(value, list):
        return [even(v) for v in value]
    return _TIMES.sub("…", _CELL_FILE.sub("<cell>", value)) if isinstance(value, str) else value


def committed(notebook: NotebookNode, before: NotebookNode) -> NotebookNode:
    """`notebook` as it is saved: evened out, and each cell with the outputs it had `before` where they say the same."""
    out = copy.deepcopy(notebook)
    old = {cell.id: cell for cell in before.cells}
    for cell in out.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(_without_paths(o)) for o in cell.outputs if not _is_noise(o)]
            was = old[cell.id].outputs
            if even(cell.outputs) == even(was):
                cell.outputs = was
    out.metadata = {k: v for k, v in out.metadata.items() if k in ("kernelspec", "language_info")}
    return out


def _is_noise(output: NotebookNode) -> bool:
    """Messages of libraries about the machine, on standard error and without a Python warning."""
    return output.get("name") == "stderr" and "Warning" not in output.text


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_paths(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_paths(v) for v in value]
    return _CELL_FILE.sub("<cell>", value) if isinstance(value, str) else value


def run(name: str, *, save: bool, check: bool) -> bool:
    """Run one notebook; False if a cell failed or, with `check`, if it says something else than the committed outputs."""
    path, executed = FOLDER / f"{name}.ipynb", OUT / f"{name}.executed.ipynb"
    before = nbformat.read(path, as_version=4)
    notebook = copy.deepcopy(before)
    failed = None
    try:
        execute(notebook)
    except CellExecutionError as error:
        failed = error
    OUT.mkdir(exist_ok=True)
    nbformat.write(notebook, executed)
    if failed is not None:
        print(f"\n{failed}\nA cell failed. The notebook up to it: {executed.relative_to(ROOT)}", file=sys.stderr)
        return False
    if save:
        nbformat.write(committed(notebook, before), path)
        print(f"Outputs written to {path.relative_to(ROOT)}")
    shown = sum(len(reports_of(cell)) for cell in notebook.cells)
    print(f"All cells ran; {shown} reports. The executed notebook: {executed.relative_to(ROOT)}")
    now, then = said(notebook), said(before)
    differing = [cell for cell in now if now[cell] != then[cell]] if check else []
    for cell in differing:
        print(f"{name}, cell {cell}: committed {then[cell]}, now {now[cell]}", file=sys.stderr)
    return not differing


def main() -> int:
    """Run the notebooks on the command line; the exit status is 1 if something was not as it must be."""
    parser = argparse.ArgumentParser(description="Run the notebooks in a real kernel.")
    parser.add_argument("notebook", nargs="*", default=["quickstart"], help="names, or `all` (default: quickstart)")
    parser.add_argument("--save", action="store_true", help="put the outputs into notebooks/")
    parser.add_argument("--check", action="store_true", help="fail if the committed outputs say something else")
    asked = parser.parse_args()
    wanted = names() if asked.notebook == ["all"] else asked.notebook
    if unknown := set(wanted) - set(names()):
        parser.error(f"no notebook {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    well = [run(name, save=asked.save, check=asked.check) for name in wanted]
    print("To see them in JupyterLab: make lab")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
