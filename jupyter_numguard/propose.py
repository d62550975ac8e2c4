"""Lay the catalogue of rewrites over the user's statements: which of them could be written differently, and how."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .change import Change, Rebuild, rearranged, unwrapped
from .hoist import Hoists
from .matching import Match, Reader, offsets, text_of
from .model import Edit, Framework, LineagePath, SourceStatement
from .phrase import bracketed, render
from .rewrite import Form, Part, Proposal, Rewrite
from .terms import OPAQUE, Term, identity, overwriting, overwritten, parse

_SHRINKING = frozenset({"exp", "prod", "cumprod", "softmax", "sigmoid", "det"})
_MAX_DEPTH = 8
_GUARDED = frozenset({"NG101", "NG102", "NG103", "NG401"})  # zeros and numbers outside the domain


def propose(path: LineagePath, rewrites: Sequence[Rewrite], code: str) -> list[Proposal]:
    """The rewritten statements that would cure what rule `code` found; the same mathematics before guards.

    A proposal replaces the failing expression, and in the same statement every other expression to which a rewrite for
    the same rule applies (`t*log(p) + (1-t)*log(1-p)` has two).
    """
    origin = path.origin
    if origin is None or not path.statements:
        return []
    reader = Reader(path)
    chosen = [r for r in rewrites if code in r.fixes]
    failing = {id(t.node) for t in reader.guilty()}
    out = [proposal for rewrite in chosen for proposal in _located(reader, rewrite)]
    for home in range(reader.failing, -1, -1):
        found = _hits(reader, chosen, home)
        guilty = [hit for hit in found if any(identity(t.node) in failing for t in hit.match.used)]
        for first in sorted(guilty, key=lambda hit: not hit.rewrite.same_mathematics):
            others = [hit for hit in found if hit.rewrite.same_mathematics == first.rewrite.same_mathematics]
            # A guard changes values: it is first put where it is needed only.
            for also in [others] if first.rewrite.same_mathematics else [[], others]:
                proposal = _proposal(reader, home, first, also)
                if proposal is not None and all(proposal.source != p.source for p in out):
                    out.append(proposal)
    if code in _GUARDED:
        out += _guarded_throughout(reader, rewrites, out)
    return sorted(out, key=lambda p: (not p.parts[0].rewrite.same_mathematics, p.parts[0].rewrite.general))


def _guarded_throughout(reader: Reader, rewrites: Sequence[Rewrite], out: Sequence[Proposal]) -> list[Proposal]:
    """The failing statement with every operation in it guarded: `log(v) + d / v` has two that fail where v is 0."""
    guards = [r for r in rewrites if not r.same_mathematics and r.fixes & _GUARDED]
    hits = _hits(reader, guards, reader.failing)
    failing = {id(t.node) for t in reader.guilty()}
    first = next((hit for hit in hits if any(identity(t.node) in failing for t in hit.match.used)), None)
    proposal = _proposal(reader, reader.failing, first, hits) if first is not None and len(hits) > 1 else None
    is_new = proposal is not None and len(proposal.parts) > 1 and all(proposal.source != p.source for p in out)
    return [proposal] if proposal is not None and is_new else []


def extended(
    path: LineagePath, rewrites: Sequence[Rewrite], code: str, first: Proposal, fault: SourceStatement
) -> list[Proposal]:
    """The proposal with a later statement rewritten as well, which would not be finite after it.

    There only guards are laid over the source, those for rule `code` first: what its own rule would be nobody has seen.
    """
    reader = Reader(path)
    home = next((i for i, s in enumerate(reader.sequence) if s == fault), None)
    if home is None or fault not in first.later or any(s == fault for s, _ in first.changed):
        return []
    guards = sorted(
        (r for r in rewrites if not r.same_mathematics and r.fixes & {code, *_GUARDED}),
        key=lambda r: code not in r.fixes,
    )
    out: list[Proposal] = []
    for hit in _hits(reader, guards, home):
        proposal = _proposal(reader, home, hit, [])
        if proposal is None or len(proposal.changed) != 1 or any(proposal.source == p.changed[-1][1] for p in out):
            continue
        edits = sorted((*first.edits, *proposal.edits), key=lambda e: -e.line)
        out.append(dataclasses.replace(first, changed=(*first.changed, *proposal.changed), edits=tuple(edits)))
    return out


class _Hit(NamedTuple):
    """A form that matches an expression; `rebuild` picks of its result what the user picked before the operation."""

    rewrite: Rewrite
    form: Form
    match: Match
    rebuild: Rebuild | None


def _hits(reader: Reader, rewrites: Sequence[Rewrite], home: int) -> list[_Hit]:
    """Every form that matches an expression of one statement."""
    return [
        _Hit(rewrite, form, match, rebuild)
        for written in reader.terms(home)
        for term, rebuild in _readings(reader, written)
        for rewrite in rewrites
        for form in rewrite.forms
        if (match := reader.match(form.pattern, term)) is not None and _speaks(form, match, reader.path.framework)
    ]


def _readings(reader: Reader, term: Term) -> Iterator[tuple[Term, Rebuild | None]]:
    """The term as it is written, and `log(p[i])` as `log(p)[i]`: what works element by element may be done before."""
    yield term, None
    operand = term.argument("x")
    if term.op == "log" and operand is not None and len(term.arguments) == 1:
        for inner, rebuild in unwrapped(reader, operand, term.home):
            yield Term(term.op, (("x", inner),), term.node, term.home, term.framework), rebuild


def _speaks(form: Form, match: Match, framework: Framework | None) -> bool:
    """Whether the matched operations are of the form's framework; operators and methods follow the origin's."""
    spoken = {t.framework for t in match.used if t.framework is not None}
    # What writes over its operand on the way to the root would no longer do so.
    keeps_memory = not any(overwriting(t.node) for t in match.used if t.node is not match.root.node)
    return keeps_memory and (spoken == {form.framework} if spoken else framework == form.framework)


def _proposal(reader: Reader, home: int, first: _Hit, also: Sequence[_Hit]) -> Proposal | None:
    statement = reader.sequence[home]
    placed: list[tuple[int, int, _Hit]] = []
    for hit in (first, *also):
        start, end = offsets(hit.match.root.node, statement)
        if all(end <= s or e <= start for s, e, _ in placed):
            placed.append((start, end, hit))
    source, parts, hoists = statement.source, [], Hoists(reader)
    for start, end, (rewrite, form, match, rebuild) in sorted(placed, key=lambda p: -p[0]):
        after = render(form, match, reader, hoists)
        if after is None:
            return None
        before = same = statement.source[start:end]
        if rebuild is not None:
            same = ""  # the user's expression has picked some elements: their values are those of the whole statement
            after = ast.unparse(rebuild(ast.parse(f"({after})", mode="eval").body))
        between = (overwritten(reader.sequence[at]) for at in range(home + 1, reader.failing + 1))
        if frozenset().union(*between) & {n.id for n in ast.walk(match.root.node) if isinstance(n, ast.Name)}:
            same = ""  # the copies are of what was there before
        method = overwriting(match.root.node)
        if method is not None:  # the same tensor holds the result
            owner = ast.unparse(method.value)
            after, same = f"{owner}.copy_({after})", _written_anew(before, owner, method.attr)
        bindings = tuple(
            (name.removeprefix("optional_"), text_of(term, reader)) for name, term in sorted(match.bindings.items())
        )
        parts.append(Part(rewrite, form.framework, form, before, after, bindings, same=same))
        source = source[:start] + bracketed(after, match.root.node, statement) + source[end:]
    return _whole(reader, home, source, tuple(reversed(parts)), hoists)


def _written_anew(call: str, owner: str, method: str) -> str:
    """The text of a call of an in-place method as one that leaves its operand alone; empty where it is not that plain."""
    written = f"{owner}.{method}("
    return f"{owner}.{method[:-1]}({call[len(written) :]}" if call.startswith(written) else ""


def _located(reader: Reader, rewrite: Rewrite) -> Iterator[Proposal]:
    """The proposals of a rewrite that finds its places itself."""
    if rewrite.locate is None or reader.path.framework is None:
        return
    for change in rewrite.locate(reader, reader.path.framework):
        statement = reader.sequence[change.home]
        start, end = offsets(change.node, statement)
        hoists = Hoists(reader)
        after = hoists.named(change.after, change.given, change.home) if change.given else change.after
        after = bracketed(after, change.node, statement)
        part = Part(
            rewrite, change.framework, None, statement.source[start:end], after, (), change.compared, change.guard,
            rtol=change.rtol, remark=change.remark, where=change.where, wide=change.wide,
        )  # fmt: skip
        if change.instead is not None:
            yield _elsewhere(reader, change, change.instead, part)
            continue
        source = statement.source[:start] + after + statement.source[end:]
        proposal = _whole(reader, change.home, source, (part,), hoists)
        if proposal is not None:
            yield dataclasses.replace(proposal, covers=change.covers)


def _elsewhere(reader: Reader, change: Change, instead: tuple[SourceStatement, str], part: Part) -> Proposal:
    """The failing statement stays; what makes its operand changes."""
    home, (statement, text) = reader.sequence[change.home], instead
    edits = (
        ()
        if statement.execution is None
        else (Edit(statement.execution, statement.line, statement.end_line, statement.source, text),)
    )
    return Proposal(
        home, home.source, (instead,), (part,), edits, tuple(reader.aliases.items()), (),
        reader.sequence[: change.home][::-1], rebound=change.rebound, covers=change.covers,
    )  # fmt: skip


def _whole(reader: Reader, home: int, source: str, parts: tuple[Part, ...], hoists: Hoists) -> Proposal | None:
    """The statement with its new text, and the statements above which something that it needs is given a name."""
    changed: list[tuple[SourceStatement, str]] = []
    for at in sorted({home, *hoists.homes}, reverse=True):  # as they stand in the notebook
        statement = reader.sequence[at]
        text = hoists.bind(at, source if at == home else statement.source)
        if text is None or parse(text) is None:
            return None
        changed.append((statement, text))
    edits = tuple(
        Edit(statement.execution, statement.line, statement.end_line, statement.source, text)
        for statement, text in reversed(changed)  # the last first: no edit moves the lines of another
        if statement.execution is not None
    )
    return Proposal(
        reader.sequence[home], source, tuple(changed), parts, edits, tuple(reader.aliases.items()),
        tuple(hoists.given.items()), reader.sequence[:home][::-1], _is_underflow(reader),
        between=reader.sequence[home + 1 : reader.failing][::-1],
    )  # fmt: skip


def _is_underflow(reader: Reader) -> bool:
    """Whether the failing operation is the logarithm of what a product or exponentials underflowed to."""
    arguments = (t.argument("x") for t in reader.guilty() if t.op in ("log", "log2", "log10"))
    return any(_holds_shrinking(reader, x, 0) for x in arguments if x is not None)


def _holds_shrinking(reader: Reader, term: Term, depth: int) -> bool:
    for t in reader.expansions(term):
        inner = rearranged(t.node, reader.aliases) if t.op == OPAQUE else None
        inside = [reader.term(inner, t.home)] if inner is not None else [a for _, a in t.arguments]
        if t.op in _SHRINKING or (depth < _MAX_DEPTH and any(_holds_shrinking(reader, i, depth + 1) for i in inside)):
            return True
        if isinstance(t.node, ast.Name) and any(_multiplies(s, t.node.id) for s in reader.sequence[t.home :]):
            return True
    return False


def _multiplies(statement: SourceStatement, name: str) -> bool:
    """Whether a statement makes a running product of what the name holds: `p *= q`, `p = p * q`, `p = (p @ T) * q`."""
    parsed = parse(statement.source)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
            if isinstance(node.target, ast.Name) and node.target.id == name:
                return True
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            products = (n for n in ast.walk(node.value) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult))
            if any(isinstance(n, ast.Name) and n.id == name for p in products for n in ast.walk(p)):
                return True
    return False
