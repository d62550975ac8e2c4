"""A training cell that ended non-finite, trained once more on copies with another setting: which value was finite.

    1. as it was     must become non-finite at the same elements: else nothing is claimed
    2. lr=0.07       in place of 0.7, then ten times less, until the variable and the loss stay finite
    3. clip at 1     with the rate as it was

What it runs has been judged (`training_world.py`); what it works on are copies: of what the cell began with (`beginning.py`,
traced cells), or of what is still what it was (`again.py`). Random numbers are those that the cell drew.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from .backends import loaded_backends
from .beginning import Beginning, function_behind, keep_draws
from .closed_world import BUILTINS, Plain, RefusedError, is_pure_function
from .codemap import Cell, CodeMap
from .frames import is_user_code
from .numerics import unheard
from .reach import functions_of, library_names
from .second_run import Plan
from .settings import CLIP, NOTE, Changed, Knob, Setting
from .spellings import ROOTS
from .surroundings import learning_rate
from .training_world import is_made_or_drawn, judge_training, own_names
from .twins import Twins


class _TooLongError(BaseException):
    """No time is left."""


@dataclass(frozen=True, slots=True)
class World:
    """Statements in order, copies of what they read, and the user's classes among them by the name they get."""

    nodes: Sequence[ast.stmt]
    twins: Mapping[str, object]
    classes: Mapping[type, str]
    draws: Sequence[Callable[[], None]]


@dataclass(slots=True)
class Ran:
    """What one run left behind.

    Attributes:
        notes: Scalars by name and by the line that bound them, in order.
        optimizers: Those that the cell found: (name, learning rate).
        steps, clipped: How many statements take an optimizer's step; whether one of them had its gradient clipped.
        is_whole: It was not stopped by the clock.
    """

    space: dict[str, Any]
    notes: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    knobs: list[Knob] = field(default_factory=list)
    optimizers: list[tuple[str, float | None]] = field(default_factory=list)
    steps: int = 0
    clipped: bool = False
    is_whole: bool = True
    seconds: float = 0.0


def world_of_cell(
    cell: Cell, beginning: Beginning, roots: Mapping[str, object], code: CodeMap, is_unchanged: Callable[[str], bool]
) -> World:
    """A traced cell's statements, the definitions that they use, and what they began with.

    Args:
        is_unchanged: Whether a name holds what it did before the cell: large data is copied only now.

    Raises:
        RefusedError: They may do more than compute and train.
    """
    body = cell.source.tree.body if cell.source.tree is not None else []
    return _Builder(beginning, roots, code, is_unchanged).world(body)


def world_of_plan(plan: Plan) -> World:
    """The statements of a plan, which were judged already, and its copies."""
    return World([plan.steps[at].node for at in sorted(plan.steps)], plan.twins, {}, ())


def _bare(items: Iterable[Any] = (), **_options: object) -> Iterable[Any]:
    return items


class _Builder:
    def __init__(
        self, beginning: Beginning, roots: Mapping[str, object], code: CodeMap, is_unchanged: Callable[[str], bool]
    ) -> None:
        self._beginning = beginning
        self._is_unchanged = is_unchanged
        self._roots = roots
        self._code = code
        self._libraries = library_names(roots)
        self._copies = Twins(self._libraries, trains=True)
        self._defined: dict[str, ast.stmt] = {}
        self._classes: dict[type, str] = {}
        self._twins: dict[str, object] = {}
        self._own: frozenset[str] = frozenset()

    def world(self, body: Sequence[ast.stmt]) -> World:
        modules = [
            m for twin in self._beginning.twins.values() for b in loaded_backends() for m in b.inner_modules(twin)
        ]
        for cls in {type(m) for m in modules}:
            if not cls.__module__.startswith("torch."):
                self._define_class(cls)
        for name in {n.id for node in body for n in ast.walk(node) if isinstance(n, ast.Name)}:
            used = self._roots.get(name)
            if isinstance(used, type) and used.__module__ == "__main__" and used not in self._classes:
                self._define_class(used)
        named = {
            name for m in modules for kind in ("_modules", "_parameters", "_buffers") for name in vars(m).get(kind, ())
        }
        named |= {name for m in modules for name in vars(m) if not name.startswith("_")}
        self._own = frozenset(named).union(
            *(own_names(n) for n in (*body, *self._defined.values()) if isinstance(n, ast.ClassDef))
        )
        bound: set[str] = set()
        for node in list(self._defined.values()):
            self._need(judge_training(node, self._libraries, self._own).loads - bound)
        nodes = []
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                continue
            try:
                judged = judge_training(node, self._libraries, self._own)
            except RefusedError:
                if isinstance(
                    node, ast.Expr
                ):  # a plot, a print: the run that changes nothing tells whether it mattered
                    continue
                raise
            self._need(judged.loads - bound, judged.binds)
            bound |= judged.binds
            nodes.append(node)
        return World([*self._defined.values(), *nodes], self._twins, self._classes, self._beginning.draws)

    def _need(self, names: Iterable[str], binds: frozenset[str] = frozenset()) -> None:
        for name in sorted(names):
            if name in self._twins or name in self._defined:
                continue
            value = self._roots.get(name)
            value = function_behind(value) or value
            if name in self._libraries:
                self._twins[name] = self._library(name)
            elif name in self._beginning.twins:
                self._twins[name] = self._beginning.twins[name]
            elif isinstance(value, FunctionType) and is_user_code(value.__code__):
                self._define_function(name, value)
            elif isinstance(value, type) and name not in binds and self._define_class(value):
                continue
            elif name in self._roots and self._is_unchanged(name):
                self._twins[name] = self._copies.of(name, value, with_gradient=True)
            elif name not in binds and name not in BUILTINS and name not in ("print", "super"):
                raise RefusedError(self._beginning.reasons.get(name, f"`{name}` is not what it was"))

    def _library(self, name: str) -> object:
        """What a library's name leads to, if it only computes, draws, or makes what is trained; a progress bar is left out."""
        dotted, value = self._libraries[name]
        if dotted.startswith("tqdm.") and dotted.rsplit(".", 1)[-1] in ("tqdm", "tqdm_notebook", "trange"):
            return range if dotted.endswith("trange") else _bare
        if isinstance(value, ModuleType):
            if dotted.split(".")[0] in (*ROOTS, "math", "random"):
                return value
        elif is_pure_function(dotted) or is_made_or_drawn(dotted):
            return value
        raise RefusedError(f"`{name}` may do more than compute")

    def _define_function(self, name: str, function: FunctionType) -> None:
        node = self._code.definition_of(function.__code__)
        if not isinstance(node, ast.FunctionDef) or node.name != name or function.__closure__:
            raise RefusedError(f"the source of `{name}` is not known")
        self._defined[name] = node
        self._need(judge_training(node, self._libraries, self._own).loads - {name})

    def _define_class(self, cls: type) -> bool:
        function = next(functions_of(cls), None)
        cell = self._code.cell_of(function.__code__, function.__code__.co_filename) if function is not None else None
        body = cell.source.tree.body if cell is not None and cell.source.tree is not None else []
        node = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == cls.__name__), None)
        if node is None:
            raise RefusedError(f"the source of `{cls.__name__}` is not known")
        self._defined[node.name] = node
        self._classes[cls] = node.name
        self._own |= own_names(node)
        return True


def run(
    world: World,
    setting: Setting | None,
    noted: frozenset[str],
    roots: Mapping[str, object],
    seconds: float,
    on_tick: Callable[[], None],
) -> Ran:
    """Run the statements of a world on copies of its copies; what an error or the clock stopped is left as it is.

    Args:
        noted: Names whose scalars are noted.
        on_tick: Called in every turn of a loop.
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
        if time.monotonic() - began > seconds:
            raise _TooLongError
        on_tick()

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
            _run(nodes, space, world, ran, setting)
    except (_TooLongError, KeyboardInterrupt):  # of this run, not of the cell, which is done
        ran.is_whole = False
    except Exception:  # the user's own may have raised as well: what it had made by then counts
        pass
    finally:
        for back in now:
            back()
    ran.seconds = time.monotonic() - began
    return ran


def _run(nodes: Iterable[Any], space: dict[str, Any], world: World, ran: Ran, setting: Setting | None) -> None:
    todo = [n for node in nodes for n in (node if isinstance(node, list) else [node])]
    definitions = [n for n in todo if isinstance(n, ast.ClassDef) and n.name in world.classes.values()]
    _execute(definitions, space)
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
    _execute([n for n in todo if n not in definitions], space)


def _execute(nodes: Sequence[ast.stmt], space: dict[str, Any]) -> None:
    for node in nodes:
        exec(compile(ast.fix_missing_locations(ast.Module([node], [])), "<numguard>", "exec"), space)
