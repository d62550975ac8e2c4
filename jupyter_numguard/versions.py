"""Versions of variables: which statement last bound each name and last changed each object, over plain data only.

    x = ones(3)      In[1]   name x -> object 7                 version 1: x bound
    y = x            In[2]   name y -> object 7                 version 2: y bound, read version 1
    x.add_(1)        In[3]   object 7 has another content       version 3: x, y mutated, read versions 1 and 3's past

A `Look` says which object each name leads to, which parts each object has, and by what token its content is known.
`Versions.take` compares it with the picture before and makes versions of the differences. A version keeps the versions
that its statement read: old ones stay as they were when a cell runs again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .access import Access
from .model import Counts, ExecutionRef, Statement, StepState
from .picture import WHOLE, Digest, Link, Look, Picture, differs

Change = Literal["bound", "mutated", "deleted", "external"]
MAX_EXECUTIONS = 2_000  # whose versions are kept; of older ones only the numbers stay


NO_VERSIONS: Mapping[str, Version] = {}


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
    """One run of a top-level statement; `line` is 0 where it is none (a change between cells).

    Attributes:
        statement: What is known of it; None where it is too long to be kept, or not known.
    """

    execution: Execution
    index: int
    line: int
    code: str
    is_introducing: bool = False
    statement: Statement | None = None


@dataclass(slots=True, eq=False)
class Version:
    """One name that a statement bound, or one object that it changed.

    Attributes:
        name: The name, or the path to what was changed as the user would type it.
        parents: What the statement read.
        forgotten: Bit n is set for every execution n that stood behind this one and left the ring: a set that takes a
            bit an execution, and that versions of one past can be united without being read.
    """

    order: int
    run: Run
    change: Change
    name: str
    parents: tuple[Version, ...] = ()
    state: StepState = "unknown"
    counts: Counts | None = None
    forgotten: int = 0


class Unproved(NamedTuple):
    """What a name had before a statement that may have failed: its version, and those of the objects it leads to."""

    version: Version | None
    written: dict[int, dict[str, Version]]


class Versions:
    """The versions behind a picture of a namespace.

    Attributes:
        picture: The objects as they were when they were last looked at.
    """

    def __init__(self) -> None:
        self.picture = Picture()
        self._bound: dict[str, Version] = {}
        self._written: dict[int, dict[str, Version]] = {}
        self._order = 0

    # --- growing ----------------------------------------------------------------------------------------------------
    def take(
        self, look: Look, run: Run, access: Access, parents: Iterable[Version] = (), *, external: bool = False,
        again: Mapping[str, Version] = NO_VERSIONS,
    ) -> dict[str, Unproved]:  # fmt: skip
        """Compare a new picture of some names with the old one.

        Args:
            parents: Versions that the statement read, as they were before it.
            external: Nobody's statement did it: versions get no effect on the execution but `external`.
            again: Names that are followed again as they were left, with their versions.

        Returns:
            Names that are bound for no other reason than that the statement says so, with the version that they had:
            `revert` takes that back if the statement failed.
        """
        self._order += 1
        execution, picture = run.execution, self.picture
        execution.unseen += look.unseen
        parents = tuple(parents)
        unproved: dict[str, Unproved] = {}
        for name in look.gone:
            if name in picture.names:
                picture.drop(name)
                self._bound.pop(name, None)
                (execution.external if external else execution.deleted).add(name)
                execution.bound.discard(name)
        bound: list[str] = []
        for name, token in look.names.items():
            is_new = name not in picture.names or differs(picture.names[name], token)
            if is_new or (name in access.certain and not (name in access.augmented and isinstance(token, Link))):
                if not is_new:
                    past = {oid: dict(self._written[oid]) for oid in picture.reached(name) if oid in self._written}
                    unproved[name] = Unproved(self._bound.get(name), past)
                picture.release(name)
                bound.append(name)
        self._forget_unreached()
        changed, fresh = picture.put(look.nodes)
        for oid in fresh:
            self._written.pop(oid, None)
        for name in bound:
            picture.bind(name, look.names[name])
            self._bound[name] = again.get(name) or self._version(
                run, "external" if external else "bound", name, parents
            )
            (execution.external if external else execution.bound).add(name)
        self._forget_unreached()
        self._note_changes(changed, run, access, parents, frozenset(bound), external=external)
        return unproved

    def _forget_unreached(self) -> None:
        for oid in self.picture.forget_unreached():
            self._written.pop(oid, None)

    def revert(self, unproved: Mapping[str, Unproved], execution: Execution) -> None:
        """The statement failed before it could bind these names."""
        for name, (old, past) in unproved.items():
            for oid in past.keys() & self.picture.nodes.keys():
                self._written[oid] = past[oid] | self._written.get(oid, {})
            if old is None:
                self._bound.pop(name, None)
            else:
                self._bound[name] = old
            if not any(
                v.change == "bound" and v.name == name and self._bound.get(name) is v for v in execution.versions
            ):
                execution.bound.discard(name)

    def _note_changes(
        self, changed: Mapping[int, set[str]], run: Run, access: Access, parents: tuple[Version, ...],
        bound: frozenset[str], *, external: bool,
    ) -> None:  # fmt: skip
        execution = run.execution

        def replaced(part: str, holders: Mapping[str, str]) -> bool:
            """Whether the statement puts something new there: of a column, other writes may change a few rows."""
            return any(path + part in access.replaced for path in holders.values())

        holders_of = self.picture.holders_of(changed)
        for oid, parts in changed.items():
            holders = holders_of[oid]
            if not holders:
                continue
            others = {n: p for n, p in holders.items() if n not in bound}
            if not others and not external:
                continue  # all of it was bound anew
            name = min(others.values() or holders.values(), key=lambda p: (p.count(".") + p.count("["), len(p), p))
            if len(parts) == 1 and WHOLE not in parts:
                name += next(iter(parts))
            written = self._written.setdefault(oid, {})
            node = self.picture.nodes[oid]
            groups = [parts - {WHOLE}, parts & {WHOLE}] if node.is_table else [parts]
            for group in filter(None, groups):
                past = {
                    written[part]
                    for part in group & written.keys()
                    if part == WHOLE or (isinstance(node.parts.get(part), Digest) and not replaced(part, others))
                }
                version = self._version(run, "external" if external else "mutated", name, (*parents, *past))
                written.update(dict.fromkeys(group, version))
            (execution.external if external else execution.mutated).update(others)

    def _version(self, run: Run, change: Change, name: str, parents: tuple[Version, ...]) -> Version:
        version = Version(self._order, run, change, name, parents)
        run.execution.versions.append(version)
        return version

    # --- asking -----------------------------------------------------------------------------------------------------
    def bindings(self) -> Iterable[Version]:
        """The version that last bound each name that is there now."""
        return self._bound.values()

    def read(self, name: str, suffixes: tuple[str, ...] = (), *, way_only: bool = False) -> set[Version]:
        """The versions that the value at a path rests on.

        Args:
            way_only: Only how one gets there: the name's binding and the parts on the way.
        """
        found = {self._bound[name]} if name in self._bound else set()
        way, token = self.picture.follow(name, suffixes)
        for oid, suffix in way:
            written = self._written.get(oid, {})
            own = (suffix,) if self.picture.nodes[oid].is_table else (suffix, WHOLE)
            found.update(written[p] for p in own if p in written)
        if not way_only:
            for oid in self.picture.below(token):
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
    return [n for n, bit in enumerate(reversed(f"{_bits_of(versions):b}")) if bit == "1"]


def _bits_of(versions: Iterable[Version]) -> int:
    out = 0
    for v in versions:
        out |= v.forgotten
        count = v.run.execution.ref.count
        if v.change != "external" and count is not None and count >= 0:
            out |= 1 << count
    return out


def forget(execution: Execution) -> None:
    """An execution leaves the ring: of what its versions came from only the numbers stay, so that the past is let go.

    Call oldest first: the parents have been through it.
    """
    for v in execution.versions:
        if v.parents:
            v.forgotten = _bits_of(p for p in v.parents if p is not v)
            v.parents = ()
    execution.versions = []
