"""tf.function and Keras: a call goes to a copy of the function, which is traced again with flags in its graph.

The user's function, its trace cache and its options (`jit_compile` too: XLA has other numerics) stay as they are. What is
replaced while a cell is traced, and put back after it:

    Function.__call__                    leads to the copy; a descriptor, so no frame of ours shows in a traceback
    func_graph.func_graph_from_py_func   builds the copies' graphs, branches and loop bodies; they end with the flags' memory
    gradients_util._GradientsHelper      builds the gradient of a copy whose tape lies outside of it

Whatever cannot be instrumented is called as it is, and listed as not traced.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf

from ...oplog import OpLog
from . import private
from .flagging import SCOPE
from .graph import FlaggedGraph, Root
from .instrument import Instrument

_FOREIGN_BUILDERS = ("data/ops/structured_function.py", "eager/wrap_function.py", "saved_model/")
_TRACERS = frozenset({"_initialize", "get_concrete_function", "_get_concrete_function_garbage_collected", "_call"})


class _Redirect:
    """Stands for `Function.__call__`: looking it up on a function gives the bound call of the function that should run."""

    def __init__(self, original: Any, choose: Callable[[Any], Any]) -> None:
        self._original = original
        self._choose = choose

    def __get__(self, function: Any, owner: Any = None) -> Any:
        if function is None:
            return self._original
        return self._original.__get__(self._choose(function), owner)


class Shadows:
    """The copies of one trace; `put` and `take` what leads to them in place and away."""

    def __init__(self, log: OpLog, instrument: Instrument) -> None:
        """Copies' graphs are built with `instrument`; what cannot be copied is listed in `log`."""
        self._log = log
        self._instrument = instrument
        self._copies: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._ours: weakref.WeakSet[Any] = weakref.WeakSet()
        self._refused: weakref.WeakSet[Any] = weakref.WeakSet()
        self._calling: list[tuple[Root, bool]] = []  # (root, XLA) of the copies that are being called, outermost first
        self._thread = threading.get_ident()
        self._put: list[tuple[Any, str, Any, Any]] = []

    # --- in place and away ------------------------------------------------------------------------------------------
    def put(self) -> None:
        """Replace the three entries (see the module's docstring)."""
        function = private.Function
        for owner, name, make in (
            (function, "__call__", lambda original: _Redirect(original, self._choose)),
            (private.func_graph, "func_graph_from_py_func", self._builder),
            (private.gradients_util, "_GradientsHelper", self._gradients),
        ):
            original = owner.__dict__[name]
            ours = make(original)
            self._put.append((owner, name, original, ours))
            setattr(owner, name, ours)

    def take(self) -> None:
        """Put the originals back, except where somebody else has replaced ours meanwhile."""
        for owner, name, original, ours in reversed(self._put):
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, original)
        self._put.clear()

    def close(self) -> None:
        """Drop the copies."""
        for copy in self._copies.values():
            copy.__dict__.pop("_call", None)
        self._copies.clear()
        self._calling.clear()

    # --- which function runs ----------------------------------------------------------------------------------------
    def _choose(self, function: Any) -> Any:
        """The copy of a function that is being called, or the function itself where that must run. Never raises."""
        try:
            return self._copy_of(function) if self._can_shadow(function) else function
        except Exception as failure:
            self._refuse(function, failure)
            return function

    def _can_shadow(self, function: Any) -> bool:
        if threading.get_ident() != self._thread:
            self._log.add_not_traced("other threads", "operations are seen on the cell's own thread only")
            return False
        if self._instrument.is_busy or function in self._ours or function in self._refused or not self._put:
            return False
        if function._run_functions_eagerly:  # its operations are eager ones
            return False
        if private.distribute_lib.has_strategy():
            self._log.add_not_traced(_name(function), "it runs in a tf.distribute strategy")
            return False
        if tf.executing_eagerly():
            return True
        return (
            self._instrument.of(private.ops.get_default_graph()) is not None
        )  # the user's own graph must not keep our flags

    def _copy_of(self, function: Any) -> Any:
        copy = self._copies.get(function)
        if copy is None:
            copy = function._clone(None)
            self._ours.add(copy)
            root = Root(_name(function))
            copy._call = self._bracket(function, copy, root)
            copy._key_for_call_stats = copy  # our tracing counts in no warning about frequent retracing
            self._copies[function] = copy
            if function._variable_creation_config is not None:
                self._log.add_not_traced(
                    f"Python side effects of {root.name}",
                    f"{root.name} was traced again for this cell: its Python side effects ran once more",
                )
        return copy

    def _refuse(self, function: Any, failure: Exception) -> None:
        self._refused.add(function)
        self._copies.pop(function, None)
        self._log.add_not_traced(_name(function), f"it could not be copied or instrumented: {failure!r}")

    def _bracket(self, function: Any, copy: Any, root: Root) -> Callable[..., Any]:
        """The copy's `_call`: says who is being called, and falls back on the user's function.

        Fallback is only for errors that name our own operations. TensorFlow raises those before a graph runs (no kernel,
        no XLA lowering), so nothing of the user's runs twice.
        """
        plain = type(copy)._call
        is_xla = bool(function._jit_compile)
        weak_copy = weakref.ref(copy)

        def call(*args: Any, **kwargs: Any) -> Any:
            outermost = self._calling[0][0] if self._calling else root
            self._calling.append((outermost, is_xla or bool(self._calling and self._calling[-1][1])))
            try:
                return plain(weak_copy(), *args, **kwargs)
            except Exception as error:
                if SCOPE not in str(error):
                    raise
                self._refuse(function, error)
                return plain(function, *args, **kwargs)
            finally:
                self._calling.pop()

        return private.hidden(call)

    # --- graphs that are built --------------------------------------------------------------------------------------
    def _builder(self, original: Any) -> Any:
        def func_graph_from_py_func(name: Any, python_func: Any, *args: Any, **kwargs: Any) -> Any:
            is_condition = isinstance(kwargs.get("func_graph"), private.WhileCondFuncGraph)
            build = python_func if is_condition else self._instrumented(python_func)
            return original(name, build, *args, **kwargs)

        return functools.wraps(original)(private.hidden(func_graph_from_py_func))

    def _instrumented(self, python_func: Any) -> Any:
        """The function that builds the graph, with the flags' memory at its end, if it is a copy's graph."""
        if not self._is_ours(sys._getframe(2)):
            return python_func
        instrument, (root, is_xla) = self._instrument, self._calling[-1]

        def with_flags(*args: Any, **kwargs: Any) -> Any:
            flagged = instrument.begin(private.ops.get_default_graph(), root, is_xla=is_xla)
            results = python_func(*args, **kwargs)
            instrument.end(flagged, results)
            return results

        return functools.wraps(python_func)(private.hidden(with_flags))

    def _is_ours(self, frame: FrameType | None) -> bool:
        """Whether a graph that is about to be built belongs to a copy that is being called on this thread."""
        if not self._calling or self._instrument.is_busy or threading.get_ident() != self._thread:
            return False
        while frame is not None:
            code = frame.f_code
            if any(part in code.co_filename for part in _FOREIGN_BUILDERS):
                return False
            if code.co_filename == private.polymorphic_function.__file__ and code.co_name in _TRACERS:
                return frame.f_locals.get("self") in self._ours
            if code.co_name in ("with_flags", "_GradientsHelper") and "self" not in code.co_varnames:
                return True
            frame = frame.f_back
        return False

    def _gradients(self, original: Any) -> Any:
        def _GradientsHelper(*args: Any, **kwargs: Any) -> Any:
            flagged = self._begin_gradients(kwargs.get("src_graph"))
            if flagged is None:
                return original(*args, **kwargs)
            self._calling.append((flagged.root, flagged.is_xla))
            try:
                results = original(*args, **kwargs)
            finally:
                self._calling.pop()
            self._instrument.end(flagged, results)
            return results

        return functools.wraps(original)(private.hidden(_GradientsHelper))

    def _begin_gradients(self, source: Any) -> FlaggedGraph | None:
        """The gradient of a copy, asked for by a tape outside of it."""
        graph = private.ops.get_default_graph()
        forward = self._instrument.of(source)
        if forward is not None and forward.graph is not graph and forward.is_differentiated is not None:
            private.write_variable(forward.is_differentiated, np.float64(1))  # what it absorbs may be lost there
        if forward is None or self._instrument.of(graph) is not None or self._instrument.is_busy:
            return None
        return self._instrument.begin(graph, forward.root, is_xla=forward.is_xla, is_backward=True)


def _name(function: Any) -> str:
    """A function's name as the user knows it."""
    return str(getattr(function, "__name__", None) or getattr(function, "_name", "a tf.function"))
