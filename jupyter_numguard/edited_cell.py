"""A cell that ended non-finite, run once more on copies with a rewrite's edits in it: is the variable finite now?

    1. as it was           must become non-finite at the same elements: else nothing is claimed
    2. with the edits      finite: the rewrite's note says so; non-finite, or an error that was none before: it is no cure

What runs has been judged, and works on copies (`world.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .closed_world import RefusedError
from .codemap import CodeMap
from .model import Edit
from .nonfinite import NonFinite
from .rewrite import Proposal, Verdict, VerifyRun
from .training_again import Clock, Ran, leaf_of, repeats, run
from .world import World, edited

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

    def control(self, n: NonFinite) -> tuple[World, Ran]:
        """What the cell became when it was run again as it was.

        Raises:
            RefusedError: It cannot be, or did not become what the user's did.
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
        repeats(self._begun[1], n)
        return self._begun

    def fault(self, n: NonFinite, edits: Sequence[Edit]) -> str:
        """What is wrong with the variable when the cell runs with the edits; empty: it is finite.

        Raises:
            RefusedError: It cannot be told.
        """
        world, before = self.control(n)
        ran = run(edited(world, edits, self._roots, self._code), None, frozenset(), self._roots, self._clock)
        try:
            if not ran.is_whole:
                raise RefusedError("running it again takes too long")
            if ran.error is not None and before.error is None:
                return f"raises {type(ran.error).__name__}"
            leaf = leaf_of(ran, n.leaf)
            if leaf is None:
                raise RefusedError("it does not make the variable any more")
            probe = leaf.backend.probe([leaf.value])
            leaf.backend.read([probe])
            return f"leaves `{n.path}` non-finite" if probe.flags[0] else ""
        finally:
            ran.close()

    def close(self) -> None:
        """Let go of the copies."""
        if self._begun is not None:
            self._begun[1].close()
        self._begun = None


def in_its_cell(verify: VerifyRun, cell: EditedCell, n: NonFinite) -> VerifyRun:
    """The same run of a rewrite, and then its whole cell: what is not finite there was not cured."""

    def run_both(proposal: Proposal) -> Verdict:
        verdict = verify(proposal)
        if not verdict.verified or not proposal.edits:
            return verdict
        try:
            fault = cell.fault(n, proposal.edits)
        except RefusedError:
            return verdict  # what the operands showed
        except Exception:  # whatever a framework or a strange value raises: nothing is claimed of the cell
            return verdict
        if not fault:
            return Verdict(True, f"{verdict.note} The cell, run again with it on copies, leaves `{n.path}` finite.")
        return Verdict(False, f"{verdict.note} It is no cure alone: run again with it on copies, the cell {fault}.")

    return run_both
