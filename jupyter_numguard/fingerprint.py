"""A picture of what some names lead to: objects, their parts, and tokens by which a change is known. Keeps no object.

No code of the user runs: as in `snapshot.py`, only methods of the built-in types, instance dictionaries and slots are
used, and the frameworks' backends. What is known of an object, by its type:

| type | light token | digest | parts |
|---|---|---|---|
| tensor | `Backend.fingerprint` (id, version, address, form) | `Backend.content` | its gradient |
| data frame | labels | | a digest per column and of the index |
| dict, list, tuple, set, deque | length | of numbers and text only: of all of them | one per element |
| function | code | | defaults, closure cells, attributes; the names that it reads |
| generator, built-in iterator | the instruction it waits at | | its variables; what it goes through, and how far it is |
| torch module, user's class or instance, library object | | | attributes |

An object that is none of these, a module of a library for example, is a value: its identity.
"""

from __future__ import annotations

import dis
import functools
import gc
import itertools
import marshal
import operator
import struct
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from .backends.base import Backend, spell_index
from .frames import is_user_file
from .inside import Inside
from .picture import Digest, Link, Look, Node

MAX_OBJECTS = 20_000  # objects of one picture; more are counted
MAX_PARTS = 1_000  # elements of numbers and text that are told apart one by one
MAX_TEXT = 256  # characters of a text that are kept; of a longer one its hash
FAR_CALLS = frozenset({"backward", "manual_backward"})  # writes gradients of tensors that no attribute leads to

_PLAIN = frozenset({type(None), bool, int, str, bytes, float, complex})
# Classes are told apart by their ids: a metaclass may have any idea of `==` and of a hash.
_SMALL = frozenset(map(id, (bool, int, type(None), range, type(...), type(NotImplemented))))
_SPELLED = frozenset(map(id, (complex, slice)))
_GENERATORS = (GeneratorType, CoroutineType, AsyncGeneratorType)
# Built-in iterators, which say how far they are when they are asked how to make another one of them; of those over
# dictionaries and sets that would list all that is left.
_NO_ITEMS: dict[int, int] = {}
_COUNTED = frozenset(map(type, (iter(_NO_ITEMS), iter(_NO_ITEMS.values()), iter(_NO_ITEMS.items()), iter(set[int]()))))
_ITERATORS = frozenset(map(id, (
    *map(type, (iter([]), iter(()), iter(""), iter(range(0)))), enumerate, zip, map, filter, reversed, type(reversed([])),
    itertools.count, itertools.cycle, itertools.chain, itertools.islice, *_COUNTED,
)))  # fmt: skip
_CONTAINERS = frozenset(map(id, (dict, list, tuple, deque, set, frozenset)))


class Camera:
    """Looks at names of one namespace. Use one per look: it knows classes by their id."""

    def __init__(
        self, namespace: Mapping[str, object], backends: Sequence[Backend], *, digest_limit: int, is_deep: bool = True
    ) -> None:
        """Look later.

        Args:
            namespace: What functions read their globals from; a function of another module reads none of these names.
            digest_limit: Bytes of one tensor above which its content is not read.
            is_deep: Read contents at all.
        """
        self._namespace = namespace
        self._backends = [b for b in backends if b.framework_name != "python"]
        self._limit = digest_limit if is_deep else -1
        self._inside = Inside()
        self._owners: dict[int, tuple[Backend | None, bool]] = {}  # by the id of the class, which its values keep alive
        self._followed = set(_CONTAINERS)  # classes all of whose values are objects of the picture
        self._fillers: dict[int, Callable[[Node, Any], None]] = {}
        self._look = Look()
        self._kept: list[object] = []  # temporary objects whose ids must stay their own during the look
        self._tensors: dict[int, tuple[Backend, list[tuple[Node, Any]]]] = {}  # looked at together, when all are found
        self._todo: list[tuple[int, object]] = []

    def look(self, names: Iterable[str], values: Mapping[str, object], gone: tuple[str, ...] = ()) -> Look:
        """The picture of these names."""
        self._look.gone = gone
        for name in names:
            if name in values:
                self._look.names[name] = self._token(values[name])
        while self._todo:
            oid, value = self._todo.pop()
            try:
                self._fill(self._look.nodes[oid], value)
            except Exception:  # an object that breaks when it is looked at: its identity is what is known of it
                self._look.unseen += 1
        for owner, tensors in self._tensors.values():
            self._shoot(owner, tensors)
        self._kept.clear()
        self._tensors.clear()
        return self._look

    def _shoot(self, owner: Backend, tensors: list[tuple[Node, Any]]) -> None:
        try:
            shots = owner.shots([value for _, value in tensors], self._limit)
        except Exception:  # one of them breaks
            if len(tensors) == 1:
                self._look.unseen += 1
                return
            for tensor in tensors:
                self._shoot(owner, [tensor])
            return
        for (node, _), shot in zip(tensors, shots, strict=True):
            node.light, node.memory, node.digest, node.takes_gradient = shot

    # --- tokens -----------------------------------------------------------------------------------------------------
    def _token(self, value: object) -> Hashable:
        cls = type(value)
        if id(cls) not in self._followed:
            if cls is float:
                return ("float", struct.pack("<d", value))
            if cls is str or cls is bytes:
                return (cls.__name__, value if len(value) <= MAX_TEXT else (len(value), hash(value)))  # type: ignore[arg-type]
            if id(cls) in _SMALL:
                return (cls.__name__, value)
            if id(cls) in _SPELLED:
                return (cls.__name__, repr(value))
        oid = id(value)
        if oid in self._look.nodes:
            return Link(oid)
        if id(cls) not in self._followed and not self._is_object(value, cls):
            return self._number(value) or ("id", cls.__name__, oid)
        if len(self._look.nodes) >= MAX_OBJECTS:
            self._look.unseen += 1
            return ("id", cls.__name__, oid)
        self._look.nodes[oid] = Node()
        self._kept.append(value)
        self._todo.append((oid, value))
        return Link(oid)

    def _number(self, value: object) -> Hashable:
        """A scalar of a framework by its value."""
        owner, _ = self._owner(value)
        return (type(value).__name__, owner.fingerprint(value)) if owner is not None else None

    def _is_object(self, value: object, cls: type) -> bool:
        if issubclass(cls, ModuleType):
            file = getattr(value, "__file__", None)
            return isinstance(file, str) and is_user_file(file) and value.__dict__ is not self._namespace
        if issubclass(cls, BuiltinFunctionType):
            owner = value.__self__  # type: ignore[attr-defined]
            return owner is not None and not isinstance(owner, ModuleType)
        if issubclass(cls, (dict, list, tuple, set, frozenset, deque, FunctionType, MethodType, functools.partial)):
            return not issubclass(cls, FunctionType) or self._is_users(value)
        if id(cls) in _ITERATORS:
            return True
        if issubclass(cls, (type, *_GENERATORS)):
            return not issubclass(cls, type) or bool(self._class_parts(value))
        owner, is_scalar = self._owner(value)
        if owner is not None:
            if not is_scalar:
                self._followed.add(id(cls))
            return not is_scalar
        return any(True for _ in self._inside.attributes(value)) or self._is_opened(value)

    def _is_users(self, function: Any) -> bool:
        """A function of the user's, or a library's that took one along (`contextmanager`, `lru_cache`, `wraps`)."""
        if function.__closure__ or function.__dict__:
            return True
        return function.__globals__ is self._namespace or is_user_file(function.__code__.co_filename)

    def _is_opened(self, value: object) -> bool:
        return any(b.children(value) is not None for b in self._not_owning(value))

    def _not_owning(self, value: object) -> list[Backend]:
        owner, _ = self._owner(value)
        return self._backends if owner is None else []

    def _owner(self, value: object) -> tuple[Backend | None, bool]:
        cls = type(value)
        known = self._owners.get(id(cls))
        if known is None:
            owner = next((b for b in self._backends if b.owns(value)), None)
            is_scalar = owner is not None and owner.framework_name == "numpy" and not hasattr(cls, "__array_finalize__")
            known = self._owners[id(cls)] = owner, is_scalar
        return known

    # --- objects ----------------------------------------------------------------------------------------------------
    def _fill(self, node: Node, value: Any) -> None:
        cls = type(value)
        filler = self._fillers.get(id(cls))
        if filler is None:
            filler = self._fillers[id(cls)] = self._filler_of(value, cls)
        filler(node, value)

    def _filler_of(self, value: Any, cls: type) -> Callable[[Node, Any], None]:
        """How objects of a class are looked at."""
        if id(cls) in _ITERATORS:
            return self._iterator
        for base, filler in (
            (dict, self._dict),
            ((list, tuple, deque, set, frozenset), self._sequence),
            (FunctionType, self._function),
            (MethodType, self._method),
            (BuiltinFunctionType, self._builtin),
            (functools.partial, self._partial),
            (_GENERATORS, self._generator),
            (type, self._class),
            (ModuleType, self._module),
        ):
            if issubclass(cls, base):
                return filler
        owner, _ = self._owner(value)
        return functools.partial(self._tensor, owner) if owner is not None else self._instance

    def _parts(self, node: Node, parts: Iterable[tuple[str, object]]) -> None:
        for suffix, child in parts:
            node.parts[suffix] = self._token(child)

    def _method(self, node: Node, value: Any) -> None:
        self._parts(node, [(".__self__", value.__self__), (".__func__", value.__func__)])

    def _builtin(self, node: Node, value: Any) -> None:
        self._parts(node, [(".__self__", value.__self__)])

    def _partial(self, node: Node, value: Any) -> None:
        self._parts(node, [(".func", value.func), (".args", value.args), (".keywords", value.keywords)])

    def _iterator(self, node: Node, value: Any) -> None:
        self._parts(node, [(f".<state>[{i}]", v) for i, v in enumerate(_state_of(value))])

    def _class(self, node: Node, value: Any) -> None:
        self._parts(node, self._class_parts(value))

    def _module(self, node: Node, value: Any) -> None:
        self._parts(node, [(f".{k}", v) for k, v in list(vars(value).items()) if not k.startswith("__")])

    def _tensor(self, owner: Backend, node: Node, value: Any) -> None:
        self._tensors.setdefault(id(owner), (owner, []))[1].append((node, value))
        if owner.framework_name == "numpy":
            dtype = getattr(value, "dtype", None)
            if getattr(dtype, "hasobject", False) and value.dtype.fields is None:
                node.parts.update(
                    (f".flat[{i}]", self._token(v)) for i, v in enumerate(value.reshape(-1)[:MAX_PARTS].tolist())
                )
        self._children(node, value, owner)

    def _children(self, node: Node, value: Any, owner: Backend) -> None:
        for suffix, child in owner.children(value) or ():
            self._kept.append(child)
            node.parts[suffix] = self._token(child)

    def _instance(self, node: Node, value: Any) -> None:
        for backend in self._backends:
            content = backend.content(value, max(self._limit, 0)) if backend.framework_name == "numpy" else None
            if content is not None:
                node.parts.update((s, Digest(d)) for s, d in content.items() if s)
                node.digest = content.get("")
                return
        if type(value) is functools._lru_cache_wrapper:
            node.light = value.cache_info()  # its contents are out of sight
        for suffix, child in self._attributes(node, value):
            if (suffix or ".value") not in node.parts:
                self._kept.append(child)
                node.parts[suffix or ".value"] = self._token(child)

    def _attributes(self, node: Node, value: Any) -> Iterable[tuple[str, object]]:
        """Add the attributes but for a framework's bookkeeping; answers what the framework shows beside them."""
        attributes = self._inside.attributes(value)
        for backend in self._backends:
            shown = backend.children(value)
            if shown is not None:
                left_out = {f".{name}" for name in backend.bookkeeping(value)}
                self._parts(node, [(s, child) for s, child in attributes if s not in left_out])
                return shown
        self._parts(node, attributes)
        return ()

    def _dict(self, node: Node, value: Any) -> None:
        items = list(dict.items(value))
        node.light = len(items)
        node.is_table = True
        if len(items) > MAX_PARTS and _is_plain(k for pair in items for k in pair):
            node.digest = zlib.crc32(marshal.dumps(items, 2))
            return
        for i, (key, child) in enumerate(items):
            index = spell_index(key)
            suffix = f"[{index}]"
            if index is None:
                suffix = f"[#{id(key)}]"
                node.parts[f"{suffix}#"] = self._token(key)
            node.parts[suffix] = self._token(child)
            if i > MAX_OBJECTS:
                self._look.unseen += len(items) - i
                break
        if type(value) is not dict:
            self._attributes(node, value)

    def _sequence(self, node: Node, value: Any) -> None:
        cls = next(c for c in (list, tuple, deque, set, frozenset) if issubclass(type(value), c))
        items = list(cls.__iter__(value))
        node.light = len(items)
        if cls in (set, frozenset):
            if _is_plain(items):
                node.digest = hash(frozenset(map(repr, items)))
            else:
                self._parts(node, [(f"[#{id(v)}]", v) for v in items[:MAX_OBJECTS]])
        elif len(items) > MAX_PARTS and _is_plain(items):
            node.digest = zlib.crc32(marshal.dumps(items, 2))
        else:
            self._parts(node, [(f"[{i}]", v) for i, v in enumerate(items[:MAX_OBJECTS])])
            self._look.unseen += max(0, len(items) - MAX_OBJECTS)
            fields = getattr(type(value), "_fields", None)
            if cls is tuple and type(fields) is tuple:
                node.parts.update(
                    (f".{f}", node.parts[f"[{i}]"]) for i, f in enumerate(fields) if f"[{i}]" in node.parts
                )
        if type(value) is not cls:
            self._attributes(node, value)

    def _function(self, node: Node, value: Any) -> None:
        node.light = id(value.__code__)
        self._parts(node, [(f".__defaults__[{i}]", v) for i, v in enumerate(value.__defaults__ or ())])
        self._parts(node, [(f".__kwdefaults__[{k!r}]", v) for k, v in list((value.__kwdefaults__ or {}).items())])
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            try:
                node.parts[f".<closure>.{name}"] = self._token(cell.cell_contents)
            except ValueError:  # not filled yet
                continue
        self._parts(node, [(f".{k}", v) for k, v in list(value.__dict__.items())])
        self._code(node, value.__code__, value.__globals__)
        if value.__globals__ is not self._namespace and is_user_file(value.__code__.co_filename):
            space = value.__globals__  # a module's of the user's, or a script's that `%run` ran
            names = sorted(n for n in names_in(value.__code__)[0] if n in space)
            self._parts(node, [(f".__globals__[{n!r}]", space[n]) for n in names])

    def _generator(self, node: Node, value: Any) -> None:
        kind = {GeneratorType: "gi", CoroutineType: "cr", AsyncGeneratorType: "ag"}[
            next(c for c in _GENERATORS if isinstance(value, c))
        ]
        frame = getattr(value, f"{kind}_frame")
        node.light = frame.f_lasti if frame is not None else None
        if frame is not None:
            self._code(node, getattr(value, f"{kind}_code"), frame.f_globals)
            # Not `f_locals`, which would make the frame keep a dictionary of them.
            self._parts(node, [(f".<frame>[{i}]", v) for i, v in enumerate(gc.get_referents(value)) if v is not frame])

    def _code(self, node: Node, code: CodeType, space: object) -> None:
        names, attributes = names_in(code)
        if space is self._namespace:
            node.names = names
        node.is_far = not FAR_CALLS.isdisjoint(attributes)

    @staticmethod
    def _class_parts(cls: Any) -> list[tuple[str, object]]:
        """Attributes of a class of the user's; methods as functions."""
        own = type.__dict__["__dict__"].__get__(cls)
        users = own.get("__module__") == "__main__" or any(
            type(f) is FunctionType and is_user_file(f.__code__.co_filename) for f in list(own.values())
        )
        parts: list[tuple[str, object]] = []
        for name, child in list(own.items()) if users else ():
            child = getattr(child, "__func__", child) if type(child) in (staticmethod, classmethod) else child
            if type(child) is property:
                parts += [(f".{name}.{p}", getattr(child, p)) for p in ("fget", "fset") if getattr(child, p)]
            elif type(child) is FunctionType or not name.startswith("__"):
                parts.append((f".{name}", child))
        if users:
            parts += [(f".__bases__[{i}]", b) for i, b in enumerate(cls.__bases__) if b is not object]
        return parts


def _state_of(iterator: Any) -> tuple[object, ...]:
    """What a built-in iterator goes through, and how far it is; nothing is taken from it."""
    if type(iterator) in _COUNTED:
        return (operator.length_hint(iterator),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # itertools' own way goes with Python 3.14
        _, *state = iterator.__reduce__()
    return tuple(part for s in state for part in (s if type(s) is tuple else (s,)))


def _is_plain(values: Iterable[object]) -> bool:
    return _PLAIN.issuperset(map(type, values))


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """(global names that the code and what is defined in it reads or writes, names of attributes that it uses)."""
    names: set[str] = set()
    attributes: set[str] = set()
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME"):
            names.add(i.argval)
        elif i.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
            attributes.add(i.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more, used = names_in(inner)
            names |= more
            attributes |= used
    return frozenset(names), frozenset(attributes)
