"""Record one execution: every loaded framework's recorder writes into one `OpLog`; at a creation, name and sample.

A sample is a private, bounded copy of the tensors that the failing statement names, taken while they are alive: the
rewrite is tried on it later. It belongs to the report and goes with it.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from .backends import loaded_backends
from .backends.base import Backend
from .given import lengths_of, operand_kept, texts_of_operands
from .opevents import OpEvent, Scope, Site
from .oplog import OpLog
from .purity import is_pure_layer

MAX_SAMPLE_BYTES = 1 << 20  # per tensor (product.md, "Where the operands come from")
MAX_SAMPLES = 16  # per event: the names of a statement and of those that bound them

ExpressionAt = Callable[[Site], ast.AST | None]
"""The expression that ran an operation."""
NamesAt = Callable[[Site], tuple[tuple[str, ...], str | None]]
"""(paths that the failing statement, and those binding its names, load; the path that it binds itself)."""


class Recorder:
    """Holds the frameworks' recorders of one execution. `start`, any number of `refresh`, `stop`; all on one thread.

    Attributes:
        log: What was recorded; valid after `stop` too.
    """

    def __init__(
        self,
        names_at: NamesAt,
        *,
        expression_at: ExpressionAt = lambda site: None,
        stop: bool = False,
        watch: bool = False,
    ) -> None:
        """Prepare.

        Args:
            names_at: Which names the source at a site holds.
            expression_at: What the source at a site runs.
            stop: Raise at the first creation.
            watch: Only what is free enough for watch mode (`Backend.keep_watch`).
        """
        self.log = OpLog(stop=stop, on_creation=self._name_and_sample)
        self._names_at = names_at
        self._expression_at = expression_at
        self._watch = watch
        self._open: dict[str, AbstractContextManager[None] | None] = {}

    def start(self) -> None:
        """Begin to record every framework that is imported now."""
        self.refresh()

    def refresh(self) -> None:
        """Before a statement: begin to record frameworks that were imported since; the others listen again."""
        for backend in loaded_backends():
            name = type(backend).__name__
            if name in self._open:
                resume = getattr(self._open[name], "resume", None)
                if resume is not None:  # the user's code may have changed what the recorder listens through
                    resume()
                continue
            self._open[name] = None
            try:
                context = backend.keep_watch(self.log) if self._watch else backend.intercept(self.log)
                if context is not None:
                    context.__enter__()
                    self._open[name] = context
            except Exception as error:  # a framework version whose inside we do not know: the rest is still recorded
                self.log.add_not_traced(
                    backend.framework_name, f"its recorder did not start: {type(error).__name__}: {error}"
                )

    def stop(self) -> None:
        """End all recorders, last started first. Every one is ended even if another fails to."""
        for name, context in reversed(list(self._open.items())):
            if context is None:
                continue
            try:
                context.__exit__(None, None, None)
            except Exception as error:  # what it recorded so far still counts
                self.log.add_not_traced(name, f"its recorder did not stop cleanly: {type(error).__name__}: {error}")
        self._open.clear()

    def _name_and_sample(
        self, event: OpEvent, scope: Scope | None, operands: Sequence[Any], results: Sequence[Any]
    ) -> None:
        """Give operands and result the user's names and copy what the statement names. Never raises."""
        try:
            if event.site is None:
                return
            paths, target = self._names_at(event.site)
            backends = loaded_backends()
            hidden = scope.hidden if scope is not None else frozenset()
            seen = [p for p in paths if re.split(r"[.\[]", p)[0] not in hidden]
            values = {p: v for p in seen if (v := _look_up(p, scope, backends)) is not None}
            names = {id(v): p for p, v in reversed(values.items())}
            named = zip(event.operands, operands, strict=False)
            event.operands = (
                *(dataclasses.replace(s, variable=names.get(id(t), s.variable)) for s, t in named),
                *event.operands[len(operands) :],
            )
            if event.result is not None and event.result.variable is None:
                name = next((names[id(r)] for r in results if id(r) in names), target)
                event.result = dataclasses.replace(event.result, variable=name)
            # What is the result itself was written over: its copy is that of the operand, if there is one.
            kept = {p: v for p, v in values.items() if all(v is not r for r in results)}
            kept |= lengths_of(kept)
            for path, value in (*kept.items(), *self._operands(event, event.site, scope, operands)):
                if len(event.names) >= MAX_SAMPLES:
                    break
                copy = event.names.get(path)
                if copy is None:
                    copy = _copy(value, backends)
                if copy is not None:
                    event.names[path] = copy
        except Exception:  # a name or a copy less; the event stands
            return

    def _operands(
        self, event: OpEvent, site: Site, scope: Scope | None, operands: Sequence[Any]
    ) -> Iterator[tuple[str, Any]]:
        """The operands that have no name, by their source text."""

        def is_module(text: str) -> bool:
            return isinstance(_look_up(text, scope, []), ModuleType)

        node = self._expression_at(site)
        texts = texts_of_operands(node, event.op, event.phase, len(operands), is_module)
        for text, value in zip(texts, operands, strict=False):
            if text is not None and value is not None:
                yield text, operand_kept(event.op, event.phase, value)


def _copy(value: Any, backends: Sequence[Backend]) -> Any | None:
    """A private copy of a tensor, a layer that only computes, or a number; None of anything else and of what is large."""
    if isinstance(value, (int, float, complex, bool, str)):
        return value
    owner = next((b for b in backends if b.owns(value)), None)
    copy = owner.copy_sample(value, MAX_SAMPLE_BYTES) if owner is not None else None
    if copy is None and is_pure_layer(value):
        copies = (b.copy_layer(value, MAX_SAMPLE_BYTES) for b in backends)
        copy = next((c for c in copies if c is not None), None)
    return copy


def _look_up(path: str, scope: Scope | None, backends: list[Backend]) -> Any | None:
    """The object that a path of names, attributes and constant indices means in a scope, found without running code."""
    if scope is None:
        return None
    try:
        return scope.as_of(_value(ast.parse(path, mode="eval").body, scope, backends))
    except (SyntaxError, LookupError, TypeError, ValueError):
        return None


def _value(node: ast.expr, scope: Scope, backends: list[Backend]) -> Any | None:
    if isinstance(node, ast.Name):
        return (scope.locals if node.id in scope.locals else scope.globals).get(node.id)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, scope, backends)
        plain = getattr(type(owner), "__dict__", {}).get(node.attr)
        if plain is None:
            try:
                return object.__getattribute__(owner, "__dict__")[node.attr]
            except (AttributeError, KeyError):
                pass
        for backend in backends:  # a module's parameters are no plain attributes
            for suffix, child in backend.children(owner) or ():
                if suffix == "." + node.attr:
                    return child
        return None
    if isinstance(node, ast.Subscript):
        owner = _value(node.value, scope, backends)
        index = _value(node.slice, scope, backends)
        if owner is not None and type(owner) in (list, tuple, dict) and isinstance(index, (int, str)):
            return owner[index]
    return None
