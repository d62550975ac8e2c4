"""What one top-level statement reads, binds and stores into, by its syntax alone; nothing is executed.

Finer than `source.Statement`: a name that is only read as `d["b"]` is a path, a name that the statement binds before it
reads it is no read, and the body of a function, lambda or generator that is only *made* here is read when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .expressions import Expressions, Path, bound_in, is_maker, is_open_index

_WORKS = (
    ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith,
    ast.comprehension, ast.Await, ast.AugAssign, ast.FormattedValue, ast.Starred,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """What a statement does to the names of its namespace.

    Attributes:
        reads: Names of which anything may be read.
        paths: Places of which only what lies at and below them is read.
        stores: Places whose inside is written to: only the way to them is read.
        binds: Names that may be bound.
        certain: Names that are bound if the statement ends normally.
        augmented: Names bound by `+=` and its like: the object may stay the same.
        replaced: Places that are given a new value, as text: "df["a"]".
        works: Whether values are used at all, or only handed on (`y = x`, `d = {"f": f}`).
        attributes: Names after a dot, of methods for example.
    """

    reads: frozenset[str]
    paths: frozenset[Path] = frozenset()
    stores: frozenset[Path] = frozenset()
    binds: frozenset[str] = frozenset()
    certain: frozenset[str] = frozenset()
    augmented: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    works: bool = True
    attributes: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Every name that occurs."""
        return self.reads | self.binds | {n for n, _ in self.paths} | {n for n, _ in self.stores}


def access_of(node: ast.stmt, value_of: Callable[[str], object] = lambda name: None) -> Access:
    """Read one statement.

    Args:
        value_of: The value of a name before it: `exec(src)` reads what the text in `src` reads, `d[k]` what lies at `k`.
    """
    reader = _Reader(value_of)
    reader.moving = bound_in(node)
    reader.statement(node)
    return reader.result(node)


def access_of_body(node: ast.FunctionDef | ast.AsyncFunctionDef, value_of: Callable[[str], object]) -> Access:
    """What the body of a function does to the names of its namespace when it runs."""
    reader = _Reader(value_of)
    declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
    reader.moving = bound_in(node)
    reader.local = reader.moving - declared
    reader.body(node.body)
    return reader.result(node)


class _Reader(Expressions):
    """Follows statements in the order of evaluation."""

    def result(self, node: ast.AST) -> Access:
        inner = list(ast.walk(node))
        return Access(
            reads=frozenset(self.reads),
            paths=frozenset(p for p in self.paths if p[0] not in self.reads),
            stores=frozenset(self.stores),
            binds=frozenset(self.binds),
            certain=frozenset(self.binds & self.defined),
            augmented=frozenset(self.augmented),
            replaced=frozenset(self.replaced),
            works=any((isinstance(n, _WORKS) and not is_maker(n)) or is_open_index(n) for n in inner),
            attributes=frozenset(n.attr for n in inner if isinstance(n, ast.Attribute)),
        )

    # --- statements -------------------------------------------------------------------------------------------------
    def body(self, body: Iterable[ast.stmt]) -> None:
        """Statements, one after the other."""
        for node in body:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        """One statement, simple or compound."""
        match node:
            case ast.Assign(targets=targets, value=value):
                self.expr(value, made=True)
                for target in targets:
                    self.target(target)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.expr(value, made=True)
                    self.target(target)
            case ast.AugAssign(target=target, value=value):
                path = self.filled(target)
                if path is None:
                    self.load(target)
                else:  # `a += b` puts what is in b into the list
                    self.store(path, target)
                self.expr(value)
                if isinstance(target, ast.Name) and not self.is_local(target.id):
                    self.augmented.add(target.id)
                self.target(target)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.arguments(node)
                self.bind(node.name)
            case ast.ClassDef():
                self._class(node)
            case ast.For() | ast.AsyncFor():
                self.expr(node.iter)
                before = set(self.defined)
                self.target(node.target)
                self.body(node.body)
                self.defined = before
                self.body(node.orelse)
            case ast.While():
                self.expr(node.test)
                before = set(self.defined)
                self.body(node.body)
                self.defined = before
                self.body(node.orelse)
            case ast.If():
                self.expr(node.test)
                self._branches([node.body, node.orelse])
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.expr(item.context_expr)
                    if item.optional_vars is not None:
                        self.target(item.optional_vars)
                self.body(node.body)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Match():
                self._match(node)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    if alias.name != "*":
                        self.bind((alias.asname or alias.name).split(".")[0])
            case ast.Delete(targets=targets):
                for target in targets:
                    if not isinstance(target, ast.Name):
                        self.target(target)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.expr(child)

    def _branches(self, bodies: list[list[ast.stmt]]) -> None:
        before = set(self.defined)
        after: list[set[str]] = []
        for body in bodies:
            self.defined = set(before)
            self.body(body)
            after.append(self.defined)
        self.defined = set.intersection(*after)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.defined)
        self.body(node.body)
        self.body(node.orelse)
        ends = [self.defined]
        for handler in node.handlers:
            self.defined = set(before)
            if handler.type is not None:
                self.expr(handler.type)
            if handler.name is not None:
                self.bind(handler.name)
            self.body(handler.body)
            ends.append(self.defined - {handler.name or ""})
        self.defined = set.intersection(*ends)
        self.body(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self.expr(node.subject)
        before = set(self.defined)
        for case in node.cases:
            self.defined = set(before)
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.bind(name)
                if isinstance(part, ast.expr):
                    self.expr(part)
            if case.guard is not None:
                self.expr(case.guard)
            self.body(case.body)
        self.defined = before

    def _class(self, node: ast.ClassDef) -> None:
        for e in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.expr(e)
        outer, was = set(self.local), self.in_class
        self.in_class = True
        self.body(node.body)
        self.local, self.in_class = outer, was
        self.bind(node.name)
