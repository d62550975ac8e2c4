"""Diagnoses are ranked, carry evidence, advice and a rewrite, and no rule or rewrite can break them."""

from __future__ import annotations

import dataclasses
from typing import Any

from jupyter_numguard.diagnose import diagnose
from jupyter_numguard.model import Evidence, ExecutionRef, LineagePath, Origin, SourceStatement, TensorSummary
from jupyter_numguard.rewrite import Proposal, Verdict, load_rewrites
from jupyter_numguard.rule import load_rules

EXECUTION = ExecutionRef(4, "cell-a")
SOURCE = "loss = -torch.log(torch.softmax(z, dim=-1))"
P = TensorSummary("p", "float32", (1, 2), "cpu", 2, 0.0, 1.0, 1.0, zeros=1, nan=0, posinf=0, neginf=0)
ORIGIN = Origin(
    "op", "exact", EXECUTION, None, 3, SOURCE, None, None, (), "log", "aten::log", "forward", None, 1, (P,), None
)
PATH = LineagePath("loss", ORIGIN, statements=(SourceStatement(EXECUTION, 3, 3, SOURCE),), framework="torch")


def test_diagnosis_says_what_why_and_what_to_write() -> None:
    """Category, rule, the measured numbers, advice in words, an exact edit and the page."""
    best, *others = diagnose(PATH, load_rules(), load_rewrites(), None)

    assert ("C2", "NG201", "log-of-softmax") == (best.category, best.rule, best.rule_name)
    assert best.evidence.startswith("1 of the 2 elements of `p` (float32[1, 2])")
    assert best.advice.startswith("Compute the log-probabilities from the logits in one step")
    assert "docs/rules/log-of-softmax.md" == best.docs
    assert best.confidence >= 0.9
    assert best.rewrite is not None
    (edit,) = best.rewrite.edits
    assert (EXECUTION, 3, 3, SOURCE) == (edit.execution, edit.line, edit.end_line, edit.before)
    assert "loss = -F.log_softmax(z, -1)" == edit.after == best.rewrite.after
    assert ["NG101"] == [d.rule for d in others]


def test_rewrite_that_was_not_run_is_not_verified() -> None:
    """Without copies of the operands the note says so."""
    rewrite = diagnose(PATH, load_rules(), load_rewrites(), None)[0].rewrite

    assert rewrite is not None
    assert not rewrite.verified
    assert "Not run: no copies of the operands were taken." == rewrite.note


def test_verified_proposal_is_preferred() -> None:
    """The first proposal that holds is shown; where none does, the first one with what was found."""
    seen: list[Proposal] = []

    def run(proposal: Proposal) -> Verdict:
        seen.append(proposal)
        return Verdict("clamp" in proposal.source, f"run {len(seen)}")

    zero = dataclasses.replace(ORIGIN, code="y = p * torch.log(p)")
    path = dataclasses.replace(
        PATH, origin=zero, statements=(SourceStatement(EXECUTION, 3, 3, "y = p * torch.log(p)"),)
    )
    rewrite = diagnose(path, load_rules(), load_rewrites(), run)[0].rewrite

    assert rewrite is not None
    assert rewrite.verified
    assert "y = p * torch.log(torch.clamp(p, min=1e-12))" == rewrite.after
    assert "y = torch.xlogy(p, p)" == seen[0].source


def test_refuted_proposal_is_not_shown() -> None:
    """What was run and does not hold is no advice."""
    diagnoses = diagnose(PATH, load_rules(), load_rewrites(), lambda p: Verdict(False, "not finite", refuted=True))

    assert [None, None] == [d.rewrite for d in diagnoses]


def test_code_in_a_file_gets_no_edit() -> None:
    """An edit needs a cell; the before and after are still shown."""
    path = dataclasses.replace(PATH, statements=(SourceStatement(None, 3, 3, SOURCE),))
    rewrite = diagnose(path, load_rules(), load_rewrites(), None)[0].rewrite

    assert rewrite is not None
    assert () == rewrite.edits
    assert SOURCE == rewrite.before


def test_a_rule_that_raises_is_no_diagnosis() -> None:
    """The other rules still answer."""

    def broken(path: LineagePath) -> Evidence | None:
        raise ZeroDivisionError

    rules = [dataclasses.replace(r, detect=broken) if r.code == "NG201" else r for r in load_rules()]

    assert ["NG101"] == [d.rule for d in diagnose(PATH, rules, load_rewrites(), None)]


def test_a_rewrite_that_raises_costs_its_own_advice_only() -> None:
    """Neither one that chokes on the source nor a run that ends in an exception takes the diagnosis with it."""

    def broken(*args: Any) -> Any:
        raise AttributeError

    choking = tuple(dataclasses.replace(r, locate=broken) for r in load_rewrites())

    for found in (diagnose(PATH, load_rules(), choking, None), diagnose(PATH, load_rules(), load_rewrites(), broken)):
        assert [("NG201", None), ("NG101", None)] == [(d.rule, d.rewrite) for d in found]


def test_order_follows_precedence_then_confidence() -> None:
    """A rule that says more comes before the one it declares to precede, even with less confidence."""

    def said(confidence: float) -> Any:
        return lambda path: Evidence("x", confidence)

    one, two, three = load_rules()[:3]
    rules = [
        dataclasses.replace(one, precedes=frozenset({two.code}), detect=said(0.5)),
        dataclasses.replace(two, precedes=frozenset(), detect=said(0.9)),
        dataclasses.replace(three, precedes=frozenset(), detect=said(0.7)),
    ]

    assert [three.code, one.code, two.code] == [d.rule for d in diagnose(PATH, rules, (), None)]


def test_no_origin_no_diagnosis() -> None:
    """Nothing is claimed of a value whose origin is not known."""
    assert () == diagnose(LineagePath("x", None), load_rules(), load_rewrites(), None)
