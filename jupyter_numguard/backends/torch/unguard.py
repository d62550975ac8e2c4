"""Run a Python function of torch so that the operations inside it are seen one by one.

While a function mode is active, torch's Python functions first ask `has_torch_function(...)`, are told yes, and hand the
whole call to the mode: what is inside them stays unseen, and calling them from the mode with itself active again would
never end. The clone that `unguarded` makes is the same code with the same live globals, in which these questions are
answered with no.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any


def _no(*_: object) -> bool:
    return False


_GUARDS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
_clones: dict[Callable[..., Any], Callable[..., Any] | None] = {}


class _Globals(dict[str, Any]):
    """The function's own globals, looked up live, but for the guards."""

    def __init__(self, base: dict[str, Any]) -> None:
        super().__init__(dict.fromkeys(_GUARDS, _no))
        self._base = base

    def __missing__(self, name: str) -> Any:
        return self._base[name]


def unguarded(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The clone of a Python function that asks; None for any other."""
    if function not in _clones:
        clone = None
        if isinstance(function, FunctionType) and not set(_GUARDS).isdisjoint(function.__code__.co_names):
            clone = FunctionType(
                function.__code__,
                _Globals(function.__globals__),
                function.__name__,
                function.__defaults__,
                function.__closure__,
            )
            clone.__kwdefaults__ = function.__kwdefaults__
        _clones[function] = clone
    return _clones[function]
