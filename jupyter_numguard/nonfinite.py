"""Which of the tensors of a snapshot are non-finite: exactly, and with one read per device for a whole cell.

    pending = probe(walk(namespace, backends))                      starts the reductions; no device is read
    found, checked = find_nonfinite(pending, also=earlier_probes)   one host read per device over all of them

`also` are probes that were started after the statements of the cell; their flags are filled in by the same read.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from typing import Any, NamedTuple

from .backends.base import Backend, Probe
from .growth import Series
from .model import Checked, Counts, NonFiniteState, Skipped, TensorInfo
from .opevents import Key
from .snapshot import Leaf, Snapshot, Walk

OnProgress = Callable[[int, int], None]
"""Called with (bytes looked at, bytes in all), about once a second from the second second on."""

_CHUNK = 256 << 20  # bytes between two looks at the clock: 0.05 to 0.3 s of host memory
_PATIENCE = 1.0  # seconds without a word to the user
_INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class NonFinite:
    """A tensor that was non-finite when it was probed.

    Attributes:
        path: As the user would type it; of a list of numbers the first non-finite element ("losses[37]").
        leaf: The path in the snapshot: of a list of numbers the list ("losses"), else `path`.
        state: Both True where counting failed: one of them holds.
        more: Number of further non-finite elements of the same list of numbers.
        in_list: An element of a list, tuple or deque; `path` ends with its index.
        before: Of a list of numbers: magnitudes of the elements before, which is how it grew if a loop appended them.
        reference: Returns the tensor, or None if it is gone: a finding keeps no tensor alive.
    """

    path: str
    leaf: str
    root: str
    key: Key
    tensor: TensorInfo
    counts: Counts
    first_index: tuple[int, ...]
    state: NonFiniteState
    more: int
    backend: Backend
    reference: Callable[[], Any]
    before: Series = field(default_factory=Series)
    in_list: bool = False

    @property
    def value(self) -> Any:
        """The tensor (of a list of numbers: the element), None if it is gone."""
        return self.reference()

    @property
    def finite_range(self) -> tuple[float, float] | None:
        """(min, max) of the finite values, None if there are none. Cost: a summary of the tensor."""
        try:
            summary = self.backend.summarize(self.value)
        except Exception:  # gone, or a tensor that can be probed but not summarised
            return None
        return None if summary.min is None or summary.max is None else (summary.min, summary.max)


class Left(NamedTuple):
    """What the last statement of a cell left, as it was looked at: held until the check at the cell's end, which need not
    look at it again.

    Attributes:
        walk: It can go on from what the statement did not touch.
        done: The checks that were started: per backend the leaves, and their flags.
    """

    walk: Walk
    done: list[tuple[Backend, list[Leaf], Probe]]


@dataclass(slots=True)
class Pending:
    """A probe of a snapshot whose flags may still lie on their devices. It keeps the leaves that may be non-finite.

    Attributes:
        probes: Per call of a backend: the leaves, None where one is known to be finite, and their flags.
        tensors, bytes: What was looked at; memory that several share counts once, with its largest view.
        interrupted: The user pressed stop: what was not looked at is in `skipped`.
    """

    probes: list[tuple[Backend, tuple[Leaf | None, ...], Probe]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    tensors: int = 0
    bytes: int = 0
    interrupted: bool = False


def probe(
    snapshot: Snapshot,
    on_progress: OnProgress | None = None,
    done: Sequence[tuple[Backend, Sequence[Leaf], Probe]] = (),
) -> Pending:
    """Start the check of every leaf; no device is read. A KeyboardInterrupt ends it, and is not raised.

    Args:
        done: Checks of some of the leaves that were started before, in one call of a backend each. Not done again, unless
            they are long.
    """
    pending = Pending(skipped=list(snapshot.skipped))
    queue: list[tuple[Leaf, int]] = []
    looked_at: list[Leaf] = []
    begun = {id(leaf) for _, leaves, _ in done for leaf in leaves}
    try:
        for leaf in snapshot.leaves:
            size = _admit(leaf, pending, is_readable=id(leaf) in begun)
            if size is not None:
                queue.append((leaf, size))
        if sum(size for leaf, size in queue if id(leaf) in begun) > _CHUNK:
            done, begun = (), set()  # what takes long is read where the user sees how far it is, and can stop it
        for backend, leaves, flags in done:
            _note(backend, leaves, flags, pending, looked_at)
        waiting = [(leaf, size) for leaf, size in queue if id(leaf) not in begun]
        total, read, last_word = sum(size for _, size in waiting), 0, time.monotonic()
        for chunk in _chunks(waiting):
            _probe_chunk([leaf for leaf, _ in chunk], pending, looked_at)
            read += sum(size for _, size in chunk)
            if on_progress is not None and time.monotonic() - last_word > _PATIENCE:
                last_word = time.monotonic()
                on_progress(read, total)
    except KeyboardInterrupt:
        pending.interrupted = True
        known = {s.variable for s in pending.skipped} | {leaf.path for leaf in looked_at}
        pending.skipped += [Skipped(leaf.path, _INTERRUPTED) for leaf in snapshot.leaves if leaf.path not in known]
    paths = {leaf.path for leaf in looked_at}
    sizes: dict[Key, int] = {}
    for leaf, size in queue:
        if leaf.path in paths:
            sizes[leaf.key] = max(size, sizes.get(leaf.key, 0))
    pending.tensors, pending.bytes = len(looked_at), sum(sizes.values())
    return pending


def _admit(leaf: Leaf, pending: Pending, *, is_readable: bool) -> int | None:
    """Bytes to look at, None if the leaf cannot be checked; `is_readable`: it is known that it can."""
    try:
        reason = None if is_readable else leaf.backend.why_unchecked(leaf.value)
        if reason is None:
            return leaf.backend.nbytes(leaf.value)
    except Exception as error:
        reason = _describe(error)
    pending.skipped.append(Skipped(leaf.path, reason))
    return None


def _chunks(queue: Sequence[tuple[Leaf, int]]) -> list[list[tuple[Leaf, int]]]:
    """Consecutive leaves of about `_CHUNK` bytes, whatever their backends."""
    out: list[list[tuple[Leaf, int]]] = []
    room = 0
    for leaf, size in queue:
        if room < size or not out:
            out.append([])
            room = _CHUNK
        out[-1].append((leaf, size))
        room -= size
    return out


def _probe_chunk(leaves: Sequence[Leaf], pending: Pending, looked_at: list[Leaf]) -> None:
    by_backend: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        by_backend.setdefault(id(leaf.backend), []).append(leaf)
    for group in by_backend.values():
        _probe_group(group, pending, looked_at)


def _probe_group(leaves: Sequence[Leaf], pending: Pending, looked_at: list[Leaf]) -> None:
    """Probe together; if that raises, by halves, and skip those that raise alone."""
    backend = leaves[0].backend
    try:
        found = backend.probe([leaf.value for leaf in leaves])
    except Exception as error:
        if len(leaves) == 1:
            pending.skipped.append(Skipped(leaves[0].path, _describe(error)))
            return
        half = len(leaves) // 2
        _probe_group(leaves[:half], pending, looked_at)
        _probe_group(leaves[half:], pending, looked_at)
        return
    _note(backend, leaves, found, pending, looked_at)


def _note(backend: Backend, leaves: Sequence[Leaf], found: Probe, pending: Pending, looked_at: list[Leaf]) -> None:
    looked_at += leaves
    suspects = tuple(None if flag is False else leaf for leaf, flag in zip(leaves, found.flags, strict=True))
    if any(suspects):
        pending.probes.append((backend, suspects, found))


def _describe(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:  # the error of a class that breaks even this
        text = ""
    return f"{type(error).__name__}: {text}".split("\n")[0][:200]


# --- reading ----------------------------------------------------------------------------------------------------------
def find_nonfinite(pending: Pending, *, also: Sequence[tuple[Backend, Probe]] = ()) -> tuple[list[NonFinite], Checked]:
    """Read all flags, then count what is non-finite; the numbers are of now.

    A KeyboardInterrupt ends it and is not raised; what was not read is skipped, "interrupted".

    Args:
        also: Probes whose flags are to be filled in by the same reads: one per device over all.
    """
    late = "not read from its device"
    try:
        late = _read([*((b, p) for b, _, p in pending.probes), *also]) or late
    except KeyboardInterrupt:
        late = _INTERRUPTED
    found: list[NonFinite] = []
    unread: list[Skipped] = []
    for _, leaves, flags in pending.probes:
        for leaf, flag in zip(leaves, flags.flags, strict=True):
            if leaf is not None and flag:
                found.append(_measure(leaf))
            elif leaf is not None and flag is None:
                unread.append(Skipped(leaf.path, late))
    return found, Checked(pending.tensors - len(unread), pending.bytes, (*pending.skipped, *unread))


def _read(probes: Sequence[tuple[Backend, Probe]]) -> str | None:
    """Read what is pending; the reason if a backend could not."""
    by_backend: dict[int, tuple[Backend, list[Probe]]] = {}
    for backend, one in {id(one): (backend, one) for backend, one in probes}.values():
        if one.pending:
            by_backend.setdefault(id(backend), (backend, []))[1].append(one)
    reason = None
    for backend, pending in by_backend.values():
        try:
            backend.read(pending)
        except Exception as error:  # a lost device: nothing that is on it can be known
            reason = _describe(error)
    return reason


def _measure(leaf: Leaf) -> NonFinite:
    """Count what is non-finite now; of a list of numbers, in its first such element."""
    backend, path, value, more = leaf.backend, leaf.path, leaf.value, 0
    before = Series()
    try:
        counts, index = backend.count(value)
        if leaf.elements and index:
            more = counts.num_nonfinite - 1
            before = _magnitudes(islice(value, index[0]))
            path, value = f"{path}[{index[0]}]", value[index[0]]
            counts, index = backend.count(value)
        tensor = backend.info(value)
        state = NonFiniteState(counts.nan > 0, counts.posinf + counts.neginf > 0)
    except (Exception, KeyboardInterrupt):  # it is non-finite all the same; only its numbers are not known
        tensor = _info(leaf)
        counts, index, state = Counts(prod(tensor.shape), 0, 0, 0), (), NonFiniteState(True, True)
    return NonFinite(
        path, leaf.path, leaf.root, leaf.key, tensor, counts, index, state, more, backend, _reference(value),
        before, leaf.in_list,
    )  # fmt: skip


def _magnitudes(numbers: Iterable[Any]) -> Series:
    series = Series()
    for i, number in enumerate(numbers):
        try:
            series.add(i + 1, float(abs(number)))
        except (OverflowError, TypeError):  # an int that no float holds, something that is no number
            break
    return series


def _info(leaf: Leaf) -> TensorInfo:
    try:
        return leaf.backend.info(leaf.value)
    except Exception:
        return TensorInfo(leaf.backend.framework_name, type(leaf.value).__name__, (), "")


def _reference(value: Any) -> Callable[[], Any]:
    """A weak reference; a strong one to what has none: a number."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value
