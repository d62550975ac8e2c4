"""The report's JSON: names, numbers, round trip, schema."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_numguard import model
from jupyter_numguard.errors import ReportFormatError
from jupyter_numguard.report import from_json, schema, to_json

REPORTS = Path(__file__).parent / "reports"
GOLDEN = sorted(REPORTS.glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    """A golden report as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def same(one: Any, other: Any) -> bool:
    """Equality that lets a NaN equal a NaN."""
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one)
        )
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


# No half of a surrogate pair here: those are replaced, which the next tests look at.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
st.register_type_strategy(str, TEXT)
REPORT = st.from_type(model.Report).map(lambda r: dataclasses.replace(r, schema_version=1))


@settings(max_examples=20, deadline=None)
@given(REPORT)
def test_any_report_survives_the_way_to_json_and_back(report: model.Report) -> None:
    """What was written is what is read, whatever numbers and characters it holds; and the schema accepts it."""
    text = json.dumps(to_json(report), allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")

    assert same(report, from_json(json.loads(text)))
    jsonschema.validate(json.loads(text), schema())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_the_golden_reports_keep_their_form(path: Path) -> None:
    """A report stored by this version is valid, is read, and is written again as it was."""
    jsonschema.validate(load(path), schema())

    assert load(path) == to_json(from_json(load(path)))


def test_numbers_that_json_has_not_are_strings() -> None:
    """NaN, +Inf and -Inf are "NaN", "Infinity" and "-Infinity"."""
    history = model.History("x", (1, 2, 3), (math.nan, math.inf, -math.inf))
    finding = dataclasses.replace(from_json(load(REPORTS / "torch_update.json")).findings[0], history=history)

    assert ["NaN", "Infinity", "-Infinity"] == to_json(finding)["history"]["absmax"]


def test_numpy_numbers_are_plain_numbers() -> None:
    """A count that a backend left as a numpy scalar does not break the JSON."""
    counts = model.Counts(np.int64(3), np.int32(1), np.uint8(0), 0)  # type: ignore[arg-type]
    step = model.Step(None, "f.py", 1, "x", "x", "bound", "nonfinite", counts)
    written = to_json(step)["counts"]

    assert {"size": 3, "nan": 1, "posinf": 0, "neginf": 0} == written
    assert {int} == {type(v) for v in written.values()}


def test_half_a_character_cannot_make_the_notebook_unsaveable() -> None:
    """A lone surrogate in the source is replaced; control characters and a source of megabytes are kept as they are."""
    report = from_json(load(REPORTS / "finite.json"))
    source = "s = '\ud800'\x00\x1b\n" + "#" * 3_000_000
    changed = dataclasses.replace(report, execution=dataclasses.replace(report.execution, source=source))
    written = to_json(changed)["execution"]["source"]

    assert source.replace("\ud800", "\ufffd") == written
    json.dumps(written, ensure_ascii=False).encode("utf-8")


def test_a_later_version_may_add_fields_and_an_earlier_one_may_lack_them() -> None:
    """Unknown fields are ignored, by the reader and by the schema; a missing one with a default is filled in."""
    data = load(REPORTS / "torch_backward.json")
    later = {**data, "new": 1, "findings": [{**f, "rank": 3} for f in data["findings"]]}
    jsonschema.validate(later, schema())
    earlier = {**data, "findings": [{k: v for k, v in f.items() if k != "more"} for f in data["findings"]]}

    assert from_json(data) == from_json(later)
    assert from_json(data) == from_json(earlier)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2; this numguard reads 1"),
        ({"mode": "spy"}, "report.mode is 'spy', not one of 'watch', 'trace'"),
        ({"seconds": {"cell": 1.0}}, "report.seconds.numguard is missing"),
        ({"checked": {"tensors": True, "bytes": 1}}, "report.checked.tensors is 'True', not int"),
        ({"findings": [{"variable": 3}]}, "report.findings[0].variable is '3', not str"),
    ],
)
def test_what_is_no_report_is_refused_with_the_field(change: dict[str, Any], message: str) -> None:
    """The error names the field and what was wanted there."""
    with pytest.raises(ReportFormatError) as caught:
        from_json({**load(REPORTS / "finite.json"), **change})

    assert message == str(caught.value)


def test_the_schema_refuses_a_report_that_is_not_one() -> None:
    """The schema can fail: a missing field, a wrong word, a bare NaN spelled otherwise."""
    good = load(REPORTS / "torch_update.json")
    for bad in (
        {k: v for k, v in good.items() if k != "verdict"},
        {**good, "verdict": "bad"},
        {**good, "seconds": {"cell": "nan", "numguard": 0}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema())


def test_the_schema_is_what_the_model_says() -> None:
    """`scripts/schema.py --check` finds the packaged schema up to date."""
    script = Path(__file__).parents[1] / "scripts" / "schema.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)
