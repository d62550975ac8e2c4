"""What cells displayed, as variables: the value of `Out[7]` is also `_7`, and `_` while nothing newer was displayed.

IPython keeps these values under names of its own, which change with every cell; a lineage needs one name for one value.
That name is "Out[7]", as the user would type it. Only the outputs that were displayed or mentioned last are followed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from .access import Access
from .expressions import Path

MAX_FOLLOWED = 50  # outputs; one that is mentioned later is taken in again
_NAME = re.compile(r"Out\[\d+\]")
_ALIAS = re.compile(r"_{1,3}|_\d+")
_CACHES = frozenset({"Out", "_oh"})


def is_output(name: str) -> bool:
    """Whether a variable's name stands for what a cell displayed."""
    return _NAME.fullmatch(name) is not None


class Outputs:
    """The outputs of one namespace that are followed."""

    def __init__(self, space: Callable[[], Mapping[str, object]]) -> None:
        """`space` gives the namespace with IPython's own names."""
        self._space = space
        self._followed: dict[str, int] = {}  # name -> key in the cache, the longest unused first

    def values(self) -> dict[str, object]:
        """The followed outputs that are still there; a newer one than the last is taken in."""
        cache = self._cache()
        newest = next(reversed(cache), None)
        if newest is not None:
            self._follow(newest)
        return {name: cache[key] for name, key in self._followed.items() if key in cache}

    def of(self, names: Iterable[str]) -> dict[str, object]:
        """Those of these outputs that are followed and still there."""
        cache = self._cache()
        return {n: cache[key] for n in names if (key := self._followed.get(n)) in cache}

    def resolved(self, path: Path) -> Path:
        """The path with the output's own name in front, if it leads to one."""
        found = self._path_as(path)
        return found.pop() if len(found) == 1 else path

    def _cache(self) -> dict[int, object]:
        cache = self._space().get("_oh")
        return cache if type(cache) is dict else {}

    def _follow(self, key: int) -> str:
        name = f"Out[{key}]"
        self._followed.pop(name, None)
        self._followed[name] = key
        while len(self._followed) > MAX_FOLLOWED:
            del self._followed[next(iter(self._followed))]
        return name

    def named(self, access: Access) -> Access:
        """The access with the outputs under their own names; those that it mentions are followed from now on."""
        if not any(n in _CACHES or _ALIAS.fullmatch(n) for n in access.names):
            return access
        reads = {n for name in access.reads for n in self._read_as(name)}
        paths = {p for path in access.paths for p in self._path_as(path)}
        stores = {p for path in access.stores for p in self._path_as(path)}
        return dataclasses.replace(access, reads=frozenset(reads), paths=frozenset(paths), stores=frozenset(stores))

    def _read_as(self, name: str) -> set[str]:
        if name in _CACHES:
            return set(self._followed)  # `Out[max(Out)]`: any of them
        return {self._of_alias(name) or name}

    def _path_as(self, path: Path) -> set[Path]:
        name, suffixes = path
        if name in _CACHES and suffixes:
            key = re.fullmatch(r"\[(\d+)\]", suffixes[0])
            if key is not None and int(key[1]) in self._cache():
                return {(self._follow(int(key[1])), suffixes[1:])}
            return {(n, ()) for n in self._followed}
        return {(self._of_alias(name) or name, suffixes)}

    def _of_alias(self, name: str) -> str | None:
        """The output that `_`, `__`, `___` or `_7` is now; None if it is the user's own variable."""
        cache = self._cache()
        if _ALIAS.fullmatch(name) is None:
            return None
        if name.strip("_"):
            key = int(name[1:])
            return self._follow(key) if key in cache else None
        value = self._space().get(name)
        newest = list(islice(reversed(cache), MAX_FOLLOWED))
        newest[:0] = newest[len(name) - 1 : len(name)]  # equal numbers may be one object: the place decides
        found = next((key for key in newest if cache[key] is value), None)
        return self._follow(found) if found is not None else None
