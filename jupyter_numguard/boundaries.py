"""Where a cell begins and ends, and each of its top-level statements: every hook on IPython, and its removal.

Hooks: the events `pre_run_cell` and `post_run_cell`; `run_code`, through which IPython runs each top-level statement;
`showtraceback`, to cut our frames out of what the user sees. They are there while numguard watches; when it does not,
only for the cell that `%%numguard` traces. A wrapper that somebody else put on top of ours stays: ours then only passes
on.

`run_code` is replaced by a plain function that returns IPython's own coroutine, so that no frame of ours stands between
IPython and the user's code (`inspect.stack()`, recursion depth). A statement ends when that coroutine dies: a weak
reference tells, at once and in the statement's own context (async cells run in a task of their own).

Cells are kept apart by thread: ipykernel 7 runs subshells side by side. Within a thread the outermost cell counts; the
statements of a nested shell (`%%capture`) run inside the statement that started it. Silent cells are nobody's.
"""

from __future__ import annotations

import ast
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Protocol

from .guard import Guard
from .trim import trim


class CellSession(Protocol):
    """What is told of the cells (`session.Session`); any method may fail."""

    def start_cell(self, raw: str, cell_id: str | None) -> None:
        """A cell starts."""

    def start_trace(self, options: Any) -> None:
        """It is traced."""

    def before_statement(self, code: CodeType) -> None:
        """A top-level statement is about to run."""

    def after_statement(self, code: CodeType) -> None:
        """It ended, normally or not."""

    def end_cell(self, result: Any) -> None:
        """The cell ended; `result` is None where IPython gave none."""


@dataclass(slots=True, eq=False)
class Window:
    """A cell that runs now.

    Attributes:
        info: IPython's ExecutionInfo, None if it could not be found.
        traced: `%%numguard` stands on top.
        statements: The running top-level statement, and inside it those of nested shells; empty between statements.
        notices: Said after the cell's own output.
    """

    info: Any
    traced: bool = False
    statements: list[Statement] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Boundaries:
    """The hooks of one shell.

    Attributes:
        is_watching: Hooks stay between cells.
        guard: Stands between the session and the user's cell.
    """

    def __init__(self, shell: Any, session: CellSession, is_own_line: Callable[[tuple[object, ...]], bool]) -> None:
        """Touches nothing yet. `is_own_line` knows a statement that stands for `%%numguard` by its constants."""
        self.is_watching = False
        self._is_own_line = is_own_line
        self.guard = Guard(self.say)
        self._shell = shell
        self._session = session
        self._windows: dict[int, Window] = {}  # by thread
        self._hooks: tuple[Hook, ...] = ()

    # --- the user's switches ------------------------------------------------------------------------------------------
    def watch(self) -> None:
        """Hooks from now on; the running cell is not followed. Idempotent."""
        self.is_watching = True
        self._install()

    def unwatch(self) -> None:
        """No hook from now on, except until the end of a cell that is being traced. Idempotent."""
        self.is_watching = False
        for thread, window in [*self._windows.items()]:
            if not window.traced:
                del self._windows[thread]
                self._show_notices(window)
        self._remove_if_idle()

    def close(self) -> None:
        """End every open cell and remove all hooks."""
        self.is_watching = False
        for thread in [*self._windows]:
            self._end_cell(thread, None)
        self._remove_if_idle()

    def trace(self, options: Any) -> None:
        """The running cell is traced from here on; only once per cell, nested shells included."""
        window = self._windows.get(threading.get_ident())
        if window is None:
            info = _outermost_cell()
            if getattr(info, "silent", False):
                return
            self._install()
            window = self._start_cell(info)
        if not window.traced:
            window.traced = True
            self.guard.call("trace the cell", self._session.start_trace, options)

    def say(self, text: str) -> None:
        """One line for the user on stderr: after the running cell, or now if none is followed."""
        window = self._windows.get(threading.get_ident())
        if window is not None:
            window.notices.append(text)
        else:
            _print(text)

    # --- cells ------------------------------------------------------------------------------------------------------
    def _pre_run_cell(self, info: Any) -> None:
        thread = threading.get_ident()
        if info.silent or not info.store_history:
            return
        window = self._windows.get(thread)
        if window is not None:
            if window.statements:
                return  # a nested shell
            self._end_cell(thread, None)  # its post_run_cell never came
        self._start_cell(info)

    def _post_run_cell(self, result: Any = None) -> None:
        # Not every call is the end of our cell: IPython fires it for empty cells and nested shells too, and a front end
        # may leave `result` out.
        thread = threading.get_ident()
        window = self._windows.get(thread)
        if window is None:
            return
        info = getattr(result, "info", None)
        if info is None or window.info is None:
            is_ours = not window.statements
        else:  # a cell that failed outside of `run_code` gets an ExecutionInfo of its own
            is_ours = info is window.info or (not window.statements and info.raw_cell == window.info.raw_cell)
        if is_ours:
            self._end_cell(thread, result)

    def _start_cell(self, info: Any) -> Window:
        window = self._windows[threading.get_ident()] = Window(info)
        raw, cell_id = getattr(info, "raw_cell", ""), getattr(info, "cell_id", None)
        self.guard.call("follow the cell", self._session.start_cell, raw, cell_id)
        return window

    def _end_cell(self, thread: int, result: Any) -> None:
        window = self._windows[thread]
        for statement in reversed(window.statements[:]):  # whose coroutine somebody keeps alive
            statement.end()
        self.guard.call("check the cell", self._session.end_cell, result)
        self._windows.pop(thread, None)
        if self.guard.take_interrupt():
            window.notices.append("numguard: interrupted while checking the cell.")
        self._show_notices(window)
        self._remove_if_idle()

    def _show_notices(self, window: Window) -> None:
        for text in window.notices:
            _print(text)

    # --- hooks ------------------------------------------------------------------------------------------------------
    def _install(self) -> None:
        if self._hooks:
            return
        events = self._shell.events
        events.register("pre_run_cell", self._pre_run_cell)
        events.register("post_run_cell", self._post_run_cell)
        self._hooks = (
            Hook(self._shell, "run_code", self._run_code),
            Hook(self._shell, "showtraceback", self._showtraceback),
        )

    def _remove_if_idle(self) -> None:
        if self.is_watching or self._windows or not self._hooks:
            return
        events = self._shell.events
        for name, callback in (("pre_run_cell", self._pre_run_cell), ("post_run_cell", self._post_run_cell)):
            if callback in events.callbacks[name]:
                events.unregister(name, callback)
        for hook in self._hooks:
            hook.remove()
        self._hooks = ()

    def _run_code(self, inner: Callable[..., Any], code: CodeType, *args: Any, **kwargs: Any) -> Any:
        window = self._windows.get(threading.get_ident())
        if window is None or self._is_own_line(code.co_consts):
            return inner(code, *args, **kwargs)
        self.guard.call("follow a statement", self._session.before_statement, code)
        if self.guard.take_interrupt():
            code = _interrupted(code)
        running = inner(code, *args, **kwargs)
        self.guard.call("follow a statement", self._await_end, window, code, running)
        return running

    def _await_end(self, window: Window, code: CodeType, running: Any) -> None:
        def end(statement: Statement) -> None:
            window.statements.remove(statement)
            if window in self._windows.values():  # not after `%numguard off`
                self.guard.call("follow a statement", self._session.after_statement, code)

        window.statements.append(Statement(running, end))

    def _showtraceback(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        error = sys.exc_info()[1]
        if error is not None:
            self.guard.call("shorten the traceback", trim, error)
        return inner(*args, **kwargs)


class Statement:
    """A running top-level statement; `on_end` is called once, when its coroutine dies or on request."""

    def __init__(self, running: Any, on_end: Callable[[Statement], None]) -> None:
        """Keeps no hold on the coroutine `running`."""
        self._on_end: Callable[[Statement], None] | None = on_end
        self._running = weakref.ref(running, self.end)

    def end(self, _: object = None) -> None:
        """The statement is over."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)


class Hook:
    """A method of an object replaced on the instance, until `remove`.

    `wrapper` is called with what it replaces in front of the arguments.
    """

    def __init__(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Installs the wrapper."""
        self._owner, self._name = owner, name
        self._had = owner.__dict__.get(name)
        self._wrapper: Callable[..., Any] | None = wrapper
        inner = getattr(owner, name)

        def hooked(*args: Any, **kwargs: Any) -> Any:
            wrapper = self._wrapper
            return inner(*args, **kwargs) if wrapper is None else wrapper(inner, *args, **kwargs)

        self._hooked = hooked
        setattr(owner, name, hooked)

    def remove(self) -> None:
        """Put back what was there. If somebody wrapped ours meanwhile, ours stays below theirs and only passes on."""
        self._wrapper = None
        if self._owner.__dict__.get(self._name) is not self._hooked:
            return
        if self._had is None:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._had)


def _print(text: str) -> None:
    try:
        print(text, file=sys.stderr)
    except Exception:
        pass  # the user's own sys.stderr fails: there is nowhere left to say it


def _interrupted(code: CodeType) -> CodeType:
    """A statement at the same place that raises KeyboardInterrupt instead: the user pressed it in a stage of ours."""
    # A module's co_firstlineno is 1 whatever the statement's line; so are the column-less first positions of a coroutine.
    lines = [p[0] for p in code.co_positions() if p[0] and p[2] is not None]
    tree = ast.increment_lineno(ast.parse("raise KeyboardInterrupt"), min(lines, default=1) - 1)
    return compile(tree, code.co_filename, "exec")


def _outermost_cell() -> Any:
    """IPython's ExecutionInfo of the cell that runs now on this thread, from the frames; None if it is not there.

    For a `%%numguard` while numguard does not watch: no hook of ours saw the cell start.
    """
    found = None
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async":
            found = frame.f_locals.get("info", found)
        frame = frame.f_back  # type: ignore[assignment]
    return found
