"""What one top-level statement reads, binds and stores into, by its syntax alone; nothing is executed.

Finer than `source.Statement`: a name that is only read as `d["b"]` is a path, a name that the statement binds before it
reads it is no read, and the body of a function, lambda or generator that is only *made* here is read when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .backends.base import spell_index

Path = tuple[str, tuple[str, ...]]
"""A name and the suffixes after it: ".attribute", or a key as `spell_index` spells it."""

MAX_TEXT = 65_536  # characters of a text given to `exec` that are compiled
_TEXT_RUNNERS = {
    "exec": "Python in a string",
    "eval": "Python in a string",
    "run_line_magic": "`%time x = f(y)` after IPython's transformers",
    "run_cell_magic": "`%%time` and its body after IPython's transformers",
}
_MAKERS = frozenset({"partial", "partialmethod"})  # keep a function for later: it does not run yet
_NAMESPACE_CALLS = frozenset({"globals", "locals", "vars"})
_WORKS = (
    ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith,
    ast.comprehension, ast.Await, ast.AugAssign, ast.FormattedValue, ast.Starred,
)  # fmt: skip
_Functions = (ast.FunctionDef, ast.AsyncFunctionDef)


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
        works: Whether values are used at all, or only handed on (`y = x`, `d = {"f": f}`).
        attributes: Names after a dot, of methods for example.
    """

    reads: frozenset[str]
    paths: frozenset[Path] = frozenset()
    stores: frozenset[Path] = frozenset()
    binds: frozenset[str] = frozenset()
    certain: frozenset[str] = frozenset()
    augmented: frozenset[str] = frozenset()
    works: bool = True
    attributes: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Every name that occurs."""
        return self.reads | self.binds | {n for n, _ in self.paths} | {n for n, _ in self.stores}


def path_of(node: ast.expr) -> Path | None:
    """A name with attributes and constant indices, as a path; None for any other expression."""
    suffixes: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            suffixes.append(f".{node.attr}")
        elif isinstance(node, ast.Subscript):
            try:
                index = spell_index(ast.literal_eval(node.slice))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
            if index is None:
                return None
            suffixes.append(f"[{index}]")
        else:
            return None
        node = node.value
    return node.id, tuple(reversed(suffixes))


def access_of(node: ast.stmt, text_of: Callable[[str], object] = lambda name: None) -> Access:
    """Read one statement.

    Args:
        text_of: The value of a name if it is text: `exec(src)` reads what the text in `src` reads.
    """
    reader = _Reader(text_of)
    reader.statement(node)
    return reader.result(node)


class _Reader:
    """Follows a statement in the order of evaluation; `defined` are the names that are bound for sure so far."""

    def __init__(self, text_of: Callable[[str], object], depth: int = 0) -> None:
        self._text_of = text_of
        self._depth = depth
        self.reads: set[str] = set()
        self.paths: set[Path] = set()
        self.stores: set[Path] = set()
        self.binds: set[str] = set()
        self.augmented: set[str] = set()
        self.defined: set[str] = set()
        self._local: set[str] = set()  # names of an inner scope
        self._in_class = False

    def result(self, node: ast.AST) -> Access:
        inner = list(ast.walk(node))
        return Access(
            reads=frozenset(self.reads),
            paths=frozenset(p for p in self.paths if p[0] not in self.reads),
            stores=frozenset(self.stores),
            binds=frozenset(self.binds),
            certain=frozenset(self.binds & self.defined),
            augmented=frozenset(self.augmented),
            works=any((isinstance(n, _WORKS) and not _is_maker(n)) or _is_open_index(n) for n in inner),
            attributes=frozenset(n.attr for n in inner if isinstance(n, ast.Attribute)),
        )

    # --- statements -------------------------------------------------------------------------------------------------
    def _body(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        """One statement, simple or compound."""
        match node:
            case ast.Assign(targets=targets, value=value):
                self._expr(value, made=True)
                for target in targets:
                    self._target(target)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._expr(value, made=True)
                    self._target(target)
            case ast.AugAssign(target=target, value=value):
                self._load(target)
                self._expr(value)
                if isinstance(target, ast.Name) and not self._is_local(target.id):
                    self.augmented.add(target.id)
                self._target(target)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._arguments(node)
                self._bind(node.name)
            case ast.ClassDef():
                self._class(node)
            case ast.For() | ast.AsyncFor():
                self._expr(node.iter)
                before = set(self.defined)
                self._target(node.target)
                self._body(node.body)
                self.defined = before
                self._body(node.orelse)
            case ast.While():
                self._expr(node.test)
                before = set(self.defined)
                self._body(node.body)
                self.defined = before
                self._body(node.orelse)
            case ast.If():
                self._expr(node.test)
                self._branches([node.body, node.orelse])
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._expr(item.context_expr)
                    if item.optional_vars is not None:
                        self._target(item.optional_vars)
                self._body(node.body)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Match():
                self._match(node)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    if alias.name != "*":
                        self._bind((alias.asname or alias.name).split(".")[0])
            case ast.Delete(targets=targets):
                for target in targets:
                    if not isinstance(target, ast.Name):
                        self._target(target)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._expr(child)

    def _branches(self, bodies: list[list[ast.stmt]]) -> None:
        before = set(self.defined)
        after: list[set[str]] = []
        for body in bodies:
            self.defined = set(before)
            self._body(body)
            after.append(self.defined)
        self.defined = set.intersection(*after)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.defined)
        self._body(node.body)
        self._body(node.orelse)
        ends = [self.defined]
        for handler in node.handlers:
            self.defined = set(before)
            if handler.type is not None:
                self._expr(handler.type)
            if handler.name is not None:
                self._bind(handler.name)
            self._body(handler.body)
            ends.append(self.defined - {handler.name or ""})
        self.defined = set.intersection(*ends)
        self._body(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self._expr(node.subject)
        before = set(self.defined)
        for case in node.cases:
            self.defined = set(before)
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self._bind(name)
                if isinstance(part, ast.expr):
                    self._expr(part)
            if case.guard is not None:
                self._expr(case.guard)
            self._body(case.body)
        self.defined = before

    def _class(self, node: ast.ClassDef) -> None:
        for e in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self._expr(e)
        outer, was = set(self._local), self._in_class
        self._in_class = True
        self._body(node.body)
        self._local, self._in_class = outer, was
        self._bind(node.name)

    def _arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        for e in (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults):
            if e is not None:
                self._expr(e)

    # --- names ------------------------------------------------------------------------------------------------------
    def _is_local(self, name: str) -> bool:
        return self._in_class or name in self._local

    def _bind(self, name: str) -> None:
        if self._in_class:
            self._local.add(name)
        elif name not in self._local:
            self.binds.add(name)
            self.defined.add(name)

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            self._bind(node.id)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for e in node.elts:
                self._target(e)
        elif isinstance(node, ast.Starred):
            self._target(node.value)
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Subscript):
                self._expr(node.slice)
            path = path_of(node.value)
            if path is None:
                self._expr(node.value)
            elif not self._known(path[0]):
                self.stores.add(path)

    def _known(self, name: str) -> bool:
        """Whether the name is not the namespace's, or was bound by this very statement."""
        return name in self._local or name in self.defined

    def _load(self, node: ast.expr) -> None:
        name = _named_in_namespace(node) if isinstance(node, ast.Subscript) else None
        if name is not None and not self._known(name):
            self.reads.add(name)
        path = path_of(node)
        if path is None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._expr(child)
        elif not self._known(path[0]):
            if path[1]:
                self.paths.add(path)
            else:
                self.reads.add(path[0])

    # --- expressions ------------------------------------------------------------------------------------------------
    def _expr(self, node: ast.expr, *, made: bool = False) -> None:
        """`made`: the value is kept as it is, so that a lambda or a generator does not run yet."""
        match node:
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self._load(node)
            case ast.Lambda():
                self._arguments(node)
                if not made:
                    a = node.args
                    own = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x is not None}
                    self._scoped(own, [node.body])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, made and isinstance(node, ast.GeneratorExp))
            case ast.NamedExpr(target=target, value=value):
                self._expr(value)
                self._bind(target.id)
            case ast.Call():
                self._call(node)
            case ast.Dict() | ast.List() | ast.Tuple() | ast.Set():
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._expr(child, made=made)
            case _:
                self._load(node)

    def _scoped(self, own: set[str], nodes: Iterable[ast.expr]) -> None:
        outer = set(self._local)
        self._local |= own
        for node in nodes:
            self._expr(node)
        self._local = outer

    def _comprehension(self, node: ast.expr, is_made: bool) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self._expr(generators[0].iter)
        if is_made:
            return
        own = {n.id for g in generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        inner = [g.iter for g in generators[1:]] + [test for g in generators for test in g.ifs]
        if isinstance(node, ast.DictComp):
            inner += [node.key, node.value]
        else:
            inner.append(node.elt)  # type: ignore[attr-defined]
        self._scoped(own, inner)

    def _call(self, node: ast.Call) -> None:
        name = _name_called(node)
        # A method may look at the whole object.
        self._expr(node.func.value if isinstance(node.func, ast.Attribute) else node.func)
        for e in (*node.args, *(k.value for k in node.keywords)):
            self._expr(e, made=name in _MAKERS)
        if name in _TEXT_RUNNERS and self._depth < 3:
            for e in node.args:
                text = (
                    e.value if isinstance(e, ast.Constant) else self._text_of(e.id) if isinstance(e, ast.Name) else None
                )
                if isinstance(text, str) and len(text) <= MAX_TEXT:
                    self._text(text)

    def _text(self, text: str) -> None:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        inner = _Reader(self._text_of, self._depth + 1)
        inner._local, inner._in_class = set(self._local), self._in_class
        inner._body(tree.body)
        self.reads |= inner.reads - self.defined
        self.paths |= {p for p in inner.paths if p[0] not in self.defined}
        self.stores |= {p for p in inner.stores if p[0] not in self.defined}
        self.binds |= inner.binds
        self.augmented |= inner.augmented


def _name_called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_maker(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name_called(node) in _MAKERS


def _is_open_index(node: ast.AST) -> bool:
    """`a[i]`, `a[1:]`: runs `__getitem__` on something else than a plain path."""
    return isinstance(node, ast.Subscript) and path_of(node) is None


def _named_in_namespace(node: ast.Subscript) -> str | None:
    """`globals()["w"]` reads `w`."""
    call = node.value
    if (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in _NAMESPACE_CALLS
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.slice.value
    return None
