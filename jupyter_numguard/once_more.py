"""What is run once more for the findings of one cell: its training with other settings, the cell with a rewrite in it.

A traced cell runs on copies of what it began with (`beginning.py`); of a watched one there is what `again.py` plans. A finding
of an earlier cell, and one whose variable is gone, has nothing to compare a run with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .again import Past, Planner
from .backends import loaded_backends
from .beginning import looks_like_training
from .closed_world import RefusedError
from .edited_cell import EditedCell, InCell
from .execution import Execution
from .findings import Explained
from .nonfinite import NonFinite
from .second_run import Repeated
from .trainer import Trainer
from .training_again import Clock
from .tried_settings import Train, trainer_of
from .world import World, world_of_cell, world_of_plan

MAX_SECONDS = 6.0  # of all runs with rewrites after one cell
MAX_CELL = 20.0  # what took longer, traced, is not begun again: a single call of a library cannot be stopped


@dataclass(slots=True)
class OnceMore:
    """The runs after one cell.

    Attributes:
        seconds: How long the cell took.
        found: What was found non-finite after it, by path; `fresh` are all paths of these.
        past: What is known of the statements so far, the cell's own among them.
        home: The globals of the user's functions.
        path_of: Reads a variable's path: its name and suffixes.
        explain: A variable that another run left non-finite, by what that run recorded.
        on_slow_training, on_slow_cell: Called once, when such runs have taken a second.
    """

    execution: Execution
    seconds: float
    found: Mapping[str, NonFinite]
    fresh: Collection[str]
    past: Past
    home: object
    path_of: Callable[[str], tuple[str, tuple[str, ...]]]
    explain: Callable[[NonFinite, Repeated], Explained]
    on_slow_training: Callable[[], None]
    on_slow_cell: Callable[[], None]
    _trained: dict[object, Train | None] = field(default_factory=dict)
    _cells: dict[str | None, EditedCell] = field(default_factory=dict)
    _clock: Clock | None = None

    def train(self, e: Explained) -> Train | None:
        """What trains once more for a finding; findings of one origin share what was tried. None where nothing is kept."""
        n, origin = self._variable(e), e.finding.origin
        if n is None or origin is None:
            return None
        at = origin.execution, origin.file, origin.line
        if at not in self._trained:
            trains = looks_like_training(self.execution.raw, self.past.values, self.home)
            self._trained[at] = trainer_of(lambda: self._trainer(n)) if trains else None
        return self._trained[at]

    def in_cell(self, e: Explained, others: Sequence[Explained]) -> InCell | None:
        """The run of a finding's cell with a rewrite in it; `others` are findings of the same origin. None: it has none."""
        n = self._variable(e)
        if n is None or not e.path.statements:
            return None
        if self._clock is None:
            self._clock = Clock(MAX_SECONDS, self.on_slow_cell)
        key = None if self.execution.beginning is not None else n.path
        if key not in self._cells:
            self._cells[key] = EditedCell(lambda: self._world(n), self.past.values, self.past.code, self._clock)
        same = [other for x in others if (other := self._variable(x)) is not None]
        return InCell(self._cells[key], n, same, e.path.statements[0])

    def close(self) -> None:
        """Let go of the copies."""
        for cell in self._cells.values():
            cell.close()
        self._cells.clear()
        self._trained.clear()

    def _variable(self, e: Explained) -> NonFinite | None:
        """What was found under the finding's name, if a run of this cell can be compared with it."""
        origin = e.finding.origin
        if origin is None or origin.execution is None or not self.execution.is_cell:
            return None
        if any(b.is_listened_to() for b in loaded_backends()):  # a mode or a hook of the user's would see it
            return None
        return self.found.get(e.finding.variable)

    def _trainer(self, n: NonFinite) -> Trainer:
        try:
            world = self._world(n)
        except RefusedError as refused:
            if self.execution.beginning is not None:
                raise
            raise RefusedError(f"{refused}; `%%numguard` keeps what a cell began with") from None
        return Trainer(world, n, self.past.values, self.on_slow_training)

    def _world(self, n: NonFinite) -> World:
        if self.seconds > MAX_CELL:
            raise RefusedError(f"it would take as long as the cell, {self.seconds:.0f} seconds")
        beginning, cell = self.execution.beginning, self.past.code.cell_of_execution(self.execution.ref)
        if beginning is not None and cell is not None:
            return world_of_cell(cell, beginning, self.past.values, self.past.code, self._is_unchanged)
        return world_of_plan(Planner(self.past, self.fresh).plan(*self.path_of(n.path)))

    def _is_unchanged(self, name: str) -> bool:
        return all(v.run.execution is not self.past.execution for v in self.past.versions(name, ()))
