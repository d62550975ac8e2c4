"""Every tensor in the notebook's namespace or reachable from it, each with the path that the user would type.

    model.encoder[0].weight    history["loss"]    list(seen)[2]    train.<closure>.cache

The last form is the one that nobody can type: a variable that a function took along (Python's own spelling,
`train.__closure__[1].cell_contents`, hides its name).

What holds, whatever is in the namespace:

- No code of the user runs: containers are read with the built-in types' own methods, attributes from instance
  dictionaries and slots. A property, `__getattr__`, `__iter__`, `__eq__` or `__len__` is never called.
- Every object is visited once, breadth first, so that the shortest path names it; `aliases_of` has the others.
- There is no limit of size or depth, and no sampling. Cost: about 1 µs an object.

Not taken: single Python numbers in attributes of a library's object: they are its settings.
Not entered: modules; classes and functions of libraries; objects that hold no tensors of the user but half of the
interpreter (`_NOT_ENTERED`); what IPython put into the namespace.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from .backends.base import Backend
from .inside import Inside, is_atom, package_of
from .model import Skipped
from .opevents import Key

MAX_ALIASES = 16  # paths listed for one memory; more help nobody

# Names that IPython puts into every namespace: history, output caches, the shell's own functions.
_SHELLS = frozenset(("In", "Out", "get_ipython", "exit", "quit", "open"))
_IPYTHON = re.compile(rf"_+|_i{{0,3}}|_i?\d+|_[dio]h|_exit_code|__\w+__|{'|'.join(sorted(_SHELLS))}")
# Steps that are walked when all others are done: a parameter is to be named by its model, not by its optimizer.
_ROUNDABOUT = ("list(", ".<", ".state_dict(", ".state.<", ".param_groups", "._")


class Leaf(NamedTuple):
    """A tensor that was found.

    Attributes:
        path: As the user would type it.
        root: The namespace's name that the path starts from.
        value: The tensor itself: a snapshot keeps it alive, so drop the snapshot soon.
        key: Identity of the memory.
        elements: `value` is a list of Python numbers; its elements are named one by one ("losses[37]").
        in_table: It is a column of a data frame, where NaN is also the mark of a missing value.
        in_list: It is an element of a list, tuple or deque.
    """

    path: str
    root: str
    value: Any
    backend: Backend
    key: Key
    elements: bool = False
    in_table: bool = False
    in_list: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `walk` found, in the order of the namespace, the shallow before the deep.

    Attributes:
        skipped: What a backend could not open, and why.
        again: Path of an object -> other paths that lead to the same object.
    """

    leaves: tuple[Leaf, ...]
    skipped: tuple[Skipped, ...] = ()
    again: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_users(name: object) -> bool:
    """Whether a name of the namespace is the user's own: text, and not one that IPython keeps there."""
    return isinstance(name, str) and not _is_ipythons(name)


@lru_cache(maxsize=4096)
def _is_ipythons(name: str) -> bool:
    return _IPYTHON.fullmatch(name) is not None


def walk(roots: Mapping[str, object], backends: Sequence[Backend]) -> Snapshot:
    """Find every tensor in and reachable from `roots`.

    Args:
        roots: Name -> object, such as the notebook's namespace; names that are IPython's own are left out.
        backends: The frameworks that are loaded; the first that owns an object takes it.
    """
    return Walk(backends).go_on(roots)


# A place on the way: (the place it was reached from, suffix, object there, root). Paths are made from it only where they are
# needed: at every step they would cost the square of the depth.
_Place = tuple[Any, str, object, str]


class Walk:
    """One walk; see `walk`. Everything visited is held, so that an `id` stays the object's own.

    Attributes:
        roots: What it started from so far.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        """Begin nowhere."""
        self.roots: dict[str, object] = {}
        self.backends = backends
        self.leaves: list[Leaf] = []
        self.skipped: list[Skipped] = []
        self._again: dict[int, list[_Place]] = {}
        self._seen: dict[int, _Place] = {}
        self._owners: dict[int, Backend | None] = {}
        self._openers: dict[int, Backend] = {}  # by the id of the class: the backend that opens its objects
        self._inside = Inside()
        self._near: deque[_Place] = deque()
        self._far: deque[_Place] = deque()

    def go_on(self, roots: Mapping[str, object]) -> Snapshot:
        """Walk from these roots too; everything that was found so far. What they share with earlier ones keeps its path."""
        self.roots.update(roots)
        self._near.extend((None, n, v, n) for n, v in list(roots.items()) if not is_atom(v) and is_users(n))
        while self._near or self._far:
            self._visit((self._near or self._far).popleft())
        again = {_path(self._seen[i]): tuple(map(_path, others)) for i, others in self._again.items()}
        return Snapshot(tuple(self.leaves), tuple(self.skipped), again)

    def _visit(self, place: _Place) -> None:
        before, _, value, root = place
        number = type(value) is float or type(value) is complex
        if not number:  # equal numbers may be one object; that says nothing
            known = self._seen.setdefault(id(value), place)
            if known is not place:
                others = self._again.setdefault(id(value), [])
                if len(others) < MAX_ALIASES:
                    others.append(place)
                return
        owner = self._owner(place)
        if owner is not None:
            elements = owner.framework_name == "python" and not number and _is_sequence(value)
            in_table = in_list = False
            if before is not None:
                in_table, in_list = package_of(type(before[2])) == "pandas", _is_sequence(before[2])
            leaf = Leaf(_path(place), root, value, owner, owner.key(value), elements, in_table, in_list)
            self.leaves.append(leaf)
            if number or elements:
                return
        for suffix, child in self._children(place, owner):
            if not is_atom(child) and not self._inside.is_setting(value, suffix, child):
                (self._far if suffix.startswith(_ROUNDABOUT) else self._near).append((place, suffix, child, root))

    def _owner(self, place: _Place) -> Backend | None:
        """The first backend that owns the value; remembered by type, but for lists: owned for their elements."""
        cls = id(type(place[2]))  # `_seen` holds the value and so its class
        try:
            return self._owners[cls]
        except KeyError:
            owner = self._ask_owner(place)
        if not _is_sequence(place[2]):
            self._owners[cls] = owner
        return owner

    def _ask_owner(self, place: _Place) -> Backend | None:
        for backend in self.backends:
            try:
                if backend.owns(place[2]):
                    return backend
            except Exception as error:  # a class that breaks even the question what it is
                self._skip(place, error)
                return None
        return None

    def _children(self, place: _Place, owner: Backend | None) -> Iterable[tuple[str, object]]:
        """What is inside, by the first backend that knows; else by Python's own rules, unless it is a tensor."""
        value = place[2]
        cls = type(value)
        if cls is dict or cls is list or cls is tuple:
            return list(self._inside.of(value))
        opener = self._openers.get(id(cls))
        for backend in (opener, *self.backends) if opener is not None else self.backends:
            try:
                found = backend.children(value)
                if found is not None:
                    self._openers[id(cls)] = backend
                    return found if type(found) is tuple else list(found)
            except Exception as error:
                self._skip(place, error)
                return ()
        return () if owner is not None else list(self._inside.of(value))

    def _skip(self, place: _Place, error: Exception) -> None:
        self.skipped.append(Skipped(_path(place), f"{type(error).__name__}: {error}"))


def _is_sequence(value: object) -> bool:
    cls = type(value)
    return cls is list or cls is tuple or cls is deque


def _path(place: _Place | None) -> str:
    """The suffixes after one another; one such as "list({})[2]" takes what is before it in."""
    suffixes = []
    while place is not None:
        suffixes.append(place[1])
        place = place[0]
    suffixes.reverse()
    path = "".join(suffixes)
    if "({}" not in path:
        return path
    parts: list[str] = []
    for suffix in suffixes:
        if suffix.startswith(("list({}", "vars({}")):
            parts = [suffix.replace("{}", "".join(parts), 1)]
        else:
            parts.append(suffix)
    return "".join(parts)


def aliases_of(snapshot: Snapshot, only: Collection[Key] | None = None) -> dict[Key, tuple[str, ...]]:
    """Memory -> all paths to it, the shortest first: to the same object, to a view of it, through a second name of a
    container. A memory with one path only has one.

    Python numbers are left out: they cannot be changed, so two names for one mean nothing.

    Args:
        only: The memories that are asked for; None: all.
    """
    out: dict[Key, dict[str, None]] = {}
    for leaf in snapshot.leaves:
        if only is not None and leaf.key not in only:
            continue
        if leaf.backend.framework_name == "python" and not leaf.elements:
            continue
        paths = out.setdefault(leaf.key, {})
        for path in (leaf.path, *snapshot.again.get(leaf.path, ())):
            for spelling in (path, *_other_spellings(path, snapshot.again)):
                if len(paths) <= MAX_ALIASES:
                    paths[spelling] = None
    return {key: tuple(paths) for key, paths in out.items()}


def _other_spellings(path: str, again: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The path with each of its beginnings replaced by the other names of that object."""
    for step in re.finditer(r"[.\[]", path):
        head = path[: step.start()]
        for other in again.get(head, ()):
            if not other.startswith((f"{head}.", f"{head}[")):  # a cycle: the object leads to itself
                yield other + path[step.start() :]
