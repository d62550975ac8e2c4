"""A cell that ended non-finite, run once more on copies with a rewrite's edits in it: is the variable finite now?

    1. as it was           must become non-finite at the same elements: else nothing is claimed
    2. with the edits      finite: the rewrite's note says so; non-finite, or an error that was none before: it is no cure

What runs has been judged, and works on copies (`world.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from . import snapshot
from .closed_world import RefusedError
from .codemap import CodeMap
from .model import Edit, SourceStatement
from .nonfinite import NonFinite
from .rewrite import Proposal
from .second_run import Repeated, event_behind
from .snapshot import Leaf
from .training_again import Clock, Ran, Tracing, leaf_of, repeats, run, walked
from .world import World, edited, first_edited

MAX_CONTROL = 3.0  # of the run that changes nothing


class EditedCell:
    """The runs of one cell; findings share the one that changes nothing."""

    def __init__(self, make: Callable[[], World], roots: Mapping[str, object], code: CodeMap, clock: Clock) -> None:
        """Prepare; nothing is copied or run before the first question.

        Args:
            make: Judges the statements and makes the copies; raises `RefusedError` where the cell cannot be run again.
        """
        self._make = make
        self._roots = roots
        self._code = code
        self._clock = clock
        self._begun: tuple[World, Ran] | None = None
        self._refused: RefusedError | None = None

    def fault(self, edits: Sequence[Edit], of: Sequence[NonFinite]) -> str:
        """What is wrong with the first of these variables that is, when the cell runs with the edits; empty: all are finite.

        Raises:
            RefusedError: It cannot be told.
        """
        world, before = self._control()
        for n in of:
            repeats(before, n)
        ran = run(edited(world, edits, self._roots, self._code), None, frozenset(), self._roots, self._clock)
        try:
            if not ran.is_whole:
                raise RefusedError("running it again takes too long")
            if ran.error is not None and before.error is None:
                return f"raises {type(ran.error).__name__}"
            left = (n.path for n in of if not _is_finite(leaf_of(ran, n.leaf)))
            return next((f"leaves `{path}` non-finite" for path in left), "")
        finally:
            ran.close()

    def _control(self) -> tuple[World, Ran]:
        """What the cell becomes when it is run again as it was.

        Raises:
            RefusedError: It cannot be.
        """
        if self._refused is not None:
            raise self._refused
        if self._begun is None:
            try:
                world = self._make()
                ran = run(world, None, frozenset(), self._roots, self._clock, MAX_CONTROL)
                self._begun = world, ran
                if not ran.is_whole:
                    raise RefusedError("running it again takes too long")
            except RefusedError as refused:
                self._refused = refused
                raise
        return self._begun

    def second_fault(self, edits: Sequence[Edit], of: Sequence[NonFinite]) -> tuple[NonFinite, Repeated] | None:
        """What leaves one of these variables non-finite when the cell runs with the edits; None where that is not seen.

        Raises:
            RefusedError: See `fault`.
        """
        if any(e.before.count("\n") != e.after.count("\n") for e in edits):
            return None  # lines are not what they are in the cell
        world, _ = self._control()
        tracing = Tracing(self._code)
        world = edited(world, edits, self._roots, self._code)
        ran = run(world, None, frozenset(), self._roots, self._clock, tracing=tracing)
        try:
            log = tracing.recorder.log
            for n in of:
                leaf = leaf_of(ran, n.leaf)
                if leaf is None or _is_finite(leaf):
                    continue
                event = event_behind(log, leaf.key, n)
                if event is not None:
                    return n, Repeated(event, log, leaf.key, snapshot.aliases_of(walked(ran)))
            return None
        finally:
            ran.close()

    def bound_from(self, edits: Sequence[Edit]) -> set[str]:
        """The names that are bound in the line of the first edit and after it, functions' own aside.

        Raises:
            RefusedError: See `fault`.
        """
        world, _ = self._control()
        nodes, first = world.nodes, first_edited(world, edits, self._code)
        stored = (n for s in nodes if not isinstance(s, ast.FunctionDef | ast.ClassDef) for n in ast.walk(s))
        lines = {id(n): n.lineno for n in ast.walk(nodes[first[0]]) if isinstance(n, ast.Name)}
        before = {id(n) for s in nodes[: first[0]] for n in ast.walk(s)}
        return {
            n.id for n in stored
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in before
            and lines.get(id(n), first[1]) >= first[1]
        }  # fmt: skip

    def close(self) -> None:
        """Let go of the copies."""
        if self._begun is not None:
            self._begun[1].close()
        self._begun = None


class InCell:
    """The run of one finding's whole cell with a rewrite (`rewrite.CellRun`)."""

    def __init__(self, cell: EditedCell, n: NonFinite, others: Sequence[NonFinite], failing: SourceStatement) -> None:
        """Prepare.

        Args:
            others: Further variables that the same operation left non-finite.
            failing: The statement that failed. A rewrite that leaves it as it is cures what it, or what comes after it, binds.
        """
        self._cell = cell
        self._all = (n, *others)
        self._failing = failing
        self._not_cured: dict[tuple[Edit, ...], Sequence[NonFinite]] = {}

    def __call__(self, proposal: Proposal) -> tuple[bool, str] | None:
        """Whether it is finite, and a sentence for the note; None: nothing is known."""
        try:
            cured: Sequence[NonFinite] = self._all
            if proposal.statement != self._failing and not proposal.rebound[0]:
                after = self._cell.bound_from(proposal.edits)
                cured = [n for n in self._all if n.path != n.root or n.root in after]
            if not cured or not proposal.edits:
                return None
            fault = self._cell.fault(proposal.edits, cured)
        except Exception:  # it cannot be run again, or whatever a framework raises: nothing is claimed of the cell
            return None
        if fault:
            self._not_cured[proposal.edits] = cured
            return False, f"It is no cure alone: run again with it on copies, the cell {fault}."
        return True, f"The cell, run again with it on copies, leaves `{cured[0].path}` finite."

    def remaining(self, edits: tuple[Edit, ...]) -> tuple[NonFinite, Repeated] | None:
        """What a rewrite that was no cure leaves non-finite, and by which operation; None where it is not known."""
        cured = self._not_cured.get(edits)
        try:
            return self._cell.second_fault(edits, cured) if cured else None
        except Exception:  # as above
            return None

    def completes(self, edits: tuple[Edit, ...], further: Sequence[Edit]) -> bool:
        """Whether what the edits alone did not cure is finite with further ones."""
        both = (*edits, *further)
        try:
            fault = self._cell.fault(both, self._not_cured[edits])
        except Exception:  # as above
            return False
        if fault:
            self._not_cured[both] = self._not_cured[edits]
        return not fault


def _is_finite(leaf: Leaf | None) -> bool:
    """Whether a variable is.

    Raises:
        RefusedError: There is none.
    """
    if leaf is None:
        raise RefusedError("it does not make the variable any more")
    probe = leaf.backend.probe([leaf.value])
    leaf.backend.read([probe])
    return not probe.flags[0]
