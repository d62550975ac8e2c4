"""Which names of the notebook a piece of code may touch: through functions, their globals, closures and methods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from .model import INF_WORDS, NAN_WORDS, Span, Written


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
    """The user's names for modules and library functions: name -> (full dotted name, object)."""
    out: dict[str, tuple[str, object]] = {}
    for name, value in namespace.items():
        if isinstance(value, ModuleType):
            out[name] = (value.__name__, value)
        elif isinstance(value, (FunctionType, BuiltinFunctionType, type)):
            module = getattr(value, "__module__", None)
            if isinstance(module, str) and module not in ("__main__", "builtins"):
                out[name] = (f"{module}.{value.__name__}", value)
    return out
