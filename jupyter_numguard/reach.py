"""Which names of the notebook a piece of code may touch: through functions, their globals, closures and methods."""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
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

from .frames import is_user_file
from .model import INF_WORDS, NAN_WORDS, Span, Written
from .spellings import functions

# Modules whose types, written in C, hold objects that no attribute shows; and those that are followed or hold none.
_C_HOLDERS = frozenset(
    "builtins itertools weakref _weakref operator _operator functools _functools _contextvars _thread".split()
)
_FOLLOWED = (
    dict, list, tuple, set, frozenset, FunctionType, MethodType, functools.partial, type, BuiltinFunctionType, property,
    GeneratorType, CoroutineType, AsyncGeneratorType, int, float, complex, str, bytes, bytearray, range, type(None), slice,
    type(...), BaseException, type(NotImplemented),
)  # fmt: skip
_IPYTHONS_OUTPUT = re.compile(r"_+|_\d+")

# Words in code that lead to variables or to code which no name in it shows.
_OPEN_WORDS = frozenset(
    "exec eval compile "  # code made from text
    "globals locals vars f_globals f_locals f_back _getframe currentframe __globals__ __closure__ __main__ "  # namespaces
    "modules import_module "  # any module's, the notebook's too
    "get_ipython user_ns user_global_ns run_cell run_line_magic run_cell_magic Out "  # the shell: magics, outputs
    "get_objects get_referrers get_referents ctypes from_address".split()  # objects without names
)


def words_of(code: CodeType) -> set[str]:
    """All names and attributes in the code and in what is defined in it."""
    return {name for c in _codes(code) for name in c.co_names}


def leads_anywhere(words: Iterable[str]) -> bool:
    """Whether code with these words may touch a variable that it does not name: text, namespaces, `_` and `Out[3]`."""
    return any(w in _OPEN_WORDS or (w[0] == "_" and _IPYTHONS_OUTPUT.fullmatch(w) is not None) for w in words)


def leads_out(value: object, home: object) -> bool:
    """Whether using the value may touch objects that nobody can follow from it: it holds them in C (iterators, weak
    references, views of dictionaries), or runs code of a file of the user's other than the notebook, with its own globals.
    """
    cls = type(value)
    if issubclass(cls, ModuleType):
        return is_user_file(getattr(value, "__file__", None) or "<built-in>")
    if issubclass(cls, BuiltinFunctionType):  # `x.fill`
        return not isinstance(value.__self__, (ModuleType, type, type(None)))  # type: ignore[attr-defined]
    if isinstance(value, (FunctionType, MethodType)):
        found = list(functions_of(value))
    else:
        if cls.__module__ in _C_HOLDERS and not issubclass(cls, _FOLLOWED):
            return True
        own = value if isinstance(value, type) else cls
        found = list(islice((m for b in own.__mro__ for m in vars(b).values() if isinstance(m, FunctionType)), 1))
    return any(f.__globals__ is not home and is_user_file(f.__code__.co_filename) for f in found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for c in code.co_consts:
        if isinstance(c, CodeType):
            yield from _codes(c)


def functions_of(value: object) -> Iterator[FunctionType]:
    """The Python functions that calling or using `value` may run, as far as its own definition shows."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, MethodType):
        if isinstance(value.__func__, FunctionType):
            yield value.__func__
    else:
        cls = value if isinstance(value, type) else type(value)
        for base in cls.__mro__:
            if base.__module__ == "__main__":
                for member in vars(base).values():
                    member = getattr(member, "__func__", member)
                    if isinstance(member, FunctionType):
                        yield member


def reach(
    names: Iterable[str], namespace: Mapping[str, object], home: object = None
) -> tuple[set[str], list[FunctionType]]:
    """Names of the namespace that code naming `names` may touch, functions' globals included, and those functions.

    Args:
        namespace: The names that count.
        home: The globals of the user's own functions; functions of other modules are not followed. Default: `namespace`.
    """
    home = namespace if home is None else home
    seen: set[str] = set()
    functions: dict[int, FunctionType] = {}
    todo = [n for n in names if n in namespace]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for function in functions_of(namespace[name]):
            if id(function) in functions or function.__globals__ is not home:
                continue
            functions[id(function)] = function
            for code in _codes(function.__code__):
                todo += [n for n in code.co_names if n in namespace and n not in seen]
            for cell in function.__closure__ or ():
                try:
                    inner = cell.cell_contents
                except ValueError:  # an empty closure cell
                    continue
                for f in functions_of(inner):
                    if f.__globals__ is home:
                        todo += [n for c in _codes(f.__code__) for n in c.co_names if n in namespace and n not in seen]
    return seen, list(functions.values())


def function_writes(functions: Iterable[FunctionType]) -> Written:
    """What functions write down, from their constants: no place, only whether."""
    nan = inf = False
    for function in functions:
        for code in _codes(function.__code__):
            words = {w.lstrip("+-").lower() for w in code.co_consts if isinstance(w, str)} | set(code.co_names)
            nan |= not words.isdisjoint(NAN_WORDS)
            inf |= not words.isdisjoint(INF_WORDS) or any(
                isinstance(c, float) and math.isinf(c) for c in code.co_consts
            )
    nowhere = Span(0, 0, 0, 0)
    return Written(nowhere if nan else None, nowhere if inf else None)


def library_names(namespace: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """The user's names for modules and library functions: name -> (full dotted name, object).

    A function that the table of spellings holds has its public name, wherever its library defines it.
    """
    out: dict[str, tuple[str, object]] = {}
    public: dict[int, str] | None = None
    for name, value in namespace.items():
        if isinstance(value, ModuleType):
            out[name] = (_public_module(value.__name__), value)
        elif isinstance(value, (FunctionType, BuiltinFunctionType, type)) or type(value).__name__ == "ufunc":
            module = getattr(value, "__module__", None) or "numpy"
            if module not in ("__main__", "builtins"):
                if public is None:
                    public = {
                        id(known): spelled for spelled in functions() if (known := _resolved(spelled)) is not None
                    }
                own = f"{module}.{getattr(value, '__name__', name)}"
                out[name] = (public.get(id(value), own), value)
        elif type(value).__module__.startswith("scipy.stats.") and (public_name := _distribution(value)) is not None:
            out[name] = (public_name, value)
    return out


def _distribution(value: object) -> str | None:
    """ "scipy.stats.poisson" of that object, which is a library's as a function is; None of a frozen distribution."""
    name = vars(value).get("name")
    public = f"scipy.stats.{name}"
    return public if isinstance(name, str) and _resolved(public) is value else None


def _public_module(name: str) -> str:
    """ "tensorflow._api.v2.nn" is "tensorflow.nn"."""
    name = name.replace("tensorflow._api.v2", "tensorflow")
    return name.replace("keras._tf_keras.keras", "tensorflow.keras").replace(
        "keras.src.legacy.backend", "tensorflow.keras.backend"
    )


def _resolved(name: str) -> object:
    """The object of a full dotted name, if all its modules are there already: nothing is imported to find out."""
    *path, last = name.split(".")
    module = sys.modules.get(".".join(path))
    return vars(module).get(last) if module is not None else None
