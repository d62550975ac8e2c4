"""What of the namespace is read after a cell: all of it, or what the cell's code could reach and what moved.

After a watched cell, whatever is below a reachable name is read in full: numpy counts no versions, and `.data`, fused
optimizers, the statistics of BatchNorm and shared memory move none. A name that the cell's code cannot reach, and that
leads to the same object as at the last check, is left; it is read when the kernel is idle, before a report is shown, and
after every traced cell. What reachability cannot see: threads and callbacks that an earlier cell started, C code that kept
a reference, user code of other modules that keeps one without being mentioned.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import snapshot
from .backends import loaded_backends
from .backends.base import Backend, Probe
from .model import Checked
from .nonfinite import Left, NonFinite, OnProgress, find_nonfinite, probe

IDLE = 1.0  # seconds after a cell until what was left is read
_TURN = 0.01  # seconds of it at a time: a cell that is sent meanwhile waits no longer
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Reading:
    """What one check found.

    Attributes:
        final: The tensors that were looked at. It holds them: drop it soon.
        names: The names that were read; None: all.
    """

    final: snapshot.Snapshot
    found: list[NonFinite]
    checked: Checked
    names: set[str] | None


class Checks:
    """The checks of one session, and what they left unread."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}  # object of each name at its last check
        self._left: dict[str, None] = {}  # the longest unread first
        self._timer: asyncio.TimerHandle | None = None

    def after_cell(
        self,
        roots: Mapping[str, object],
        reachable: set[str] | None,
        is_news: Callable[[NonFinite], bool],
        on_progress: OnProgress,
        also: Sequence[tuple[Backend, Probe]],
        left: Left | None = None,
    ) -> Reading:
        """Read what may have changed; everything if there is news.

        Args:
            roots: The user's names and what they hold, and what the cell displayed.
            reachable: Names that the cell may have touched; None: any.
            is_news: Whether a report would tell of it.
            on_progress, also: See `nonfinite.probe` and `nonfinite.find_nonfinite`.
            left: What was looked at after the last statement: it is not looked at again.
        """
        names = None
        if left is not None and any(roots.get(n) is not v for n, v in left.walk.roots.items()):
            left = None
        if reachable is not None:
            names = {n for n, v in roots.items() if n in reachable or self._ids.get(n) != id(v)}
            names |= left.walk.roots.keys() if left is not None else set()
        reading = _read({n: roots[n] for n in roots if names is None or n in names}, names, on_progress, also, left)
        if (names is not None or left is not None) and any(map(is_news, reading.found)):
            reading = _read(roots, None, on_progress, ())  # by the plainest path to each
        self._note(roots, reading.names)
        return reading

    def _note(self, roots: Mapping[str, object], names: set[str] | None) -> None:
        self._ids = {n: id(v) for n, v in roots.items()}
        if names is None:
            self._left = {}
            return
        left = {n: None for n in self._left if n not in names}
        left.update((n, None) for n in self._ids if n not in names)
        self._left = {n: None for n in left if n in self._ids}

    def forget(self) -> None:
        """Nothing was read: the next check reads all."""
        self._ids, self._left = {}, {}

    # --- when the kernel is idle --------------------------------------------------------------------------------------
    def read_when_idle(self, roots: Callable[[], Mapping[str, object]], is_news: Callable[[NonFinite], bool]) -> None:
        """Plan to read what was left; without an event loop (a terminal, a script) nothing happens.

        A name with news is read again after the next cell, which then tells of it.
        """
        self.stop_reading()
        if self._left:
            self._plan(IDLE, roots, is_news)

    def stop_reading(self) -> None:
        """A cell begins, or watching ended."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _plan(self, after: float, *how: Any) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(after, self._read_some, *how)
        except RuntimeError:  # no loop runs
            self._timer = None

    def _read_some(self, roots: Callable[[], Mapping[str, object]], is_news: Callable[[NonFinite], bool]) -> None:
        self._timer = None
        end = time.monotonic() + _TURN
        try:
            values = roots()
            while self._left and time.monotonic() < end:
                name = next(iter(self._left))
                del self._left[name]
                if name in values and any(map(is_news, _read({name: values[name]}, {name}).found)):
                    self._ids.pop(name, None)
        except Exception:  # nobody waits for this: the next report reads everything
            return
        if self._left:
            self._plan(_PAUSE, roots, is_news)


def _read(
    roots: Mapping[str, object],
    names: set[str] | None,
    on_progress: OnProgress | None = None,
    also: Sequence[tuple[Backend, Probe]] = (),
    left: Left | None = None,
) -> Reading:
    walk, done = left or (snapshot.Walk(loaded_backends()), [])
    final = walk.go_on({n: v for n, v in roots.items() if n not in walk.roots})
    found, checked = find_nonfinite(probe(final, on_progress, done), also=also)
    return Reading(final, found, checked, names)
