"""The statements of a cell, judged, and copies of what they read: what may be run once more.

What they work on are copies of what the cell began with (`beginning.py`, traced cells), or of what is still what it was
(`again.py`); definitions of earlier cells that they use stand before them. `edited` is the same world with a rewrite in it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

from .backends import loaded_backends
from .beginning import Beginning, function_behind
from .closed_world import BUILTINS, RefusedError, is_pure_function
from .codemap import Cell, CodeMap
from .frames import is_user_code
from .model import Edit
from .reach import functions_of, library_names
from .second_run import Plan
from .source import Source
from .spellings import ROOTS
from .training_world import is_made_or_drawn, judge_training, own_names
from .twins import Twins


@dataclass(frozen=True, slots=True)
class World:
    """Statements in order, and what they are run on.

    Attributes:
        twins: Copies of what they read, by name; libraries as they are.
        classes: The user's classes among the statements, by the name they get.
        draws: Put the random generators to where the cell began.
        own: The attributes that the user's layers have.
        copy: The copy of a further name that a rewrite reads; raises `RefusedError`.
        written: The statements as the user wrote them, where a rewrite is in `nodes`.
    """

    nodes: Sequence[ast.stmt]
    twins: Mapping[str, object]
    classes: Mapping[type, str]
    draws: Sequence[Callable[[], None]]
    own: frozenset[str]
    copy: Callable[[str], object]
    written: Sequence[ast.stmt] = ()

    @property
    def originals(self) -> Sequence[ast.stmt]:
        """For each statement the one that the user wrote."""
        return self.written or self.nodes


def world_of_cell(
    cell: Cell, beginning: Beginning, roots: Mapping[str, object], code: CodeMap, is_unchanged: Callable[[str], bool]
) -> World:
    """A traced cell's statements, the definitions that they use, and what they began with.

    Args:
        is_unchanged: Whether a name holds what it did before the cell: large data is copied only now.

    Raises:
        RefusedError: They may do more than compute and train.
    """
    body = cell.source.tree.body if cell.source.tree is not None else []
    return _Builder(beginning, roots, code, is_unchanged).world(body)


def world_of_plan(plan: Plan) -> World:
    """The statements of a plan, which were judged already, and its copies."""
    return World([plan.steps[at].node for at in sorted(plan.steps)], plan.twins, {}, (), frozenset(), _no_copy)


def _no_copy(name: str) -> object:
    raise RefusedError(f"nothing is known of `{name}`")


def _bare(items: Iterable[Any] = (), **_options: object) -> Iterable[Any]:
    return items


class _Builder:
    def __init__(
        self, beginning: Beginning, roots: Mapping[str, object], code: CodeMap, is_unchanged: Callable[[str], bool]
    ) -> None:
        self._beginning = beginning
        self._is_unchanged = is_unchanged
        self._roots = roots
        self._code = code
        self._libraries = library_names(roots)
        self._copies = Twins(self._libraries, trains=True)
        self._defined: dict[str, ast.stmt] = {}
        self._classes: dict[type, str] = {}
        self._twins: dict[str, object] = {}
        self._own: frozenset[str] = frozenset()
        self._body: Sequence[ast.stmt] = ()

    def world(self, body: Sequence[ast.stmt]) -> World:
        self._body = body
        modules = [
            m for twin in self._beginning.twins.values() for b in loaded_backends() for m in b.inner_modules(twin)
        ]
        for cls in {type(m) for m in modules}:
            if not cls.__module__.startswith("torch."):
                self._define_class(cls)
        for name in {n.id for node in body for n in ast.walk(node) if isinstance(n, ast.Name)}:
            used = self._roots.get(name)
            if isinstance(used, type) and used.__module__ == "__main__" and used not in self._classes:
                self._define_class(used)
        named = {
            name for m in modules for kind in ("_modules", "_parameters", "_buffers") for name in vars(m).get(kind, ())
        }
        named |= {name for m in modules for name in vars(m) if not name.startswith("_")}
        self._own = frozenset(named).union(
            *(own_names(n) for n in (*body, *self._defined.values()) if isinstance(n, ast.ClassDef))
        )
        bound: set[str] = set()
        for node in list(self._defined.values()):
            self._need(judge_training(node, self._libraries, self._own).loads - bound)
        nodes = []
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                continue
            try:
                judged = judge_training(node, self._libraries, self._own)
            except RefusedError:
                if isinstance(
                    node, ast.Expr
                ):  # a plot, a print: the run that changes nothing tells whether it mattered
                    continue
                raise
            self._need(judged.loads - bound, judged.binds)
            bound |= judged.binds
            nodes.append(node)
        return World(
            [*self._defined.values(), *nodes], self._twins, self._classes, self._beginning.draws, self._own, self._copy
        )

    def _need(self, names: Iterable[str], binds: frozenset[str] = frozenset()) -> None:
        for name in sorted(names):
            if name in self._twins or name in self._defined:
                continue
            value = self._roots.get(name)
            value = function_behind(value) or value
            if name in self._libraries:
                self._twins[name] = _library(name, self._libraries)
            elif name in self._beginning.twins:
                self._twins[name] = self._copy(name)
            elif isinstance(value, FunctionType) and is_user_code(value.__code__):
                self._define_function(name, value)
            elif isinstance(value, type) and name not in binds and self._define_class(value):
                continue
            elif name in self._roots and self._is_unchanged(name):
                self._twins[name] = self._copy(name)
            elif name not in binds and name not in BUILTINS and name not in ("print", "super"):
                raise RefusedError(self._beginning.reasons.get(name, f"`{name}` is not what it was"))

    def _copy(self, name: str) -> object:
        """The copy of what a name led to when the cell began."""
        if name in self._beginning.twins:
            return self._beginning.twins[name]
        if name not in self._roots or not self._is_unchanged(name):
            raise RefusedError(self._beginning.reasons.get(name, f"`{name}` is not what it was"))
        return self._copies.of(name, self._roots[name], with_gradient=True)

    def _is_in_body(self, node: ast.stmt) -> bool:
        """Whether the cell defines it itself: it runs where it stands."""
        return any(node is statement for statement in self._body)

    def _define_function(self, name: str, function: FunctionType) -> None:
        node = self._code.definition_of(function.__code__)
        if not isinstance(node, ast.FunctionDef) or node.name != name or function.__closure__:
            raise RefusedError(f"the source of `{name}` is not known")
        if self._is_in_body(node):
            return
        self._defined[name] = node
        self._need(judge_training(node, self._libraries, self._own).loads - {name})

    def _define_class(self, cls: type) -> bool:
        function = next(functions_of(cls), None)
        cell = self._code.cell_of(function.__code__, function.__code__.co_filename) if function is not None else None
        body = cell.source.tree.body if cell is not None and cell.source.tree is not None else []
        node = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == cls.__name__), None)
        if node is None:
            raise RefusedError(f"the source of `{cls.__name__}` is not known")
        if self._is_in_body(node):
            return True
        self._defined[node.name] = node
        self._classes[cls] = node.name
        self._own |= own_names(node)
        return True


def _library(name: str, libraries: Mapping[str, tuple[str, object]]) -> object:
    """What a library's name leads to, if it only computes, draws, or makes what is trained; a progress bar is left out."""
    dotted, value = libraries[name]
    if dotted.startswith("tqdm.") and dotted.rsplit(".", 1)[-1] in ("tqdm", "tqdm_notebook", "trange"):
        return range if dotted.endswith("trange") else _bare
    if isinstance(value, ModuleType):
        if dotted.split(".")[0] in (*ROOTS, "math", "random"):
            return value
    elif is_pure_function(dotted) or is_made_or_drawn(dotted):
        return value
    raise RefusedError(f"`{name}` may do more than compute")


def edited(world: World, edits: Iterable[Edit], roots: Mapping[str, object], code: CodeMap) -> World:
    """The same world with a rewrite's edits in its statements.

    Raises:
        RefusedError: An edit is of a statement that is not among them, or what it writes may do more than compute.
    """
    nodes, written = list(world.nodes), list(world.nodes)
    twins, libraries = dict(world.twins), library_names(roots)
    for at, (source, here) in sorted(_places(nodes, edits, code).items(), reverse=True):
        new = _rewritten(source, nodes[at], here)
        written[at : at + 1] = [nodes[at]] * len(new)
        nodes[at : at + 1] = new
    bound = {*BUILTINS, "print", "super"}
    for judged in (judge_training(node, libraries, world.own) for node in nodes):
        for name in judged.loads - bound - judged.binds - twins.keys():
            twins[name] = _library(name, libraries) if name in libraries else world.copy(name)
        bound |= judged.binds
    return replace(world, nodes=nodes, twins=twins, written=written)


def first_edited(world: World, edits: Iterable[Edit], code: CodeMap) -> tuple[int, int]:
    """(index of the first statement that an edit changes, the line of its first edit as the statement counts them).

    Raises:
        RefusedError: An edit is of a statement that is not among them.
    """
    at, (source, here) = min(_places(world.nodes, edits, code).items())
    return at, min(e.line for e in here) - source.offset


def _places(nodes: Sequence[ast.stmt], edits: Iterable[Edit], code: CodeMap) -> dict[int, tuple[Source, list[Edit]]]:
    """Which of the statements the edits change, by index."""
    out: dict[int, tuple[Source, list[Edit]]] = {}
    for edit in edits:
        source = code.source_of_execution(edit.execution)
        body = source.tree.body if source is not None and source.tree is not None else []
        for at, node in enumerate(nodes):
            if source is not None and any(node is s for s in body):
                first, last = source.lines_of(node)
                if first <= edit.line and edit.end_line <= last:
                    out.setdefault(at, (source, []))[1].append(edit)
                    break
        else:
            raise RefusedError("it changes a statement that is not run again")
    return out


def _rewritten(source: Source, statement: ast.stmt, edits: Sequence[Edit]) -> list[ast.stmt]:
    """A top-level statement with edits in its lines, at its place.

    Raises:
        RefusedError: The lines hold more than the statement, or another text than the edits were made for.
    """
    first, last = source.lines_of(statement)
    lines = source.lines[first - 1 : last]
    if len(ast.parse(dedent("\n".join(lines))).body) != 1:
        raise RefusedError("other statements stand in the line that changes")
    for edit in sorted(edits, key=lambda e: -e.line):
        at = slice(edit.line - first, edit.end_line - first + 1)
        before = "\n".join(lines[at])
        if edit.before not in before:
            raise RefusedError("the line that changes holds another text")
        lines[at] = before.replace(edit.before, edit.after, 1).split("\n")
    module = ast.increment_lineno(ast.parse("\n".join(lines)), first - source.offset - 1)
    return module.body
