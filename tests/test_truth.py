"""First-origin truth: for every program the report names variable, place, operation, phase, kind and step, exactly."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from jupyter_numguard.report import schema

from .harness import Cell, run
from .truth.later_backward_programs import PROGRAMS as LATER
from .truth.numpy_programs import PROGRAMS as NUMPY
from .truth.program import Program
from .truth.tensorflow_programs import PROGRAMS as TENSORFLOW
from .truth.torch_programs import PROGRAMS as TORCH

ALL = (*TORCH, *LATER, *TENSORFLOW, *NUMPY)


@pytest.fixture(scope="module")
def ran() -> dict[tuple[str, str], list[Cell]]:
    """Every program's cells; the programs of one framework run one after the other in one process."""
    out: dict[tuple[str, str], list[Cell]] = {}
    for programs in ((*TORCH, *LATER), TENSORFLOW, NUMPY):
        notebooks: list[dict[str, Any]] = [
            {"cells": list(p.cells), "traced": [len(p.cells) - 1], "files": p.files} for p in programs
        ]
        for program, cells in zip(programs, run(notebooks, timeout=900), strict=True):
            out[program.framework, program.name] = cells
    return out


def _root(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _place(origin: dict[str, Any], cells: list[Cell]) -> tuple[int | str, int]:
    """(0-based cell or file name, line as written in the program)."""
    if origin["file"] is not None:
        return origin["file"].rsplit("/", 1)[-1], origin["line"]
    index = origin["execution"]["count"] - cells[0].count
    return index, origin["line"] - (1 if index == len(cells) - 1 else 0)  # the traced cell has the magic line on top


@pytest.mark.parametrize("program", [p for p in ALL if p.alarms], ids=lambda p: f"{p.framework}-{p.name}")
def test_the_first_alarm_names_the_first_origin(program: Program, ran: dict[tuple[str, str], list[Cell]]) -> None:
    """The first alarm's variable, place, operation, phase, kind and occurrence are the program's truth."""
    cells = ran[program.framework, program.name]

    alarms = [f for c in cells for f in c.alarms]
    assert alarms, f"nothing found; {[c.error for c in cells]} {cells[-1].text[-1500:]}"
    first = next(iter(cells[-1].alarms or alarms))
    origin = first["origin"]
    assert origin is not None, first
    names = {_root(first["variable"]), *(_root(a) for a in first["aliases"])}
    said = {
        "variable": bool(names & set(program.variables)) or sorted(names),
        "place": _place(origin, cells),
        "op": origin["op"],
        "phase": origin["phase"],
        "kind": origin["kind"],
        "occurrence": origin["occurrence"],
    }
    introduced = program.kind == "introduced"
    assert {
        "variable": True,
        "place": program.place(),
        "op": said["op"] if introduced else program.op,
        "phase": program.phase,
        "kind": program.kind,
        "occurrence": said["occurrence"] if introduced else program.step,
    } == said


@pytest.mark.parametrize("program", [p for p in ALL if not p.alarms], ids=lambda p: f"{p.framework}-{p.name}")
def test_programs_with_intended_values_raise_no_alarm(program: Program, ran: dict[tuple[str, str], list[Cell]]) -> None:
    """No cell of a program whose non-finite values are meant raises an alarm."""
    assert [[], *[[] for _ in program.cells[1:]]] == [
        [a["variable"] for a in c.alarms] for c in ran[program.framework, program.name]
    ]


def test_every_report_validates_against_the_schema(ran: dict[tuple[str, str], list[Cell]]) -> None:
    """All reports of all programs, as they stand in the notebooks."""
    validator = jsonschema.Draft202012Validator(schema())
    reports = [r for cells in ran.values() for c in cells for r in c.reports]

    assert len(reports) >= len([p for p in ALL if p.alarms])
    assert [] == [e.message for r in reports for e in validator.iter_errors(r)]


def test_the_programs_cover_what_they_promise() -> None:
    """At least 40 programs over three frameworks and four phases; 10 in layers, 5 in other cells, 5 in files; all in loops."""
    truths = {(p.framework, p.op, p.phase, p.place()[1], p.where, p.step > 1) for p in ALL if p.alarms}

    assert len({(p.framework, p.name) for p in ALL}) == len(ALL)
    assert len(truths) >= 40
    assert {p.framework for p in ALL} == {"torch", "tensorflow", "numpy"}
    assert {p.phase for p in ALL} == {"data", "forward", "backward", "update"}
    assert sum(p.where == "layer" for p in ALL) >= 10
    assert sum(p.where == "other cell" for p in ALL) >= 5
    assert sum(p.where == "file" for p in ALL) >= 5
    assert sum(p.step > 1 for p in ALL) >= 40
