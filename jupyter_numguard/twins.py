"""Copies of what statements read, for running them a second time: nothing that is written to them reaches the user's values.

    x (a tensor), w (a parameter), layers (a list of both)  ->  twins of the same kinds, sharing among themselves as they do

Only objects whose class is known exactly are copied: a subclass, a user's class, an iterator may do anything when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .backends import loaded_backends
from .closed_world import RefusedError, is_pure_function
from .purity import is_pure_layer
from .spellings import ROOTS

MAX_BYTES = 64 << 20  # of all twins of one run
_PER_ELEMENT = 1024  # bytes that an element of a container counts for: it takes as long to copy
_CONSTANT = (int, float, complex, bool, str, bytes, type(None), range, slice, type(...))
_CONTAINERS = (list, tuple, dict, set)


class Twins:
    """The twins of one run; each object is copied once, under whatever name it is asked for."""

    def __init__(
        self, libraries: Mapping[str, tuple[str, object]], *, trains: bool = False, limit: int = MAX_BYTES
    ) -> None:
        """Prepare.

        Args:
            libraries: The user's names for modules and library functions (`reach.library_names`).
            trains: Modules of the user's classes, optimizers, loaders and generators are copied as well.
            limit: Bytes of all of them.
        """
        self._libraries = libraries
        self._trains = trains
        self._known: dict[int, tuple[object, object]] = {}  # id -> (object, twin): the object keeps its id its own
        self._left = limit

    def of(self, name: str, value: object, *, with_gradient: bool) -> object:
        """The twin of what a name leads to.

        Args:
            with_gradient: Also of the gradients that tensors hold: they are those that the statement saw.

        Raises:
            RefusedError: It cannot be copied, or not without running code of its own.
        """
        dotted, found = self._libraries.get(name, ("", None))
        if found is value and value is not None:
            if isinstance(value, ModuleType):
                if dotted.split(".")[0] in (*ROOTS, "math"):
                    return value
            elif is_pure_function(dotted):
                return value
            raise RefusedError(f"`{name}` may do more than compute")
        return self._twin(name, value, with_gradient)

    def _twin(self, name: str, value: Any, with_gradient: bool) -> Any:
        cls = type(value)
        if cls in _CONSTANT or (cls.__name__ in ("dtype", "DType", "Size", "device") and _is_framework(cls)):
            return value
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        if cls in _CONTAINERS:
            return self._container(name, value, lambda inner: self._twin(name, inner, with_gradient))
        out = self._tensor(value, with_gradient) if _is_framework(cls) else None
        if out is None and self._trains:
            found = (b.training_twin(value, lambda t: self._twin(name, t, with_gradient)) for b in loaded_backends())
            out = next((copied for copied in found if copied is not None), None)
        if out is None:
            raise RefusedError(f"`{name}` is no value that can be copied safely ({cls.__name__})")
        self._known[id(value)] = value, out
        return out

    def _tensor(self, value: Any, with_gradient: bool) -> Any | None:
        for backend in loaded_backends():
            if backend.owns(value):
                if backend.why_unchecked(value) is not None:
                    return None
                size = backend.nbytes(value)
                out = backend.twin(value, self._left, with_gradient=with_gradient)
                if out is not None:
                    self._left -= size
                return out
        if is_pure_layer(value) and not self._trains:
            layers = (b.copy_layer(value, self._left) for b in loaded_backends())
            return next((layer for layer in layers if layer is not None), None)
        return None

    def _container(self, name: str, value: Any, twin: Callable[[Any], Any]) -> Any:
        size = _PER_ELEMENT * len(value)
        if size > self._left:
            raise RefusedError(f"`{name}` holds too many values")
        self._left -= size
        if type(value) is tuple:
            out: Any = tuple(map(twin, value))
        elif type(value) is dict:
            out = {}
            self._known[id(value)] = value, out
            for key, inner in value.items():
                if type(key) not in _CONSTANT:
                    raise RefusedError(f"`{name}` holds keys that are no plain values")
                out[key] = twin(inner)
        else:
            out = type(value)()
            self._known[id(value)] = value, out
            for inner in value:
                out.append(twin(inner)) if type(value) is list else out.add(twin(inner))
        self._known[id(value)] = value, out
        return out


def _is_framework(cls: type) -> bool:
    return cls.__module__.split(".")[0] in ROOTS
