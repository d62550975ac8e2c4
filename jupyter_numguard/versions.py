"""Versions of variables: which statement last bound each name and last changed each object, over plain data only.

    x = ones(3)      In[1]   name x -> object 7                 version 1: x bound
    y = x            In[2]   name y -> object 7                 version 2: y bound, read version 1
    x.add_(1)        In[3]   object 7 has another content       version 3: x, y mutated, read versions 1 and 3's past

A picture of the namespace (`Look`) says which object each name leads to, which parts each object has, and by what token
its content is known. `Versions.take` compares a new picture of some names with the old one and makes versions of the
differences. A version keeps the versions that its statement read: old ones stay as they were when a cell runs again.
An object is known by a number that Python may use again; so an object that no name leads to is forgotten at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .access import Access, Path
from .model import Counts, ExecutionRef, StepState

Change = Literal["bound", "mutated", "deleted", "external"]
WHOLE = ""  # the part that stands for an object's own content
MAX_FORGOTTEN = 2_000  # execution numbers that a version keeps of executions that left the ring


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
    """

    parts: dict[str, Hashable] = field(default_factory=dict)
    light: Hashable = None
    digest: Hashable = None
    names: frozenset[str] = frozenset()
    memory: Hashable = None
    is_far: bool = False
    takes_gradient: bool = False


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


@dataclass(slots=True, eq=False)
class Execution:
    """One run of a cell.

    Attributes:
        text: Hash of its text, by which a run of the same cell is known where the front end sends no id.
        overlaps: Executions that ran beside it in other threads.
        bound, mutated, deleted: Names.
        unseen: Objects that no picture of this execution could take in.
    """

    ref: ExecutionRef
    order: int
    text: int = 0
    overlaps: set[int] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    mutated: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    versions: list[Version] = field(default_factory=list)
    unseen: int = 0


@dataclass(slots=True, eq=False)
class Run:
    """One run of a top-level statement; `line` is 0 where it is none (a change between cells)."""

    execution: Execution
    index: int
    line: int
    code: str
    is_introducing: bool = False


@dataclass(slots=True, eq=False)
class Version:
    """One name that a statement bound, or one object that it changed.

    Attributes:
        name: The name, or the path to what was changed as the user would type it.
        parents: What the statement read.
        forgotten: Numbers of the executions that stood behind this one and left the ring; the newest ones.
    """

    order: int
    run: Run
    change: Change
    name: str
    parents: tuple[Version, ...] = ()
    state: StepState = "unknown"
    counts: Counts | None = None
    forgotten: tuple[int, ...] = ()


class Unproved(NamedTuple):
    """What a name had before a statement that may have failed: its version, and those of the objects it leads to."""

    version: Version | None
    written: dict[int, dict[str, Version]]


class Versions:
    """The picture of a namespace, and the versions behind it."""

    def __init__(self) -> None:
        self.names: dict[str, Hashable] = {}
        self.nodes: dict[int, Node] = {}
        self._bound: dict[str, Version] = {}
        self._written: dict[int, dict[str, Version]] = {}
        self._up: dict[int, dict[int | str, int]] = {}  # object -> who leads to it, and how often
        self._sharers: dict[Hashable, set[int]] = {}
        self._takers: set[int] = set()  # objects that a backward pass may write to
        self._order = 0

    # --- growing ----------------------------------------------------------------------------------------------------
    def take(
        self, look: Look, run: Run, access: Access, parents: Iterable[Version] = (), *, external: bool = False
    ) -> dict[str, Unproved]:
        """Compare a new picture of some names with the old one.

        Args:
            parents: Versions that the statement read, as they were before it.
            external: Nobody's statement did it: versions get no effect on the execution but `external`.

        Returns:
            Names that are bound for no other reason than that the statement says so, with the version that they had:
            `revert` takes that back if the statement failed.
        """
        self._order += 1
        execution = run.execution
        execution.unseen += look.unseen
        parents = tuple(parents)
        unproved: dict[str, Unproved] = {}
        dropped: list[int] = []
        for name in look.gone:
            if name in self.names:
                self._drop_name(name, dropped)
                (execution.external if external else execution.deleted).add(name)
                execution.bound.discard(name)
        bound: list[str] = []
        for name, token in look.names.items():
            is_new = name not in self.names or _differs(self.names[name], token)
            if is_new or (name in access.certain and not (name in access.augmented and isinstance(token, Link))):
                if not is_new:
                    past = {oid: dict(self._written[oid]) for oid in self.reached(name) if oid in self._written}
                    unproved[name] = Unproved(self._bound.get(name), past)
                if name in self.names:
                    self._unlink(name, self.names[name], dropped)
                bound.append(name)
        self._forget_unreached(dropped, keep=())
        changed = self._replace(look.nodes, dropped)
        change: Change = "external" if external else "bound"
        for name in bound:
            token = look.names[name]
            self.names[name] = token
            self._link(name, token)
            self._bound[name] = self._version(run, change, name, parents)
            (execution.external if external else execution.bound).add(name)
        self._forget_unreached(dropped, keep=look.nodes)
        self._note_changes(changed, run, parents, frozenset(bound), external=external)
        return unproved

    def revert(self, unproved: Mapping[str, Unproved], execution: Execution) -> None:
        """The statement failed before it could bind these names."""
        for name, (old, past) in unproved.items():
            for oid in past.keys() & self.nodes.keys():
                self._written[oid] = past[oid] | self._written.get(oid, {})
            if old is None:
                self._bound.pop(name, None)
            else:
                self._bound[name] = old
            if not any(
                v.change == "bound" and v.name == name and self._bound.get(name) is v for v in execution.versions
            ):
                execution.bound.discard(name)

    def _replace(self, nodes: Mapping[int, Node], dropped: list[int]) -> dict[int, set[str]]:
        changed: dict[int, set[str]] = {}
        for oid, new in nodes.items():
            old = self.nodes.get(oid)
            if old is None:
                self._written.pop(oid, None)
            else:
                for s, token in new.parts.items():
                    if isinstance(token, Digest) and token.value is None and isinstance(old.parts.get(s), Digest):
                        new.parts[s] = old.parts[s]
                parts = {
                    s
                    for s in old.parts.keys() | new.parts.keys()
                    if s not in old.parts or s not in new.parts or _differs(old.parts[s], new.parts[s])
                }
                if new.light != old.light or (None not in (old.digest, new.digest) and new.digest != old.digest):
                    parts.add(WHOLE)
                elif new.digest is None:
                    new.digest = old.digest
                if parts:
                    changed[oid] = parts
                if old.memory is not None and old.memory != new.memory:
                    self._sharers.get(old.memory, set()).discard(oid)
            self.nodes[oid] = new
            (self._takers.add if new.takes_gradient else self._takers.discard)(oid)
            if new.memory is not None:
                self._sharers.setdefault(new.memory, set()).add(oid)
            if old is None or old.parts != new.parts:
                for token in new.parts.values():
                    self._link(oid, token)
                if old is not None:
                    for token in old.parts.values():
                        self._unlink(oid, token, dropped)
        return changed

    def _note_changes(
        self, changed: Mapping[int, set[str]], run: Run, parents: tuple[Version, ...], bound: frozenset[str],
        *, external: bool,
    ) -> None:  # fmt: skip
        execution = run.execution
        for oid, parts in changed.items():
            holders = self.holders(oid)
            if not holders:
                continue
            others = {n: p for n, p in holders.items() if n not in bound}
            if not others and not external:
                continue  # all of it was bound anew
            name = min(others.values() or holders.values(), key=lambda p: (p.count(".") + p.count("["), len(p), p))
            if len(parts) == 1 and WHOLE not in parts:
                name += next(iter(parts))
            written = self._written.setdefault(oid, {})
            past = [written[WHOLE]] if WHOLE in parts and WHOLE in written else []
            version = self._version(run, "external" if external else "mutated", name, (*parents, *past))
            for part in parts:
                written[part] = version
            (execution.external if external else execution.mutated).update(others)

    def _version(self, run: Run, change: Change, name: str, parents: tuple[Version, ...]) -> Version:
        version = Version(self._order, run, change, name, parents)
        run.execution.versions.append(version)
        return version

    # --- links ------------------------------------------------------------------------------------------------------
    def _link(self, holder: int | str, token: Hashable) -> None:
        if isinstance(token, Link):
            up = self._up.setdefault(int(token), {})
            up[holder] = up.get(holder, 0) + 1

    def _unlink(self, holder: int | str, token: Hashable, dropped: list[int]) -> None:
        if not isinstance(token, Link):
            return
        oid = int(token)
        up = self._up.get(oid)
        if up is None or holder not in up:
            return
        up[holder] -= 1
        if not up[holder]:
            del up[holder]
            dropped.append(oid)

    def _drop_name(self, name: str, dropped: list[int]) -> None:
        self._unlink(name, self.names.pop(name), dropped)
        self._bound.pop(name, None)

    def _forget_unreached(self, dropped: list[int], keep: Iterable[int]) -> None:
        """Forget objects that lost a link and that no name leads to any more, and what only they led to."""
        while dropped:
            oid = dropped.pop()
            if oid not in self.nodes or self._is_reached(oid):
                continue
            node = self.nodes.pop(oid)
            self._written.pop(oid, None)
            self._up.pop(oid, None)
            self._takers.discard(oid)
            if node.memory is not None:
                sharers = self._sharers.get(node.memory)
                if sharers is not None:
                    sharers.discard(oid)
                    if not sharers:
                        del self._sharers[node.memory]
            for token in node.parts.values():
                self._unlink(oid, token, dropped)

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
        """Every name that leads to an object, with a path to it."""
        found: dict[str, str] = {}
        todo: list[tuple[int, str]] = [(oid, "")]
        seen = {oid}
        for at, tail in todo:  # grows
            for holder in self._up.get(at, ()):
                if isinstance(holder, str):
                    found.setdefault(holder, holder + tail)
                elif holder not in seen and holder in self.nodes:
                    seen.add(holder)
                    parts = self.nodes[holder].parts
                    suffix = next((s for s, t in parts.items() if isinstance(t, Link) and int(t) == at), "")
                    todo.append((holder, suffix + tail))
        return found

    def reached(self, name: str, suffixes: tuple[str, ...] = ()) -> Iterator[int]:
        """Every object that lies at or below a path."""
        token = self.names.get(name)
        for suffix in suffixes:
            if not isinstance(token, Link):
                return
            node = self.nodes.get(int(token))
            if node is None or suffix not in node.parts:
                break
            token = node.parts[suffix]
        if isinstance(token, Link):
            yield from self._below([int(token)])

    def _below(self, todo: list[int]) -> Iterator[int]:
        seen = set(todo)
        while todo:
            oid = todo.pop()
            node = self.nodes.get(oid)
            if node is None:
                continue
            yield oid
            for token in node.parts.values():
                if isinstance(token, Link) and int(token) not in seen:
                    seen.add(int(token))
                    todo.append(int(token))

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
        out: set[str] = set()
        for oid in self._takers:
            out.update(self.holders(oid))
        return out

    def sharing(self, names: Iterable[str]) -> set[str]:
        """Names that lead to memory that these names lead to too, as a view of it."""
        out: set[str] = set()
        for name in names:
            for oid in self.reached(name):
                memory = self.nodes[oid].memory
                others = self._sharers.get(memory, set()) if memory is not None else set()
                for other in others - {oid} if len(others) > 1 else ():
                    out.update(self.holders(other))
        return out

    def read(self, name: str, suffixes: tuple[str, ...] = (), *, way_only: bool = False) -> set[Version]:
        """The versions that the value at a path rests on.

        Args:
            way_only: Only how one gets there: the name's binding and the parts on the way.
        """
        found: set[Version] = set()
        if name in self._bound:
            found.add(self._bound[name])
        token = self.names.get(name)
        for suffix in suffixes:
            if not isinstance(token, Link):
                return found
            node = self.nodes.get(int(token))
            if node is None or suffix not in node.parts:
                break  # a property, a missing key: anything in the object may matter
            written = self._written.get(int(token), {})
            found.update(written[p] for p in (suffix, WHOLE) if p in written)
            token = node.parts[suffix]
        if isinstance(token, Link) and not way_only:
            for oid in self._below([int(token)]):
                found.update(self._written.get(oid, {}).values())
        return found

    def read_by(self, access: Access, code_names: Iterable[str]) -> tuple[Version, ...]:
        """All versions that a statement reads."""
        found: set[Version] = set()
        for name in access.reads.union(code_names):
            found |= self.read(name)
        for path in access.paths:
            found |= self.read(*path)
        for path in access.stores:
            found |= self.read(*path, way_only=True)
        return tuple(sorted(found, key=lambda v: v.order))


def _differs(old: Hashable, new: Hashable) -> bool:
    """Whether two tokens differ; a link never equals a value."""
    return type(old) is not type(new) or old != new


def ancestors(versions: Iterable[Version]) -> list[Version]:
    """These versions and all that they came from, newest first."""
    found: set[Version] = set()
    todo = list(versions)
    while todo:
        v = todo.pop()
        if v not in found:
            found.add(v)
            todo += v.parents
    return sorted(found, key=lambda v: -v.order)


def executions_of(versions: Iterable[Version]) -> list[int]:
    """The backward slice as execution counts, without changes that no execution made."""
    out: set[int] = set()
    for v in versions:
        out.update(v.forgotten)
        if v.change != "external" and v.run.execution.ref.count is not None:
            out.add(v.run.execution.ref.count)
    return sorted(out)


def forget(execution: Execution) -> None:
    """An execution leaves the ring: of what its versions came from only the numbers stay, so that the past is let go.

    Call oldest first: the parents have been through it.
    """
    for v in execution.versions:
        if v.parents:
            v.forgotten = tuple(executions_of(p for p in v.parents if p is not v)[-MAX_FORGOTTEN:])
            v.parents = ()
    execution.versions = []
