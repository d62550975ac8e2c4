"""What an expression reads and binds, in the order of evaluation, by its syntax alone; nothing is executed."""

from __future__ import annotations

import ast
import inspect
from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable

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
# Methods and types: such a call only puts something into such a container, it computes nothing from what is in there.
_FILLERS = frozenset("append appendleft extend extendleft insert add update setdefault".split())
_DICTS = (dict, defaultdict, OrderedDict)
_CONTAINERS = (list, set, deque, *_DICTS)
_NAMESPACE_CALLS = frozenset({"globals", "locals", "vars"})


def path_of(node: ast.expr, index_of: Callable[[ast.expr], object] = ast.literal_eval) -> Path | None:
    """A name with attributes and constant indices, as a path; None for any other expression.

    Args:
        index_of: The value of an index; raises ValueError where it is not known.
    """
    suffixes: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            suffixes.append(f".{node.attr}")
        elif isinstance(node, ast.Subscript):
            try:
                index = spell_index(index_of(node.slice))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
            if index is None:
                return None
            suffixes.append(f"[{index}]")
        else:
            return None
        node = node.value
    return node.id, tuple(reversed(suffixes))


def value_at(path: Path, value_of: Callable[[str], object]) -> object:
    """What lies at a path, None where that is not known. No code of the user runs."""
    value = value_of(path[0])
    for suffix in path[1]:
        if suffix.startswith("."):
            value = inspect.getattr_static(value, suffix[1:], None)
            continue
        index = ast.literal_eval(suffix[1:-1])
        if type(value) in _DICTS:
            value = dict.get(value, index)  # type: ignore[call-overload]
        elif type(value) in (list, tuple) and type(index) is int and -len(value) <= index < len(value):  # type: ignore[arg-type]
            value = value[index]  # type: ignore[index]
        else:
            return None
    return value


class Expressions(ABC):
    """What was read, stored into and bound so far; `defined` are the names that are bound for sure."""

    def __init__(self, value_of: Callable[[str], object], depth: int = 0) -> None:
        """Start with nothing.

        Args:
            value_of: The value of a name: `exec(src)` reads what the text in `src` reads, `d[k]` what lies at `k`.
            depth: How many texts this one stands in.
        """
        self._value_of = value_of
        self._depth = depth
        self.reads: set[str] = set()
        self.paths: set[Path] = set()
        self.stores: set[Path] = set()
        self.replaced: set[str] = set()
        self.binds: set[str] = set()
        self.augmented: set[str] = set()
        self.defined: set[str] = set()
        self.local: set[str] = set()  # names of an inner scope
        self.moving: set[str] = set()  # names that may have another value when they are read
        self.in_class = False

    @abstractmethod
    def body(self, body: Iterable[ast.stmt]) -> None:
        """Statements, one after the other."""

    def arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """What making a function reads: decorators and defaults."""
        for e in (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults):
            if e is not None:
                self.expr(e)

    def is_local(self, name: str) -> bool:
        """Whether the name is not the namespace's."""
        return self.in_class or name in self.local

    def bind(self, name: str) -> None:
        """A name that is bound here."""
        if self.in_class:
            self.local.add(name)
        elif name not in self.local:
            self.binds.add(name)
            self.defined.add(name)

    def path(self, node: ast.expr) -> Path | None:
        """As `path_of`, with what the variables that serve as indices hold."""
        return path_of(node, self._index)

    def _index(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name) and not (self._known(node.id) or node.id in self.moving):
            value = self._value_of(node.id)
            if type(value) in (int, str):
                return value
        return ast.literal_eval(node)

    def filled(self, node: ast.expr) -> Path | None:
        """The path of a built-in container of the namespace; None for anything else."""
        path = self.path(node)
        if path is None or self._known(path[0]):
            return None
        value = value_at(path, self._value_of)
        is_ring = type(value) is deque and value.maxlen is not None  # what is put in moves the others
        return path if type(value) in _CONTAINERS and not is_ring else None

    def _indices(self, node: ast.expr) -> None:
        """What the indices of a path read."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Subscript):
                self.expr(node.slice)
            node = node.value

    def target(self, node: ast.expr) -> None:
        """What stands on the left of `=`."""
        if isinstance(node, ast.Name):
            self.bind(node.id)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for e in node.elts:
                self.target(e)
        elif isinstance(node, ast.Starred):
            self.target(node.value)
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Subscript):
                self.expr(node.slice)
            if (whole := self.path(node)) is not None:
                self.replaced.add(whole[0] + "".join(whole[1]))
            path = self.path(node.value)
            if path is None:
                self.expr(node.value)
            else:
                self.store(path, node.value)

    def store(self, path: Path, node: ast.expr) -> None:
        """Something is put into what lies there; `node` is the expression of the path."""
        self._indices(node)
        if not self._known(path[0]):
            self.stores.add(path)

    def _known(self, name: str) -> bool:
        """Whether the name is not the namespace's, or was bound by this very statement."""
        return name in self.local or name in self.defined

    def load(self, node: ast.expr) -> None:
        """An expression whose value is read."""
        name = _named_in_namespace(node) if isinstance(node, ast.Subscript) else None
        if name is not None and not self._known(name):
            self.reads.add(name)
        path = self.path(node)
        if path is not None:
            self._indices(node)
        if path is None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.expr(child)
        elif not self._known(path[0]):
            if path[1]:
                self.paths.add(path)
            else:
                self.reads.add(path[0])

    def expr(self, node: ast.expr, *, made: bool = False) -> None:
        """`made`: the value is kept as it is, so that a lambda or a generator does not run yet."""
        match node:
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self.load(node)
            case ast.Lambda():
                self.arguments(node)
                if not made:
                    a = node.args
                    own = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x is not None}
                    self._scoped(own, [node.body])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, made and isinstance(node, ast.GeneratorExp))
            case ast.NamedExpr(target=target, value=value):
                self.expr(value)
                self.bind(target.id)
            case ast.Call():
                self._call(node)
            case ast.Dict() | ast.List() | ast.Tuple() | ast.Set():
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.expr(child, made=made)
            case _:
                self.load(node)

    def _scoped(self, own: set[str], nodes: Iterable[ast.expr]) -> None:
        outer = set(self.local)
        self.local |= own
        for node in nodes:
            self.expr(node)
        self.local = outer

    def _comprehension(self, node: ast.expr, is_made: bool) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.expr(generators[0].iter)
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
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        path = self.filled(owner) if name in _FILLERS and owner is not node.func else None
        if path is not None:
            self.store(path, owner)
        else:
            self.expr(owner)  # a method may look at the whole object
        for e in (*node.args, *(k.value for k in node.keywords)):
            self.expr(e, made=name in _MAKERS)
        if name in _TEXT_RUNNERS and self._depth < 3:
            for e in node.args:
                text = (
                    e.value
                    if isinstance(e, ast.Constant)
                    else self._value_of(e.id)
                    if isinstance(e, ast.Name)
                    else None
                )
                if isinstance(text, str) and len(text) <= MAX_TEXT:
                    self._text(text)

    def _text(self, text: str) -> None:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        inner = type(self)(self._value_of, self._depth + 1)
        inner.local, inner.in_class = set(self.local), self.in_class
        inner.moving = self.moving | bound_in(tree)
        inner.body(tree.body)
        self.reads |= inner.reads - self.defined
        self.paths |= {p for p in inner.paths if p[0] not in self.defined}
        self.replaced |= inner.replaced
        self.stores |= {p for p in inner.stores if p[0] not in self.defined}
        self.binds |= inner.binds
        self.augmented |= inner.augmented


def bound_in(node: ast.AST) -> set[str]:
    """Every name that is bound anywhere in some code, in inner scopes too."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return names | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _name_called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_maker(node: ast.AST) -> bool:
    """Whether a call only keeps a function for later."""
    return isinstance(node, ast.Call) and _name_called(node) in _MAKERS


def is_open_index(node: ast.AST) -> bool:
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
