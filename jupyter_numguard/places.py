"""Which places inside the notebook's variables a statement reads, the functions that it may run included.

    y = d["b"] * 2          of d only d["b"]
    losses.append(x)        of losses nothing: x is put in
    log(x)                  what the body of log does: the same

A variable of which more is read, or nobody knows how much, is read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType

from .access import Access, access_of_body
from .codemap import CodeMap
from .expressions import Path

Places = Mapping[str, frozenset[str]]
"""Variable -> the paths below it that are read. A variable that is not here is read as a whole."""


def places_of(access: Access, spelled: Callable[[Path], str]) -> Places:
    """Of one statement; `spelled` writes a path as snapshots do."""
    out: dict[str, set[str]] = {name: set() for name, _ in access.stores}
    for path in access.paths:
        out.setdefault(path[0], set()).add(spelled(path))
    return {name: frozenset(paths) for name, paths in out.items() if name not in access.reads}


def with_functions(
    own: Places,
    named: frozenset[str],
    functions: Iterable[FunctionType],
    code: CodeMap,
    values: Mapping[str, object],
    spelled: Callable[[Path], str],
) -> Places:
    """The places that a statement and its functions read.

    Args:
        own, named: Those of the statement itself; all names in it.
        functions: What it may run.
        values: The namespace.
    """
    out: dict[str, frozenset[str] | None] = {n: own.get(n) for n in named}
    for function in functions:
        node = code.definition_of(function.__code__)
        access = access_of_body(node, values.get) if node is not None else None
        theirs = places_of(access, spelled) if access is not None else {}
        names = access.names if access is not None else function.__code__.co_names
        for name in names:
            place, before = theirs.get(name), out.get(name, frozenset())
            out[name] = None if place is None or before is None else before | place
    return {name: paths for name, paths in out.items() if paths is not None}
