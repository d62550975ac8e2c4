"""Which rules explain a lineage path, best first, each with its evidence, advice and the rewrite that cures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from textwrap import dedent

from .model import Category, Diagnosis, Evidence, LineagePath, Place, RewriteAdvice
from .propose import extended, propose
from .rewrite import CellRun, Proposal, Rewrite, Verdict, VerifyRun
from .rule import Rule
from .wording import number

_MAX_PROPOSALS = 6  # how many rewritten statements of one rule are run
OF_THE_OPERATION = frozenset({Category.C1, Category.C2, Category.C3, Category.C4, Category.C5})
_MAX_FAULTS = 3  # how many later statements are rewritten as well


def diagnose(
    path: LineagePath,
    rules: Sequence[Rule],
    rewrites: Sequence[Rewrite],
    run: VerifyRun | None,
    attempt: Callable[[str], float | None] | None = None,
    train: Callable[[Sequence[str]], str] | None = None,
    in_cell: CellRun = lambda proposal: None,
) -> tuple[Diagnosis, ...]:
    """Every rule that matches, most convincing first.

    Args:
        path: One non-finite variable with its origin and the statements around it.
        run: Runs a proposed rewrite on copies of the operands; None: rewrites are proposed and not verified.
        attempt: Tries an expression on those copies (`attempt.py`): the largest magnitude of a finite result, else None.
        train: Trains once more with kinds of settings (`tried_settings.py`): what to add to the advice.
        in_cell: Runs the whole cell with a rewrite in it, on copies.

    A rule that raises is treated as not matching: no diagnosis is worth the report.
    """
    found: list[tuple[Rule, Evidence]] = []
    for rule in rules:
        try:
            evidence = rule.detect(path)
        except Exception:
            evidence = None
        if evidence is not None:
            found.append((rule, evidence))
    ranked = sorted(found, key=lambda hit: (_rank(hit[0], found), -hit[1].confidence, hit[0].code))
    trains = next((rule for rule, _ in ranked if rule.settings), None) if train is not None else None
    judged = None if run is None else partial(_judged, path, run, in_cell)
    rewrites_of = _shared([(rule.category, _rewrite(path, rewrites, rule.code, judged)) for rule, _ in ranked])
    return tuple(
        Diagnosis(
            category=rule.category.name,
            category_name=rule.category.value,
            rule=rule.code,
            rule_name=rule.name,
            evidence=evidence.text,
            advice=rule.advice(path)
            + _tried(rule, path, attempt)
            + (train(rule.settings) if train is not None and rule is trains else ""),
            rewrite=rewrite,
            confidence=evidence.confidence,
            docs=rule.docs,
        )
        for (rule, evidence), rewrite in zip(ranked, rewrites_of, strict=True)
    )


def _shared(found: Sequence[tuple[Category, RewriteAdvice | None]]) -> list[RewriteAdvice | None]:
    """The rewrites in the same order; the first diagnosis has another's verified one where it has none of its own.

    All are of one failing operation. Of data, divergence, initialisation and misuse (C6 to C9) no rewrite of it is right.
    """
    out = [rewrite for _, rewrite in found]
    if found and found[0][0] in OF_THE_OPERATION and out[0] is None:
        others = (r for category, r in found if category in OF_THE_OPERATION and r is not None and r.verified)
        out[0] = next(others, None)
    return out


def _tried(rule: Rule, path: LineagePath, attempt: Callable[[str], float | None] | None) -> str:
    """The first setting of the rule that was finite on the operands that failed."""
    if rule.attempts is None or attempt is None:
        return ""
    try:
        for setting, expression in rule.attempts(path):
            value = attempt(expression)
            if value is not None:
                return f" Tried on the operands that failed: {setting} gives {number(value)}."
    except Exception:  # a rule that cannot spell it: nothing is claimed
        pass
    return ""


def _rank(rule: Rule, found: Sequence[tuple[Rule, Evidence]]) -> int:
    """How many of the matching rules declare that they precede this one."""
    return sum(rule.code in other.precedes for other, _ in found)


def _rewrite(path: LineagePath, rewrites: Sequence[Rewrite], code: str, run: VerifyRun | None) -> RewriteAdvice | None:
    """What `_best` finds; a source that a rewrite chokes on gets none: no advice is worth the diagnosis."""
    try:
        return _best(path, rewrites, code, run)
    except Exception:
        return None


def _best(path: LineagePath, rewrites: Sequence[Rewrite], code: str, run: VerifyRun | None) -> RewriteAdvice | None:
    """The first proposal that is verified, else the first one that running it did not refute."""
    proposals = propose(path, rewrites, code)[:_MAX_PROPOSALS]
    best: tuple[Proposal, Verdict] | None = None
    for proposal in proposals:
        verdict = Verdict(False, "Not run: no copies of the operands were taken.") if run is None else run(proposal)
        if run is not None and verdict.fault is not None:
            proposal, verdict = _extended(path, rewrites, code, run, proposal, verdict)
        if verdict.refuted:
            continue
        if best is None or verdict.verified:
            best = proposal, verdict
        if verdict.verified:
            break
    if best is None:
        return None
    proposal, verdict = best
    note = verdict.note
    if proposal.statement is not path.statements[0] and not proposal.rebound[0]:
        note += " The line that failed stays; this statement no longer needs its result."
    return RewriteAdvice(
        edits=proposal.edits,
        before=_joined([statement.source for statement, _ in proposal.changed]),
        after=_joined([text for _, text in proposal.changed]),
        verified=verdict.verified,
        note=note,
    )


def _judged(path: LineagePath, run: VerifyRun, in_cell: CellRun, proposal: Proposal) -> Verdict:
    """What running the rewrite showed, and then its whole cell: what is not finite there was not cured.

    A cell that is finite with it tells more than the other places where the variable became non-finite without.
    """
    verdict = run(proposal)
    whole = in_cell(proposal) if verdict.verified else None
    if whole is not None and whole[0]:
        return replace(verdict, note=f"{verdict.note} {whole[1]}")
    verdict = _with_others(path, proposal, verdict)
    if whole is None or not verdict.verified:
        return verdict
    return Verdict(False, f"{verdict.note} {whole[1]}")


def _with_others(path: LineagePath, proposal: Proposal, verdict: Verdict) -> Verdict:
    """Not verified where the variable is non-finite for another reason as well."""
    left = next((p for p in path.others if not _changes(proposal, p)), None) if verdict.verified else None
    if left is None:
        return verdict
    fault = next(
        (s for s in proposal.later if s.execution == left.execution and s.line <= left.line <= s.end_line), None
    )
    note = f"{verdict.note} It is no cure alone: `{left.code}` (line {left.line}) makes a non-finite value of its own."
    return Verdict(False, note, fault=fault)


def _extended(
    path: LineagePath, rewrites: Sequence[Rewrite], code: str, run: VerifyRun, first: Proposal, verdict: Verdict
) -> tuple[Proposal, Verdict]:
    """The proposal with the second fault guarded too, and a third, where that is a cure; else as it was."""
    proposal, found = first, verdict
    for _ in range(_MAX_FAULTS):
        if found.fault is None:
            break
        try:
            further_ones = extended(path, rewrites, code, proposal, found.fault)[:_MAX_PROPOSALS]
        except Exception:  # the first proposal is as good as it was
            break
        for further in further_ones:
            seen = run(further)
            if seen.verified:
                return further, seen
            if seen.fault is not None and seen.fault != found.fault:
                proposal, found = further, seen
                break
        else:
            break
    return first, verdict


def _changes(proposal: Proposal, place: Place) -> bool:
    """Whether a place lies in a statement that the proposal writes anew."""
    return place.code in proposal.covers or any(
        s.execution == place.execution and s.line <= place.line <= s.end_line
        for s, _ in ((proposal.statement, ""), *proposal.changed)
    )


def _joined(sources: Sequence[str]) -> str:
    """Statements below each other, each without the indentation that it has in its own block."""
    return "\n".join(dedent(source).strip() for source in sources)
