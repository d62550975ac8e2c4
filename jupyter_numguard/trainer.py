"""One finding's training, run once more: as it was, and with settings; what its variable and its loss became.

The first run must become what the user's did; only then anything is said of the others (`tried_settings.py`).
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence

from . import snapshot
from .closed_world import RefusedError
from .nonfinite import NonFinite
from .settings import RATE, Setting
from .training_again import Clock, Ran, leaf_of, repeats, run
from .world import World

MAX_SECONDS = 6.0  # of all runs after one cell
MAX_CONTROL = 3.0  # of the run that changes nothing
_LOSS = re.compile(r"\b(\w+)\.backward\(|\bgrad(?:ient)?\(\s*(\w+)")
_LOSS_NAME = re.compile(r"loss|cost|err|nll|mse|risk|objective", re.IGNORECASE)
_ORDINARY = 1e12  # a magnitude above which a variable has not stayed in order, finite or not


class Trainer:
    """Tries settings for one finding."""

    def __init__(self, world: World, n: NonFinite, roots: Mapping[str, object], on_slow: Callable[[], None]) -> None:
        """`on_slow`: called once, when the runs have taken a second."""
        self._rans: list[Ran] = []
        self._clock = Clock(MAX_SECONDS, on_slow)
        self._world = world
        self._n = n
        self._roots = roots
        texts = (ast.unparse(node) for node in world.nodes)
        found = [m[1] or m[2] for text in texts for m in _LOSS.finditer(text)]
        self._asked = tuple(dict.fromkeys(found))

    def control(self) -> Ran:
        """The run that changes nothing.

        Raises:
            RefusedError: It did not become what the user's did.
        """
        ran = self._run(None, MAX_CONTROL)
        if not ran.is_whole:
            raise RefusedError("training once more takes too long")
        repeats(ran, self._n)
        return ran

    def run(self, setting: Setting) -> Ran | None:
        """With a setting; None if the clock stopped it."""
        ran = self._run(setting)
        return ran if ran.is_whole else None

    def _run(self, setting: Setting | None, seconds: float = math.inf) -> Ran:
        names = {*self._asked, self._n.root} | {
            n.id
            for node in self._world.nodes
            for n in ast.walk(node)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and _LOSS_NAME.search(n.id)
        }
        ran = run(self._world, setting, frozenset(names), self._roots, self._clock, seconds)
        self._rans.append(ran)
        return ran

    def close(self) -> None:
        """Let go of the copies."""
        for ran in self._rans:
            ran.close()
        self._rans.clear()

    def _leaf(self, ran: Ran) -> snapshot.Leaf | None:
        return leaf_of(ran, self._n.leaf)

    def loss(self, ran: Ran) -> tuple[str, list[float]] | None:
        """The loss's name and its values: what a gradient was asked of, else the scalar whose name says so."""
        several = {name: values for (name, _), values in reversed(ran.notes.items()) if len(values) > 1}
        named = sorted(name for name in several if _LOSS_NAME.search(name) and not name.startswith(RATE))
        return next(((name, several[name]) for name in (*self._asked, *named) if name in several), None)

    def is_finite(self, ran: Ran) -> bool:
        """Whether the variable, and every noted loss, is finite, and the loss no larger than it began.

        Where there is no loss the variable must be of an ordinary size.
        """
        leaf = self._leaf(ran)
        if leaf is None:
            return False
        probe = leaf.backend.probe([leaf.value])
        leaf.backend.read([probe])
        loss = self.loss(ran)
        grown = loss is not None and not _end(loss[1]) <= _end(loss[1][::-1])
        size = None if loss is not None else self.largest(ran)
        if probe.flags[0] or grown or (size is not None and size > _ORDINARY):
            return False
        noted = (values for (name, _), values in ran.notes.items() if not name.startswith(RATE))
        return all(math.isfinite(x) for values in noted for x in values)

    @property
    def variable(self) -> str:
        """As the user would type it."""
        return self._n.path

    def largest(self, ran: Ran) -> float | None:
        """The largest magnitude of the variable."""
        leaf = self._leaf(ran)
        return leaf.backend.summarize(leaf.value).absmax if leaf is not None else None


def _end(values: Sequence[float]) -> float:
    """The mean of the last tenth: losses of batches differ."""
    last = values[-max(1, len(values) // 10) :]
    return sum(last) / len(last)
