"""The rule catalogue: every page is complete, every example of a page is found by exactly this rule, every cure is finite."""

from __future__ import annotations

import importlib.util
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from jupyter_numguard.model import LineagePath, Origin, SourceStatement, TensorSummary
from jupyter_numguard.numerics import array, is_tensor
from jupyter_numguard.rule import SECTIONS, load_rules

from .harness import Cell, run

RULES = load_rules()
FRAMEWORKS = ("torch", "tensorflow", "numpy")


def summarize(value: Any, variable: str | None = None) -> TensorSummary | None:
    """Facts of a tensor or number; None for what is neither."""
    for framework in FRAMEWORKS:
        try:
            owned = is_tensor(value, framework)
        except AttributeError:
            owned = False
        if owned:
            dtype = str(getattr(value.dtype, "name", value.dtype))
            values = array(value, framework)
            break
    else:
        if not isinstance(value, float):
            return None
        dtype, values = "float64", np.asarray(value)
    finite = values[np.isfinite(values)]
    return TensorSummary(
        variable, dtype, tuple(values.shape), "cpu", size=int(values.size),
        min=float(finite.min()) if finite.size else None, max=float(finite.max()) if finite.size else None,
        absmax=float(np.abs(finite).max()) if finite.size else None, zeros=int((values == 0).sum()),
        nan=int(np.isnan(values).sum()), posinf=int(np.isposinf(values).sum()), neginf=int(np.isneginf(values).sum()),
    )  # fmt: skip


def nonfinite(summary: TensorSummary | None) -> int:
    """Number of non-finite elements."""
    return 0 if summary is None else (summary.nan or 0) + (summary.posinf or 0) + (summary.neginf or 0)


def examples(section: str) -> list[Any]:
    """(rule, framework, source) of one section of all pages."""
    return [
        pytest.param(rule, e.framework, e.source, id=f"{rule.code}-{e.framework}-{i}")
        for rule in RULES
        for i, e in enumerate(rule.examples)
        if e.section == section
    ]


def is_there(framework: str) -> bool:
    """Whether the framework is installed."""
    return importlib.util.find_spec(framework) is not None


def need(framework: str) -> None:
    """Skip where the framework is not installed."""
    if not is_there(framework):
        pytest.skip(f"{framework} is not installed")


@cache
def reports() -> dict[str, Cell]:
    """What numguard shows for each failing example; all run once, in one process, through the real pipeline."""
    sources = [e.source for r in RULES for e in r.examples if e.section == "Example" and is_there(e.framework)]
    answers = run([{"cells": [source], "traced": None} for source in sources])
    return {source: cells[0] for source, cells in zip(sources, answers, strict=True)}


@pytest.mark.parametrize(("rule", "framework", "source"), examples("Example"))
def test_example_is_explained_by_exactly_its_rule(rule: Any, framework: str, source: str) -> None:
    """The page's rule comes first, for the marked line of its example, and only rules that it precedes come after."""
    need(framework)
    marked = [i for i, line in enumerate(source.splitlines(), 1) if line.endswith(f"# origin: {rule.code}")]
    assert 1 == len(marked)

    finding = reports()[source].alarms[0]

    assert marked[0] + 1 == finding["origin"]["line"]  # below %%numguard
    assert rule.code == finding["diagnoses"][0]["rule"]
    assert {d["rule"] for d in finding["diagnoses"][1:]} <= rule.precedes


@pytest.mark.parametrize(("rule", "framework", "source"), examples("Use instead"))
def test_use_instead_stays_finite(rule: Any, framework: str, source: str) -> None:
    """Every float that the cure of a page leaves behind is finite, gradients included, and no rule says anything."""
    need(framework)
    assert "# origin" not in source
    namespace: dict[str, Any] = {}

    exec(compile(source, "<cure>", "exec"), namespace)

    values = {name: summarize(value) for name, value in namespace.items()}
    cured = [name for name, s in values.items() if s is not None and name != "target"]
    assert cured
    assert not [name for name in cured if nonfinite(values[name])]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_framework_of_an_example_has_a_cure(rule: Any) -> None:
    """A page that shows how it fails in a framework shows what to write there instead."""
    by_section = {s: {e.framework for e in rule.examples if e.section == s} for s in ("Example", "Use instead")}

    assert by_section["Example"]
    assert by_section["Example"] == by_section["Use instead"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_page_is_complete(rule: Any) -> None:
    """Every section is there with a text, the advice is prose without code, and the rules that it precedes exist."""
    assert list(SECTIONS) == list(rule.sections)
    assert all(rule.sections.values())
    assert rule.summary.endswith(".")
    assert "```" not in rule.advice(LineagePath("v", None))
    assert rule.advice(LineagePath("v", None))
    assert rule.precedes <= {r.code for r in RULES} - {rule.code}


def test_codes_and_names_are_unique() -> None:
    """No two rules share a code or a name: both are addresses."""
    assert len(RULES) == len({r.code for r in RULES}) == len({r.name for r in RULES})


ODD = [None, 0, 1.5]


def odd_origins() -> list[Origin]:
    """Origins no rule is written for: unknown or known operations with 0 to 3 operands of which little is known."""
    ops = [
        "frobnicate",
        "log",
        "div",
        "exp",
        "sqrt",
        "pow",
        "softmax",
        "mean",
        "mul",
        "cast",
        "cross_entropy",
        "update",
    ]
    out = []
    for op, n, known, phase in product(ops, range(4), ODD, ("forward", "backward", "update", "data")):
        x = TensorSummary("x", "complex64", (2,), "cpu", size=2, max=known, zeros=None)
        for kind in ("op", "external", "unknown"):
            out.append(
                Origin(
                    kind,
                    "likely",
                    None,
                    "f.py",
                    1,
                    "x = (",
                    None,
                    None,
                    (),
                    op,
                    op,
                    phase,
                    None,
                    0,
                    (x,) * n,
                    None,  # type: ignore[arg-type]
                )
            )
    return out


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rule_is_total(rule: Any) -> None:
    """A rule declines what it was not made for; it never raises."""
    broken = SourceStatement(None, 1, 1, "x = (")

    for origin in [None, *odd_origins()]:
        for statements in ((), (broken,)):
            evidence = rule.detect(LineagePath("x", origin, statements=statements))
            unmeasured = evidence is not None and evidence.confidence <= 0.6
            assert evidence is None or unmeasured, (origin, evidence)
