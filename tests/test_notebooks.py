"""The notebooks: each runs from top to bottom in a real kernel, its own assertions hold, its outputs are those of a real run.

What a report must name stands in the cells themselves; here is that they do assert it, and that nothing is missing.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
STORIES = sorted(path.stem for path in FOLDER.glob("c*.ipynb"))
MACHINE = re.compile(r"/(?:home|root|tmp|work|usr|opt)/\w")


def module_at(path: Path) -> ModuleType:
    """A Python file outside of the package as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/notebooks.py."""
    return module_at(ROOT / "scripts" / "notebooks.py")


def read(name: str) -> NotebookNode:
    """A committed notebook."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def sources(name: str) -> str:
    """The code of a notebook."""
    return "\n\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")


def test_there_is_one_story_per_category() -> None:
    """C1 to C9, and each framework at least twice."""
    used = {
        framework: [n for n in STORIES if re.search(rf"^import {framework}\b", sources(n), re.M)]
        for framework in ("torch", "tensorflow", "keras", "numpy")
    }
    numpy_alone = set(used["numpy"]) - set(used["torch"]) - set(used["tensorflow"]) - set(used["keras"])

    assert [f"c{n}" for n in range(1, 10)] == [name.split("-")[0] for name in STORIES]
    assert min(len(used["torch"]), len({*used["tensorflow"], *used["keras"]}), len(numpy_alone)) >= 2


@pytest.mark.parametrize("name", STORIES)
def test_a_story_asserts_what_its_report_names(name: str) -> None:
    """Variable, line, category and rule of the report, and that the repaired run is finite; then a solved exercise."""
    code = sources(name)
    category = name.split("-")[0].upper()

    assert "%%numguard\n" in code
    assert "%numguard lineage " in code
    assert re.search(r"assert .*finding\.variable|f\.variable == ", code) or "findings[0]" in code
    assert re.search(r"assert .*origin\.(line|code)", code)
    assert re.search(rf'assert .*diagnosis\.category.* == .*"{category}"', code)
    assert 'assert last_report().verdict == "finite"' in code
    assert re.search(r"^assert (judge|check)\(", code, re.M)
    assert re.search(r"^assert not (judge|check)\(", code, re.M)


@pytest.mark.kernel
@pytest.mark.parametrize("name", [*STORIES])
def test_a_story_runs_and_says_what_is_committed(script: ModuleType, name: str) -> None:
    """All cells run, their assertions hold, and the reports are those that a reader of the repository sees."""
    before = read(name)
    notebook = read(name)
    script.execute(notebook)

    assert script.said(before) == script.said(notebook)


@pytest.mark.parametrize("name", ["quickstart", *STORIES])
def test_committed_outputs_tell_nothing_of_the_machine(name: str) -> None:
    """No path, no address in memory, no state of a widget; every code cell has run, in order."""
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    texts = re.findall(r'"([^"]*)"', nbformat.writes(nbformat.v4.new_notebook(cells=code)))

    assert list(range(1, len(code) + 1)) == [cell.execution_count for cell in code]
    assert [] == [text for text in texts if MACHINE.search(text) or re.search(r" at 0x[0-9a-f]{6}", text)]
    assert {"kernelspec", "language_info"} == set(notebook.metadata)


def test_outputs_that_say_the_same_are_left_as_they_are(script: ModuleType) -> None:
    """A second `--save` changes no file because of times and file names."""

    def shown(seconds: float, file: str) -> NotebookNode:
        report = {"seconds": {"cell": seconds, "numguard": seconds}}
        text = f"3 tensors finite (12 B) in {seconds} ms"
        output = nbformat.v4.new_output("display_data", {"text/plain": text, script.REPORT: report})
        stream = nbformat.v4.new_output("stream", name="stderr", text=f"{file}:3: RuntimeWarning: overflow")
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", id="a", outputs=[output, stream])])

    before = script.committed(shown(1.5, "/tmp/ipykernel_7/123.py"), shown(0.0, ""))
    after = script.committed(shown(2.5, "/tmp/ipykernel_8/456.py"), before)

    assert "<cell>:3: RuntimeWarning: overflow" == before.cells[0].outputs[1].text
    assert before.cells == after.cells


# --- the judge of the exercises --------------------------------------------------------------------------------------
def log_of_share(x: Any) -> Any:
    """Breaks at 0."""
    with np.errstate(all="ignore"):
        return np.log(x / x.sum())


@pytest.mark.parametrize(
    ("repaired", "expected"),
    [
        (lambda x: np.log(np.maximum(x / x.sum(), 1e-12)), ""),
        (log_of_share, "still not finite"),
        (lambda x: np.nan_to_num(log_of_share(x)), "wrong"),
        (lambda x: np.log(x / x.sum() + 0.1), "another result"),
        (lambda x: np.log(np.fmax(x / np.nansum(x), 1e-12)), "hides missing data"),
    ],
)
def test_the_judge_of_the_exercises_tells_a_repair_from_a_cover(repaired: Any, expected: str, capsys: Any) -> None:
    """Finite where it failed, the same where it worked, right where that is known, and a NaN still comes out."""
    exercise = module_at(FOLDER / "exercise.py")
    task = {"failing": (np.array([0.0, 1.0, 3.0]),), "benign": (np.array([1.0, 1.0, 2.0]),)}
    is_repair = exercise.judge(repaired, log_of_share, **task, truth=[np.log(1e-12), np.log(0.25), np.log(0.75)])

    assert (not expected, True) == (is_repair, expected in capsys.readouterr().out)
