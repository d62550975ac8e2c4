"""Findings get their diagnoses: copies of what their statements read, and rules, settings and rewrites run on those."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from .attempt import trier
from .completing import completed
from .diagnose import diagnose
from .edited_cell import InCell
from .findings import Explained
from .model import Diagnosis, Finding, Origin, Place, RewriteAdvice
from .nonfinite import NonFinite
from .once_more import OnceMore
from .purity import holds_layers
from .reach import library_names
from .rewrite import load_rewrites
from .rule import load_rules
from .samples import copies_of, may_take_gradient
from .second_run import Repeated
from .small_functions import functions_of
from .surroundings import with_surroundings
from .terms import aliases_of
from .tried_settings import Train
from .verify import verifier

MAX_EARLIER = 200  # origins whose diagnoses are kept


class Earlier:
    """What was said of each origin when its operands were at hand: a cell that only reads its result has none of them."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[Diagnosis, ...]] = {}

    def forget(self) -> None:
        """Nothing was said."""
        self._known.clear()

    def better(self, origin: Origin, of_gradient: bool, found: tuple[Diagnosis, ...]) -> tuple[Diagnosis, ...]:
        """What was found now, or what was said before of the same origin where only that has a verified rewrite."""
        at = origin.execution, origin.file, origin.line, origin.op, origin.phase, of_gradient
        before = self._known.pop(at, found)
        best = found if _is_cured(found) or not _is_cured(before) else before
        self._known[at] = best
        while len(self._known) > MAX_EARLIER:
            del self._known[next(iter(self._known))]
        return best


def _is_cured(found: Sequence[Diagnosis]) -> bool:
    return bool(found) and found[0].rewrite is not None and found[0].rewrite.verified


def diagnosed(
    explained: Sequence[Explained],
    roots: Mapping[str, object],
    cell: str,
    once_more: OnceMore | None = None,
    earlier: Earlier | None = None,
) -> tuple[Finding, ...]:
    """Each finding with its diagnoses; findings of one origin share them, gradients apart from values.

    Args:
        roots: The notebook's namespace.
        cell: The text of the cell that ended.
        once_more: The runs of the cell on copies; None where there can be none.
        earlier: What was said of origins after cells before; it is added to.
    """
    if not explained:
        return ()
    libraries = library_names(roots)
    aliases = tuple((name, dotted) for name, (dotted, _) in libraries.items())
    modules = {name: value for name, (_, value) in libraries.items()}
    modules |= {name: value for name, value in roots.items() if holds_layers(value)}
    known: dict[tuple[Origin, bool, tuple[Place, ...]], tuple[Diagnosis, ...]] = {}
    out = []
    for e in explained:
        origin = e.finding.origin
        if origin is None:
            out.append(e.finding)
            continue
        of_gradient = any(".grad" in path for path in (e.finding.variable, *e.finding.aliases))
        same = (origin, of_gradient, e.path.others)
        if same not in known:
            try:
                others = [x for x in explained if x is not e and x.finding.origin == origin]
                known[same] = _diagnoses(e, origin, roots, cell, aliases, modules, once_more, others)
            except Exception:  # whatever a strange value or source raises: where it failed is worth more than why
                known[same] = ()
            if earlier is not None:
                known[same] = earlier.better(origin, of_gradient, known[same])
        out.append(dataclasses.replace(e.finding, diagnoses=known[same]))
    return tuple(out)


def _diagnoses(
    e: Explained,
    origin: Origin,
    roots: Mapping[str, object],
    cell: str,
    aliases: tuple[tuple[str, str], ...],
    modules: Mapping[str, object],
    once_more: OnceMore | None,
    others: Sequence[Explained],
) -> tuple[Diagnosis, ...]:
    if once_more is None:
        return _of_operands(e, origin, roots, cell, aliases, modules)
    in_cell = once_more.in_cell(e, others)
    found = _of_operands(e, origin, roots, cell, aliases, modules, once_more.train(e), in_cell)
    first = found[0].rewrite if found else None
    if first is None or first.verified or in_cell is None:
        return found

    def rewrite_for(n: NonFinite, again: Repeated) -> RewriteAdvice | None:
        second = once_more.explain(n, again)
        if second.finding.origin is None:
            return None
        further = _of_operands(second, second.finding.origin, roots, cell, aliases, modules)
        return next((d.rewrite for d in further if d.rewrite is not None and d.rewrite.verified), None)

    whole = completed(first, in_cell, rewrite_for)
    return (dataclasses.replace(found[0], rewrite=whole), *found[1:])


def _of_operands(
    e: Explained,
    origin: Origin,
    roots: Mapping[str, object],
    cell: str,
    aliases: tuple[tuple[str, str], ...],
    modules: Mapping[str, object],
    train: Train | None = None,
    in_cell: InCell | None = None,
) -> tuple[Diagnosis, ...]:
    """What the rules say of a finding, its rewrites run on copies of what its statements read, and in its cell."""
    path = dataclasses.replace(e.path, aliases=aliases, taken=frozenset(roots))
    samples = dict(e.samples)
    if origin.function is None or origin.phase == "backward" or not samples:
        samples = {**copies_of(path, roots, cell), **samples}
    path = with_surroundings(path, samples, roots)
    run = tried = None
    if samples:
        run = verifier(
            samples, modules, gradient=may_take_gradient(path, cell), backward=origin.phase == "backward",
            function_named=functions_of(roots),
        )  # fmt: skip
        tried = trier(samples, modules, aliases_of(path), path.framework)
    return diagnose(path, load_rules(), load_rewrites(), run, tried, train, in_cell or (lambda proposal: None))
