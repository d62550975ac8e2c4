"""A training cell that ended non-finite, trained once more on copies with another setting: which value was finite.

    1. as it was     must become non-finite at the same elements: else nothing is claimed
    2. lr=0.07       in place of 0.7, then ten times less, until the variable and the loss stay finite
    3. clip at 1     with the rate as it was

What it runs and what it works on is a `World` (`world.py`). Random numbers are those that the cell drew.
"""

from __future__ import annotations

import ast
import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from . import snapshot
from .backends import loaded_backends
from .beginning import keep_draws
from .closed_world import BUILTINS, Plain, RefusedError
from .codemap import CodeMap
from .nonfinite import NonFinite
from .numerics import unheard
from .reach import library_names
from .record import Recorder
from .second_run import SLOW, is_same
from .settings import CLIP, NOTE, Changed, Knob, Setting
from .surroundings import learning_rate
from .twins import Twins
from .world import World


class _TooLongError(BaseException):
    """No time is left."""


@dataclass(slots=True)
class Clock:
    """How many seconds runs may still take; `on_slow` is called once, when they have taken one."""

    left: float
    on_slow: Callable[[], None]
    _slow: float = field(default_factory=lambda: time.monotonic() + SLOW)

    def tick(self) -> None:
        """Called in every turn of a loop."""
        if time.monotonic() > self._slow:
            self._slow = math.inf
            self.on_slow()


class Tracing:
    """Records the operations of a run, as those of the user's cells."""

    def __init__(self, code: CodeMap) -> None:
        self._code = code
        self.recorder = Recorder(code.names_at, expression_at=code.expression_at)

    def compiled(self, original: ast.stmt, module: ast.Module) -> CodeType:
        """The code of a statement that is about to run, known by the cell that the original stands in."""
        home = self._code.home_of(original)
        code = compile(module, "<numguard>" if home is None else self._code.file_of(home[0]), "exec")
        if home is not None:
            self._code.add(code, home[0])
        self.recorder.log.statement = -1 if home is None else home[1]
        self.recorder.refresh()
        return code


@dataclass(slots=True)
class Ran:
    """What one run left behind.

    Attributes:
        notes: Scalars by name and by the line that bound them, in order.
        optimizers: Those that the cell found: (name, learning rate).
        steps, clipped: How many statements take an optimizer's step; whether one of them had its gradient clipped.
        is_whole: It was not stopped by the clock.
        error: What ended it before its end.
    """

    space: dict[str, Any]
    notes: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    knobs: list[Knob] = field(default_factory=list)
    optimizers: list[tuple[str, float | None]] = field(default_factory=list)
    steps: int = 0
    clipped: bool = False
    is_whole: bool = True
    error: Exception | None = None

    def close(self) -> None:
        """Let go of the copies: functions, classes and the namespace that they were defined in hold each other."""
        given = self.space.get("__builtins__")
        self.space.clear()
        if isinstance(given, dict):
            given.clear()


def leaf_of(ran: Ran, path: str) -> snapshot.Leaf | None:
    """The tensor (or list of numbers) that a run left under a path."""
    return next((x for x in walked(ran).leaves if x.path == path), None)


def walked(ran: Ran) -> snapshot.Snapshot:
    """All that a run left under its names."""
    return snapshot.walk({n: v for n, v in ran.space.items() if not n.startswith("__")}, loaded_backends())


def repeats(ran: Ran, n: NonFinite) -> None:
    """A run that changed nothing made of a variable what the user's own run did.

    Raises:
        RefusedError: It did not.
    """
    leaf = leaf_of(ran, n.leaf)
    if leaf is None or n.value is None:
        raise RefusedError("it was not made a second time")
    mine = leaf.value
    if leaf.elements:
        at = int(n.path[len(n.leaf) + 1 : -1])
        mine = mine[at] if at < len(mine) else 0.0
    if not is_same(n.value, mine, n):
        raise RefusedError("run once more, as it was, it became something else")


def run(
    world: World,
    setting: Setting | None,
    noted: frozenset[str],
    roots: Mapping[str, object],
    clock: Clock,
    seconds: float = math.inf,
    tracing: Tracing | None = None,
) -> Ran:
    """Run the statements of a world on copies of its copies; what an error or the clock stopped is left as it is.

    Args:
        noted: Names whose scalars are noted.
        clock, seconds: How long it may take: what the clock has left (it pays for the run), and no more than this.
        tracing: Records the operations.
    """
    libraries = library_names(roots)
    twins = Twins(libraries, trains=True)
    space: dict[str, Any] = {}
    for name, value in world.twins.items():
        space[name] = value if name in libraries else twins.of(name, value, with_gradient=True)
    ran = Ran(space)
    changed = Changed(setting, {name: dotted for name, (dotted, _) in libraries.items()}, noted)
    nodes = [changed.visit(copy.deepcopy(node)) for node in world.nodes]
    ran.knobs, ran.steps = changed.knobs, changed.steps
    began = time.monotonic()

    def tick() -> None:
        if time.monotonic() - began > min(seconds, clock.left):
            raise _TooLongError
        clock.tick()

    def note(name: str, line: int, value: Any) -> None:
        try:
            ran.notes.setdefault((name, line), []).append(
                float(getattr(value, "detach", lambda: value)())
            )  # torch warns of a gradient lost
        except Exception:  # no scalar
            pass

    def clip(optimizer: Any, limit: float) -> None:
        ran.clipped |= any(b.clip_gradients(optimizer, limit) for b in loaded_backends())

    allowed = {**BUILTINS, "super": super, "__build_class__": __build_class__, "object": object}
    allowed |= {Plain.TICK: tick, NOTE: note, CLIP: clip}
    space |= {"__builtins__": allowed, "__name__": "__numguard_again__"}
    now = keep_draws()
    try:
        for back in world.draws:
            back()
        with unheard():
            _run(nodes, space, world, ran, setting, tracing)
    except (_TooLongError, KeyboardInterrupt):  # of this run, not of the cell, which is done
        ran.is_whole = False
    except Exception as error:  # the user's own may have raised as well: what it had made by then counts
        ran.error = error.with_traceback(None)
    finally:
        if tracing is not None:
            tracing.recorder.stop()
        for back in now:
            back()
    clock.left = (
        clock.left - (time.monotonic() - began) if ran.is_whole else 0.0
    )  # the clock, or the person, stopped it
    return ran


def _run(
    nodes: Iterable[Any],
    space: dict[str, Any],
    world: World,
    ran: Ran,
    setting: Setting | None,
    tracing: Tracing | None,
) -> None:
    pairs = zip(world.originals, nodes, strict=True)
    todo = [(original, n) for original, node in pairs for n in (node if isinstance(node, list) else [node])]
    definitions = [(o, n) for o, n in todo if isinstance(n, ast.ClassDef) and n.name in world.classes.values()]
    _execute(definitions, space, tracing)
    for name, value in list(space.items()):
        rate = learning_rate(value)
        if rate is not None:
            ran.optimizers.append((name, rate))
        for backend in loaded_backends():
            for module in backend.inner_modules(value):
                if type(module) in world.classes:
                    module.__class__ = space[world.classes[type(module)]]
            if setting is not None and setting.kind == "rate":
                backend.scale_rate(value, setting.value)
    _execute([pair for pair in todo if pair not in definitions], space, tracing)


def _execute(pairs: Iterable[tuple[ast.stmt, ast.stmt]], space: dict[str, Any], tracing: Tracing | None) -> None:
    for original, node in pairs:
        module = ast.fix_missing_locations(ast.Module([node], []))
        code = compile(module, "<numguard>", "exec") if tracing is None else tracing.compiled(original, module)
        exec(code, space)
