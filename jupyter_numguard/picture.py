"""Which objects the names of a namespace lead to, and who else leads to them; over plain data only.

An object is known by a number that Python may use again; so an object that no name leads to is forgotten at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .access import Access
from .expressions import Path

WHOLE = ""  # the part that stands for an object's own content


class Link(int):
    """A token that leads to an object of the picture. Every other token is a value, compared by `==`."""


class Digest(NamedTuple):
    """A token that is a digest of a part's content; None where it was not read, which proves nothing."""

    value: Hashable


@dataclass(slots=True)
class Node:
    """One object.

    Attributes:
        parts: Suffix -> a link, or a value.
        light: Token that differs after most changes of the object's own content.
        digest: Of the content; None where it was not read. Two that differ prove a change.
        names: Names of the namespace that running the object's code may read.
        memory: Identity of the memory that it shares with views; None if it has none.
        is_far: Its code may run a backward pass, which writes to tensors that no attribute leads to from there.
        takes_gradient: A backward pass may write to it.
        is_table: Its parts stay where they are when others come and go: one is read without the others (a dict).
    """

    parts: dict[str, Hashable] = field(default_factory=dict)
    light: Hashable = None
    digest: Hashable = None
    names: frozenset[str] = frozenset()
    memory: Hashable = None
    is_far: bool = False
    takes_gradient: bool = False
    is_table: bool = False


@dataclass(slots=True)
class Look:
    """What was seen of some names.

    Attributes:
        names: Name -> token, of the names that were looked at.
        gone: Names that are not there any more.
        unseen: Objects that were left out because there were too many.
    """

    names: dict[str, Hashable] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    unseen: int = 0


class Picture:
    """The objects behind the names, as they were when they were last looked at."""

    def __init__(self) -> None:
        self.names: dict[str, Hashable] = {}
        self.nodes: dict[int, Node] = {}
        self._up: dict[int, dict[int | str, int]] = {}  # object -> who leads to it, and how often
        self._sharers: dict[Hashable, set[int]] = {}
        self._views: set[int] = set()  # objects whose memory others share
        self._takers: set[int] = set()  # objects that a backward pass may write to
        # What was worked out since the last change of who leads to whom: most statements change none of it.
        self._below: dict[int, tuple[int, ...]] = {}
        self._takers_names: frozenset[str] | None = None
        self._suffixes: dict[int, tuple[Node, dict[int, str]]] = {}  # of an object as it was then: who is where in it
        self._dropped: list[int] = []  # objects that lost a link

    # --- changing ---------------------------------------------------------------------------------------------------
    def bind(self, name: str, token: Hashable) -> None:
        """The name leads there from now on."""
        self.names[name] = token
        self._link(name, token)

    def release(self, name: str) -> None:
        """The name leads nowhere until it is bound again; nothing if there is none."""
        if name in self.names:
            self._unlink(name, self.names[name])

    def drop(self, name: str) -> None:
        """The name is gone."""
        self._unlink(name, self.names.pop(name))

    def put(self, nodes: Mapping[int, Node]) -> tuple[dict[int, set[str]], list[int]]:
        """Replace objects by what they look like now: the parts of each that changed, and the objects that are new."""
        changed: dict[int, set[str]] = {}
        fresh: list[int] = []
        for oid, new in nodes.items():
            old = self.nodes.get(oid)
            if old is None:
                fresh.append(oid)
            elif parts := _changed_parts(old, new):
                changed[oid] = parts
            if old is not None and old.memory is not None and old.memory != new.memory:
                self._leave(old.memory, oid)
            self.nodes[oid] = new
            if new.takes_gradient != (oid in self._takers):
                (self._takers.add if new.takes_gradient else self._takers.discard)(oid)
                self._takers_names = None
            if new.memory is not None and (old is None or old.memory != new.memory):
                self._join(new.memory, oid)
            if old is None or old.parts != new.parts:
                if old is not None:
                    self._below.clear()
                for token in new.parts.values():
                    self._link(oid, token)
                for token in old.parts.values() if old is not None else ():
                    self._unlink(oid, token)
        return changed, fresh

    def forget_unreached(self) -> list[int]:
        """Forget objects that lost a link and that no name leads to any more, and what only they led to."""
        forgotten = []
        while self._dropped:
            oid = self._dropped.pop()
            if oid not in self.nodes:
                if not self._up.get(oid, True):
                    del self._up[oid]
                continue
            if self._is_reached(oid):
                continue
            forgotten.append(oid)
            node = self.nodes.pop(oid)
            self._up.pop(oid, None)
            self._below.pop(oid, None)
            self._suffixes.pop(oid, None)
            self._takers.discard(oid)
            if node.memory is not None:
                self._leave(node.memory, oid)
            for token in node.parts.values():
                self._unlink(oid, token)
        return forgotten

    def _link(self, holder: int | str, token: Hashable) -> None:
        if isinstance(token, Link):
            up = self._up.setdefault(int(token), {})
            up[holder] = up.get(holder, 0) + 1
            self._takers_names = None

    def _unlink(self, holder: int | str, token: Hashable) -> None:
        up = self._up.get(int(token)) if isinstance(token, Link) else None
        if up is None or holder not in up:
            return
        up[holder] -= 1
        self._takers_names = None
        if not up[holder]:
            del up[holder]
            self._dropped.append(int(token))  # type: ignore[call-overload]

    def _join(self, memory: Hashable, oid: int) -> None:
        sharers = self._sharers.setdefault(memory, set())
        sharers.add(oid)
        if len(sharers) > 1:
            self._views |= sharers

    def _leave(self, memory: Hashable, oid: int) -> None:
        sharers = self._sharers.get(memory)
        if sharers is not None:
            sharers.discard(oid)
            self._views.discard(oid)
            if len(sharers) < 2:
                self._views -= sharers
            if not sharers:
                del self._sharers[memory]

    def _is_reached(self, oid: int) -> bool:
        seen = {oid}
        todo = [oid]
        while todo:
            for holder in self._up.get(todo.pop(), ()):
                if isinstance(holder, str):
                    return True
                if holder not in seen:
                    seen.add(holder)
                    todo.append(holder)
        return False

    # --- asking -----------------------------------------------------------------------------------------------------
    def holders(self, oid: int) -> dict[str, str]:
        """Every name that leads to an object, with a shortest path to it."""
        return self.holders_of((oid,))[oid]

    def holders_of(self, oids: Iterable[int]) -> dict[int, dict[str, str]]:
        """Of each object every name that leads to it, with a shortest path: up from all of them, then down from the names."""
        asked = list(oids)
        above = set(asked)
        starts: dict[str, list[int]] = {}
        for oid in (todo := list(above)):  # grows
            for holder in self._up.get(oid, ()):
                if isinstance(holder, str):
                    starts.setdefault(holder, []).append(oid)
                elif holder not in above and holder in self.nodes:
                    above.add(holder)
                    todo.append(holder)
        found: dict[int, dict[str, str]] = {oid: {} for oid in asked}
        for name, roots in starts.items():
            paths = dict.fromkeys(roots, name)
            for oid in roots:  # grows
                path = paths[oid]
                if oid in found:
                    found[oid][name] = path
                for child, suffix in self._suffixes_of(oid).items():
                    if child in above and child not in paths:
                        paths[child] = path + suffix
                        roots.append(child)
        return found

    def _suffixes_of(self, oid: int) -> Mapping[int, str]:
        """What an object leads to, and the first of its parts that does."""
        node = self.nodes.get(oid)
        if node is None:
            return {}
        known = self._suffixes.get(oid)
        if known is None or known[0] is not node:
            first: dict[int, str] = {}
            for suffix, token in node.parts.items():
                if type(token) is Link:
                    first.setdefault(token, suffix)
            known = self._suffixes[oid] = node, first
        return known[1]

    def follow(self, name: str, suffixes: tuple[str, ...]) -> tuple[list[tuple[int, str]], Hashable]:
        """The objects on the way with the part that leads on, and the token at the end.

        The way ends early at a part that the picture does not have (a property, a missing key): anything in that object
        may matter.
        """
        way: list[tuple[int, str]] = []
        token = self.names.get(name)
        for suffix in suffixes:
            if not isinstance(token, Link):
                return way, None
            node = self.nodes.get(int(token))
            suffix = _from_the_end(suffix, node) if node is not None else suffix
            if node is None or suffix not in node.parts:
                break
            way.append((int(token), suffix))
            token = node.parts[suffix]
        return way, token

    def spelled(self, path: Path) -> str:
        """A path as text, indices counted from the front."""
        way, _ = self.follow(*path)
        return path[0] + "".join(s for _, s in way) + "".join(path[1][len(way) :])

    def reached(self, name: str, suffixes: tuple[str, ...] = ()) -> tuple[int, ...]:
        """Every object that lies at or below a path."""
        return self.below(self.follow(name, suffixes)[1])

    def below(self, token: Hashable) -> tuple[int, ...]:
        """The object that a token leads to, and all that it leads to."""
        if type(token) is not Link or token not in self.nodes:
            return ()
        known = self._below.get(token)
        if known is None:
            seen = {token: None}
            todo = [token]
            while todo:
                for child in self.nodes[todo.pop()].parts.values():
                    if type(child) is Link and child not in seen and child in self.nodes:
                        seen[child] = None
                        todo.append(child)
            known = self._below[token] = tuple(seen)
        return known

    def code_names(self, access: Access) -> tuple[set[str], bool]:
        """Names that code behind the statement's names may read when it runs, and whether it reaches far."""
        found: set[str] = set()
        is_far = False
        todo: list[Path] = [(n, ()) for n in access.reads] + [*access.paths, *access.stores]
        while todo:
            for oid in self.reached(*todo.pop()):
                node = self.nodes[oid]
                is_far |= node.is_far
                for name in node.names - found:
                    if name in self.names:
                        todo.append((name, ()))
                    found.add(name)
        return found & self.names.keys(), is_far

    def taking_gradients(self) -> set[str]:
        """Names that lead to a tensor that a backward pass may write to."""
        if self._takers_names is None:
            self._takers_names = frozenset(n for names in self.holders_of(self._takers).values() for n in names)
        return set(self._takers_names)

    def sharing(self, names: Iterable[str]) -> set[str]:
        """Names that lead to memory that these names lead to too, as a view of it."""
        out: set[str] = set()
        for name in names if self._views else ():
            for oid in self._views.intersection(self.reached(name)):
                for other in self._sharers[self.nodes[oid].memory] - {oid}:
                    out.update(self.holders(other))
        return out


def _changed_parts(old: Node, new: Node) -> set[str]:
    """The parts that differ; what was not read this time is taken over from the old picture."""
    parts: set[str] = set()
    if old.parts != new.parts:
        for s, token in new.parts.items():
            if isinstance(token, Digest) and token.value is None and isinstance(old.parts.get(s), Digest):
                new.parts[s] = old.parts[s]
        parts.update(
            s
            for s in old.parts.keys() | new.parts.keys()
            if s not in old.parts or s not in new.parts or differs(old.parts[s], new.parts[s])
        )
    if new.light != old.light or (None not in (old.digest, new.digest) and new.digest != old.digest):
        parts.add(WHOLE)
    elif new.digest is None:
        new.digest = old.digest
    return parts


def _from_the_end(suffix: str, node: Node) -> str:
    """ "[-1]" of a list with three elements is "[2]"."""
    if suffix.startswith("[-") and suffix[2:-1].isdigit() and type(node.light) is int and suffix not in node.parts:
        return f"[{node.light + int(suffix[1:-1])}]"
    return suffix


def differs(old: Hashable, new: Hashable) -> bool:
    """Whether two tokens differ; a link never equals a value."""
    return type(old) is not type(new) or old != new
