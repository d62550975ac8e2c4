"""What is inside a Python object, with the suffix that the user would type, without running any code of the user.

A suffix is put after the container's path (".loss", "[3]"); one that starts with "list({}" or "vars({}" takes the
path in instead. Only methods of the built-in types themselves, instance dictionaries and slots are used.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    TracebackType,
)
from typing import Any

from .backends.base import spell_attribute, spell_index
from .frames import is_user_file

Children = Iterator[tuple[str, Any]]

_ATOMS = (
    int, str, bytes, bool, bytearray, range, slice, memoryview, type(None), type(...), type(NotImplemented),
    ModuleType, CodeType, FrameType, TracebackType, BuiltinFunctionType, MethodWrapperType, GetSetDescriptorType,
    MemberDescriptorType,
)  # fmt: skip
_ATOM_IDS = frozenset(map(id, _ATOMS))

# Modules and packages whose objects are not entered, each for a reason.
_NOT_ENTERED = {
    "jupyter_numguard": "our own objects",
    "IPython": "the shell: it holds the namespace itself, and all output",
    "ipykernel": "as IPython",
    "ipywidgets": "as IPython: a widget leads to the kernel",
    "traitlets": "as IPython",
    "comm": "as IPython",
    "zmq": "sockets",
    "tornado": "event loop",
    "asyncio": "event loop",
    "threading": "locks; a thread's target is found where it was defined",
    "concurrent": "as threading",
    "multiprocessing": "as threading",
    "queue": "as threading",
    "logging": "handlers lead to every logger",
    "weakref": "holds nothing",
    "re": "text",
    "inspect": "signatures",
    "typing": "annotations",
    "ast": "syntax",
    "matplotlib": "drawings: copies of data in thousands of objects",
    "plotly": "as matplotlib",
    "bokeh": "as matplotlib",
    "pandas": "its backend opens what holds columns; the rest is caches",
    "tensorflow": "its backend opens what holds values; the rest leads to every graph",
    "torch.fx": "graphs of symbols",
    "scipy.stats._distn_infrastructure": "distributions: their bounds and constructors' words are infinite by design",
    "scipy.stats._continuous_distns": "as a frozen distribution",
    "scipy.stats._discrete_distns": "as a frozen distribution",
    "scipy.stats._levy_stable": "as a frozen distribution",
    "scipy.stats._multivariate": "as a frozen distribution",
    "scipy.stats._distribution_infrastructure": "as a frozen distribution",
    "scipy.stats._new_distributions": "as a frozen distribution",
}
_HOLDERS = frozenset({"types", "argparse"})  # SimpleNamespace, Namespace: attributes are what the user put there
_NOT_ENTERED_PREFIXES = (*(f"{name}." for name in _NOT_ENTERED), "torch._")  # torch._dynamo, …: compilers' bookkeeping
_dict_of = type.__dict__["__dict__"].__get__
_mro_of = type.__dict__["__mro__"].__get__
_module_of = type.__dict__["__module__"].__get__


def is_atom(value: object) -> bool:
    """Whether the value's type can hold no tensor: text, integers, modules, code."""
    return id(type(value)) in _ATOM_IDS  # by id: a metaclass may have any idea of `==`


def package_of(cls: type) -> str:
    """The top package that the class says it is from, without asking its metaclass."""
    module = _module_of(cls)
    return module.partition(".")[0] if type(module) is str else ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the objects of one class are opened: as a container, then by their attributes."""

    container: Callable[[Any], Children] | None
    dictionaries: tuple[Any, ...]
    slots: tuple[tuple[str, Any], ...]
    shows_class: bool
    has_settings: bool


class Inside:
    """Opens objects; remembers how for each class. Use one per walk: it knows classes by their id."""

    def __init__(self) -> None:
        self._plans: dict[int, _Plan] = {}

    def of(self, value: object) -> Children:
        """(suffix, object) pairs of what `value` holds; nothing for what is not entered."""
        cls = type(value)
        plan = self._plan_of(cls)
        if plan.container is not None:
            yield from plan.container(value)
        for dictionary in plan.dictionaries:
            attributes = dictionary.__get__(value)
            if isinstance(attributes, dict):
                for name, child in list(dict.items(attributes)):
                    if type(name) is str:
                        yield spell_attribute(name), child
        for name, slot in plan.slots:
            try:
                yield f".{name}", slot.__get__(value)
            except AttributeError:  # not filled
                continue
        if plan.shows_class:
            yield ".__class__", cls

    def attributes(self, value: object) -> Children:
        """(suffix, object) of every attribute in the instance dictionary and the slots, text and integers included."""
        plan = self._plan_of(type(value))
        for dictionary in plan.dictionaries:
            attributes = dictionary.__get__(value)
            if isinstance(attributes, dict):
                yield from ((f".{name}", child) for name, child in list(dict.items(attributes)) if type(name) is str)
        for name, slot in plan.slots:
            try:
                yield f".{name}", slot.__get__(value)
            except AttributeError:  # not filled
                continue
        if plan.shows_class:
            yield ".__class__", type(value)

    def is_setting(self, owner: object, suffix: str, value: object) -> bool:
        """Whether `value` is a single number that an object of a library keeps as its setting: nobody computed it.

        `EarlyStopping.best = inf`, `SimpleImputer.missing_values = nan`. scikit-learn ends the names of what it fitted
        with an underscore: those are results.
        """
        if type(value) is not float and type(value) is not complex:
            return False
        return suffix[0] == "." and not suffix.endswith("_") and self._plan_of(type(owner)).has_settings

    def _plan_of(self, cls: type) -> _Plan:
        plan = self._plans.get(id(cls))
        if plan is None:
            plan = self._plans[id(cls)] = _plan(cls)
        return plan


def _plan(cls: type) -> _Plan:
    for base, container in _CONTAINERS:
        if issubclass(cls, base):
            if base in (FunctionType, MethodType, type):
                return _Plan(container, (), (), shows_class=False, has_settings=False)
            break
    else:
        container = None
    module = _module_of(cls)
    if type(module) is str and f"{module}.".startswith(_NOT_ENTERED_PREFIXES):
        return _Plan(container, (), (), shows_class=False, has_settings=True)
    dictionaries, slots = [], []
    for base in _mro_of(cls):
        own = _dict_of(base)
        if type(own.get("__dict__")) in (GetSetDescriptorType, MemberDescriptorType):  # not a property of the user's
            dictionaries.append(own["__dict__"])
        if "__slots__" in own:  # a member descriptor of a C type may compute something
            slots += [(name, slot) for name, slot in own.items() if type(slot) is MemberDescriptorType]
    users = _is_users(cls)
    holds_results = users or module in _HOLDERS or issubclass(cls, (tuple, functools.partial))
    return _Plan(container, tuple(dictionaries[:1]), tuple(slots), users, not holds_results)


# --- containers -------------------------------------------------------------------------------------------------------
def _all_atoms(values: Iterable[object]) -> bool:
    return _ATOM_IDS.issuperset(map(id, map(type, values)))


def _of_dict(value: Any) -> Children:
    items = list(dict.items(value))
    if _all_atoms(map(itemgetter(1), items)) and _all_atoms(map(itemgetter(0), items)):
        return
    for i, (key, child) in enumerate(items):
        if id(type(child)) in _ATOM_IDS and id(type(key)) in _ATOM_IDS:
            continue
        spelled = spell_index(key)
        if spelled is None:
            yield f"list({{}})[{i}]", key
        yield (f"[{spelled}]" if spelled is not None else f"list({{}}.values())[{i}]"), child


def _of_list(value: Any) -> Children:
    return _numbered(list.copy(value), "[{}]")


def _of_deque(value: Any) -> Children:
    return _numbered(list(deque.__iter__(value)), "[{}]")


def _of_set(value: Any) -> Children:
    return _numbered(list((set if issubclass(type(value), set) else frozenset).__iter__(value)), "list({{}})[{}]")


def _of_tuple(value: Any) -> Children:
    names = _field_names(type(value)) if type(value) is not tuple else ()
    if names:
        return ((f".{names[i]}" if i < len(names) else f"[{i}]", c) for i, c in enumerate(tuple.__iter__(value)))
    return _numbered(list(tuple.__iter__(value)), "[{}]")


def _numbered(values: list[Any], suffix: str) -> Children:
    if not _all_atoms(values):
        yield from ((suffix.format(i), child) for i, child in enumerate(values) if not is_atom(child))


def _field_names(cls: type) -> tuple[str, ...]:
    """Field names of a namedtuple class, () for other tuples."""
    for base in _mro_of(cls):
        names = _dict_of(base).get("_fields")
        if type(names) is tuple and all(type(n) is str for n in names):
            return names
    return ()


def _of_partial(value: Any) -> Children:
    for name in ("func", "args", "keywords"):
        yield f".{name}", _dict_of(functools.partial)[name].__get__(value)


# --- the user's functions and classes ---------------------------------------------------------------------------------
def _of_function(f: Any) -> Children:
    """What a function of the user's carries: defaults, variables it closes over, attributes."""
    if not is_user_file(f.__code__.co_filename):
        return
    yield from ((f".__defaults__[{i}]", child) for i, child in enumerate(f.__defaults__ or ()))
    yield from ((f".__kwdefaults__[{spell_index(k)}]", child) for k, child in list((f.__kwdefaults__ or {}).items()))
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=False):
        try:
            yield f".<closure>.{name}", cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from ((f".{name}", child) for name, child in list(f.__dict__.items()))


def _of_method(method: Any) -> Children:
    yield ".__self__", method.__self__
    yield ".__func__", method.__func__


def _of_class(cls: Any) -> Children:
    """Attributes of a class of the user's, and what its methods carry."""
    if not _is_users(cls):
        return
    for name, child in list(_dict_of(cls).items()):
        if type(child) is staticmethod or type(child) is classmethod:
            child = child.__func__
        if type(child) is property:  # its functions, not its value
            yield from ((f".{name}.{part}", getattr(child, part)) for part in ("fget", "fset") if getattr(child, part))
        elif type(child) is FunctionType or not name.startswith("__"):
            yield f".{name}", child


def _is_users(cls: type) -> bool:
    """Whether the class was defined in the notebook or in a file of the user's."""
    own = _dict_of(cls)
    if own.get("__module__") == "__main__":
        return True
    return any(map(is_user_file, {f.__code__.co_filename for f in list(own.values()) if type(f) is FunctionType}))


_CONTAINERS: tuple[tuple[type, Callable[[Any], Children]], ...] = (
    (dict, _of_dict),
    (list, _of_list),
    (deque, _of_deque),
    (tuple, _of_tuple),
    (set, _of_set),
    (frozenset, _of_set),
    (FunctionType, _of_function),
    (MethodType, _of_method),
    (functools.partial, _of_partial),
    (type, _of_class),
)
