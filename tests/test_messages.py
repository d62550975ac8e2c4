"""The wording of a report; a change of a sentence is a change of this file."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from jupyter_numguard.model import Counts, ExecutionRef, Finding, History, Report, TensorInfo, TensorSummary
from jupyter_numguard.render import render_text, wording
from jupyter_numguard.render.spelling import duration, listed, many, memory, number
from jupyter_numguard.report import from_json

REPORTS = Path(__file__).parent / "reports"


def load(name: str) -> Report:
    """A golden report."""
    return from_json(json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.0, "0"), (-0.0, "0"), (0.125, "0.125"), (213.0, "213"), (0.00012345, "0.0001234"), (1e-38, "1e-38"),
        (65504.0, "65504"), (123456.7, "123457"), (6.2e7, "6.2e7"), (-3.4e38, "-3.4e38"), (9.99996, "10"),
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (None, "unknown"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits_at_most_and_no_noise(value: float | None, spelled: str) -> None:
    """Whole thousands stay whole; tiny and huge ones get a power of ten; NaN, +Inf, -Inf are spelled so."""
    assert spelled == number(value)


def test_sizes_times_and_lists() -> None:
    """As a person says them."""
    assert ["0 B", "999 B", "1 kB", "1.2 MB", "88 MB", "3 GB"] == [
        memory(n) for n in (0, 999, 1000, 1_200_000, 88_000_000, 3_000_000_000)
    ]
    assert ["under 1 ms", "3 ms", "1 s", "61.5 s", "an unknown time"] == [
        duration(s) for s in (0.0002, 0.003, 1.0, 61.5, math.nan)
    ]
    assert ["", "a", "a and b", "a, b and c"] == [listed(list(w)) for w in ("", "a", "ab", "abc")]
    assert ["1 tensor", "1,280 tensors"] == [many(1, "tensor"), many(1280, "tensor")]


def finding(name: str, shape: tuple[int, ...], counts: Counts, **more: object) -> Finding:
    """A finding on the CPU."""
    made = Finding(name, "notebook", None, (), TensorInfo("torch", "float32", shape, "cpu"), counts, (0,) * len(shape))
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (finding("loss", (), Counts(1, 1, 0, 0)), "loss is NaN: 1 of 1 elements, float32, cpu"),
        (
            finding("p", (64, 10), Counts(640, 0, 0, 3)),
            "p holds -Inf: 3 of 640 elements, float32[64, 10], cpu, first at [0, 0]",
        ),
        (
            finding("w", (4,), Counts(4, 2, 1, 1), scope="local", function="step"),
            "w in step() holds NaN, +Inf and -Inf: 2 NaN, 1 +Inf and 1 -Inf of 4 elements, float32[4], cpu, first at [0]",
        ),
    ],
)
def test_the_headline_says_what_and_how_many(made: Finding, said: str) -> None:
    """Name, kind, count of how many, dtype with shape, device, first index."""
    assert said == f"{wording.what(made)}: {wording.about(made)}"


@pytest.mark.parametrize(
    ("name", "since", "origin"),
    [
        ("torch_forward_loop", "since In [14], line 6, step 37", "log (aten::log) made 3 -Inf of 640 elements"),
        (
            "torch_backward",
            "since In [8], line 5",
            "its gradient, of sqrt (SqrtBackward0 / aten::div), made +Inf, asked for by y.backward() in In [8], line 9",
        ),
        ("tensorflow_file", "since losses/bce.py, line 12", "most likely log (Log) made it"),
        ("numpy_introduced", "since In [1], line 3", "non-finite where it came in (numpy.loadtxt)"),
        (
            "torch_update",
            "since In [14], line 7, step 112",
            "the optimizer's update (torch.optim.SGD.step) made 12 +Inf and 3 -Inf of 1,600 elements",
        ),
    ],
)
def test_the_origin_is_said_in_a_sentence(name: str, since: str, origin: str) -> None:
    """Forward, backward, update, data and a file each have their words; a likely one says so."""
    report = load(name)
    first = report.alarms[0]
    assert first.origin is not None

    assert (since, origin) == (wording.since(first, report), wording.origin_sentence(first.origin))


def test_without_an_origin_the_cell_is_named() -> None:
    """No origin: after which cell it was found; a front end without counts gets the empty prompt."""
    report = load("finite")

    assert "found after In [3]" == wording.since(finding("x", (), Counts(1, 1, 0, 0)), report)
    assert "In [ ]" == wording.cell(ExecutionRef(None, "abc"))


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (
            TensorSummary("p", "float32", (64, 10), "cpu", 640, 0.0, 1.0, 1.0, 3, 0, 0, 0),
            "p: float32[64, 10], cpu; 0 to 1; 3 of 640 are 0",
        ),
        (
            TensorSummary(None, "float16", (), "cpu", 1, 7.0, 7.0, 7.0, 0, 0, 0, 0, "after"),
            "float16, cpu; 7; measured after the operation",
        ),
        (TensorSummary("x", "float32", (2,), "cuda:0"), "x: float32[2], cuda:0; values not measured"),
        (
            TensorSummary("x", "float64", (9,), "cpu", 9, None, None, 1e300, 0, 1, 2, 0, "sample"),
            "x: float64[9], cpu; magnitude up to 1e300; 1 of 9 is NaN; 2 of 9 are +Inf; measured on a sample",
        ),
    ],
)  # fmt: skip
def test_an_operand_is_said_with_its_numbers(summary: TensorSummary, said: str) -> None:
    """Name, tensor, range, zeros, non-finites, how it was measured; nothing is made up for what was not measured."""
    assert said == wording.operand(summary)


def test_growth_is_said_with_its_end() -> None:
    """From where to where, and when it stopped being finite."""
    history = History("w", (1, 2, 3), (0.5, 8.0, math.inf))

    assert "largest |w| per step: 0.5 at step 1, 8 at step 2, non-finite at step 3" == wording.growth(history)
    assert "largest |w| per step: too few finite points" == wording.growth(History("w", (), ()))


def test_a_finite_trace_is_one_line_and_what_it_could_not_see() -> None:
    """Tensors, memory, time; then what was not traced and not checked, each with its reason."""
    expected = [
        "numguard: 14 tensors finite (1.2 MB) in 3 ms",
        "  not traced: step (torch.compile) (compiled code runs outside Python)",
        "  not checked: qweight (quantised tensor)",
    ]

    assert expected == render_text(load("finite")).split("\n")


def test_intended_ones_are_one_line_without_alarm() -> None:
    """They are named with kind and reason, and nothing is said to be finite that is not."""
    line = (
        "numguard: 2 tensors checked (16.4 kB) in 1 ms; "
        "2 intended: mask (-Inf, attention mask), best (+Inf, best value so far)"
    )

    assert line == render_text(load("intended_mask"))


def test_a_report_opens_with_what_where_and_which_step() -> None:
    """The first lines answer which variable and where; the others are folded with a count."""
    lines = render_text(load("many_findings")).split("\n")

    assert "numguard: loss is NaN since In [14], line 6, step 37" == lines[0]
    assert "  1 of 1 elements, float32, cuda:0" == lines[1]
    assert any(line.startswith("      and 34 more: model.layers[1].running_mean, ") for line in lines)


@pytest.mark.parametrize("name", sorted(p.stem for p in REPORTS.glob("*.json") if p.stem != "hostile"))
def test_no_sentence_shouts_or_uses_a_word_the_glossary_forbids(name: str) -> None:
    """No exclamation; finite and non-finite, NaN, +Inf, -Inf; never "bad", "invalid", "corrupted", "nan", "inf"."""
    words = render_text(load(name)).replace("(", " ").replace(":", " ").split()

    assert [] == [w for w in words if w.endswith("!") or w in ("bad", "invalid", "corrupted", "nan", "inf", "Infinity")
                  if name != "tensorflow_file" or w != "bad"]  # fmt: skip
