"""The last executions of a kernel in order: what each did to the notebook's names, and whether its cell ran again since."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .errors import UsageError
from .model import ExecutionRef
from .outputs import is_output
from .versions import MAX_EXECUTIONS, Execution, Version, forget


@dataclass(frozen=True, slots=True)
class Effects:
    """What one execution did to the notebook's names; `external`: what changed before it, by nobody's statement."""

    bound: tuple[str, ...]
    mutated: tuple[str, ...]
    deleted: tuple[str, ...]
    external: tuple[str, ...]
    overlaps: tuple[int, ...]


class Executions:
    """A ring of them. Not locked: the chronicle is."""

    def __init__(self) -> None:
        self._ring: deque[Execution] = deque()
        self._order = 0
        self._latest_id: dict[str, int] = {}
        self._latest_text: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._ring)

    @property
    def last(self) -> Execution | None:
        """The newest one."""
        return self._ring[-1] if self._ring else None

    def start(self, raw: str, ref: ExecutionRef, running: Iterable[Execution]) -> Execution:
        """A new one begins, beside those that run in other threads; the oldest leaves the ring."""
        self._order += 1
        new = Execution(ref, self._order, hash(raw))
        for other in running:
            other.overlaps.add(new.order)
            new.overlaps.add(other.order)
        self._ring.append(new)
        if ref.cell_id is not None:
            self._latest_id[ref.cell_id] = new.order
        self._latest_text[new.text] = new.order
        while len(self._ring) > MAX_EXECUTIONS:
            old = self._ring.popleft()
            forget(old)
            if self._latest_text.get(old.text) == old.order:
                del self._latest_text[old.text]
            if old.ref.cell_id is not None and self._latest_id.get(old.ref.cell_id) == old.order:
                del self._latest_id[old.ref.cell_id]
        return new

    def is_stale(self, execution: Execution) -> bool:
        """Whether the cell was run again since, edited or not.

        Where the front end sends no cell ids, an edited cell that runs again cannot be told from a new one.
        """
        cell_id = execution.ref.cell_id
        if cell_id is not None:
            return self._latest_id.get(cell_id, 0) > execution.order
        return self._latest_text.get(execution.text, 0) > execution.order

    def stale_refs(self) -> set[ExecutionRef]:
        """The numbers of all executions whose cells ran again since."""
        return {e.ref for e in self._ring if self.is_stale(e)}

    def counts_of(self, orders: set[int]) -> list[int]:
        """The numbers of executions that are known by their order."""
        return [e.ref.count for e in self._ring if e.order in orders and e.ref.count is not None]

    def output(self, name: str) -> Version | None:
        """The version of what an execution displayed, if it is known."""
        versions = (v for e in reversed(self._ring) if f"Out[{e.ref.count}]" == name for v in reversed(e.versions))
        return next((v for v in versions if v.name == name and v.change == "bound"), None)

    def effects(self, count: int) -> Effects:
        """What an execution did.

        Raises:
            UsageError: it is not known.
        """
        known = [e for e in self._ring if e.ref.count is not None]
        e = next((e for e in reversed(known) if e.ref.count == count), None)
        if e is None:
            span = f"In [{known[0].ref.count}] to In [{known[-1].ref.count}]" if known else "none"
            raise UsageError(f"execution {count} is not known; known: {span}")
        names = (e.bound, e.mutated - e.bound, e.deleted, e.external)
        bound, mutated, deleted, external = (tuple(sorted(n for n in s if not is_output(n))) for s in names)
        return Effects(bound, mutated, deleted, external, tuple(self.counts_of(e.overlaps)))
