"""`%%numguard` and `%numguard`: parse what the user typed and call the session; load and unload the extension."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from IPython.core import completer, magic_arguments
from IPython.core.error import UsageError as ShownError
from IPython.core.magic import no_var_expand

from . import api
from .boundaries import Boundaries
from .errors import NumguardError, UsageError
from .publish import show_panel
from .rule import load_rules
from .session import Session, TraceOptions
from .transform import is_call, open_cell, open_magics

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_ipython: Any = magic_arguments  # has no types

OPTIONS = ("--stop", "--quiet")
# command -> (its argument, what it does)
COMMANDS = {
    "on": ("", "watch every cell, from the next one on"),
    "off": ("", "stop watching; %%numguard still traces its one cell"),
    "status": ("", "what is watched, checked, found and muted"),
    "report": ("[VARIABLE]", "show the last report again, or the last one about VARIABLE"),
    "explain": ("CODE", "show the page of a rule: what happened, why, an example, what to write instead"),
    "lineage": ("VARIABLE", "where VARIABLE comes from, finite or not; --effects N: what execution N changed"),
    "mute": ("VARIABLE", "raise no alarm for VARIABLE or anything below it"),
    "unmute": ("VARIABLE", "undo mute"),
    "reset": ("", "forget executions, findings and mutes"),
}
_SYNTAX = ", ".join(f"{name} {takes}".strip() for name, (takes, _) in COMMANDS.items())
_LINE_PAGE = """Turn the watch on and off, and ask what numguard knows.

After %load_ext jupyter_numguard every cell is watched: when a variable becomes non-finite, numguard says so once.

Commands::

""" + "\n".join(f"  %numguard {f'{name} {takes}':19} {text}" for name, (takes, text) in COMMANDS.items())
_CELL_PAGE = """Trace this cell: which operation made the first NaN, +Inf or -Inf, on which line and step, and why.

The cell runs as it would without the magic: display, errors, line numbers, await, warnings. At its end numguard shows a
report, or one line if all is finite. Works above and below other cell magics (%%time, %%capture). Example::

  %%numguard
  for step in range(100):
      loss = train_step(model, batch)

The Python for scripts and tests::

  with jupyter_numguard.trace() as report:
      ...

An option that does not exist is reported, and the cell runs untraced."""


def _manual(name: str, page: str, *arguments: Any) -> Callable[[F], F]:
    """`page` and the arguments become the magic's parser and its help (`?`)."""

    def decorate(function: F) -> F:
        function = _ipython.kwds(description=page)(function)
        for argument in reversed(arguments):
            function = argument(function)
        decorated: F = no_var_expand(_ipython.magic_arguments(name)(function))
        return decorated

    return decorate


class Extension:
    """What `%load_ext jupyter_numguard` puts into one shell, and takes out again."""

    def __init__(self, shell: Any, session: Any) -> None:
        """Touches nothing yet."""
        self._shell = shell
        self.session = session
        self._boundaries = Boundaries(shell, session, is_call)
        self._magics = {"line": self.line, "cell": self.cell}
        self._had: dict[str, Any] = {}

    # --- life -------------------------------------------------------------------------------------------------------
    def load(self) -> None:
        """Register magics, transformers and completion; start to watch."""
        manager = self._shell.input_transformer_manager
        manager.cleanup_transforms.insert(0, open_cell)
        manager.line_transforms.insert(0, open_magics)
        for kind, magic in self._magics.items():
            table = self._shell.magics_manager.magics[kind]
            self._had[kind] = table.get("numguard")
            table["numguard"] = magic
        if self._shell.Completer is not None:
            self._shell.Completer.custom_matchers.append(complete)
        self._boundaries.guard.call("start to watch", self.session.start_watching)
        self._boundaries.watch()
        self._boundaries.guard.call("listen to the front end", self.session.live.serve, self._shell)

    def unload(self) -> None:
        """Give the shell back as it was; what others put on top of ours is left alone."""
        self._boundaries.close()
        self._boundaries.guard.call("stop watching", self.session.stop_watching)
        self._boundaries.guard.call("leave the front end", self.session.live.withdraw, self._shell)
        manager = self._shell.input_transformer_manager
        for stage, ours in ((manager.cleanup_transforms, open_cell), (manager.line_transforms, open_magics)):
            if ours in stage:
                stage.remove(ours)
        for kind, magic in self._magics.items():
            table = self._shell.magics_manager.magics[kind]
            if table.get("numguard") == magic:
                del table["numguard"]
                if self._had[kind] is not None:
                    table["numguard"] = self._had[kind]
        if self._shell.Completer is not None and complete in self._shell.Completer.custom_matchers:
            self._shell.Completer.custom_matchers.remove(complete)

    # --- magics -----------------------------------------------------------------------------------------------------
    @_manual(
        "%numguard",
        _CELL_PAGE,
        _ipython.argument(
            "--stop",
            action="store_true",
            help="Raise at the first operation that makes a NaN or an Inf. Reads every result: slow.",
        ),
        _ipython.argument("--quiet", action="store_true", help="No closing line where all is finite."),
    )
    def cell(self, line: str, cell: str) -> None:
        """`%%numguard` where no input transformer ran: `run_cell_magic`, other magics. Runs the body as a nested cell.

        Raises:
            Exception: Whatever the body raised.
        """
        self._trace(line)
        self._shell.run_cell(cell).raise_error()

    @_manual(
        "numguard",
        _LINE_PAGE,
        _ipython.argument("command", nargs="?", help="One of the above; without one: status."),
        _ipython.argument("variable", nargs="?", help='As you would type it: loss, model.fc.weight, history["loss"].'),
    )
    def line(self, line: str) -> None:
        """`%numguard`.

        Raises:
            UsageError: IPython's, shown as one line: a command or a variable that does not exist.
        """
        command, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if command == "cell":  # the line that stands in place of `%%numguard`
            self._trace(rest)
        elif command == "skip":
            self._boundaries.say(
                f"numguard: nothing to guard: {f'{rest} runs no Python here' if rest else 'the cell is empty'}."
            )
        else:
            self._command(command or "status", rest, is_bare=not command)

    def _trace(self, options: str) -> None:
        try:
            args = _ipython.parse_argstring(self.cell, options)
        except (ShownError, ValueError):  # ValueError: an open quote
            self._shell.show_usage_error(
                f"%%numguard has no option {options!r}; valid: {', '.join(OPTIONS)}. The cell runs untraced."
            )
            return
        self._boundaries.trace(TraceOptions(stop=args.stop, quiet=args.quiet))

    def _command(self, command: str, variable: str, is_bare: bool) -> None:
        if command not in COMMANDS:
            raise ShownError(f"%numguard has no command {command!r}; valid: {_SYNTAX}")
        takes, _ = COMMANDS[command]
        if variable and not takes:
            raise ShownError(f"%numguard {command} takes no argument, not {variable!r}")
        if not variable and takes == "VARIABLE":
            raise ShownError(f"%numguard {command} needs a variable: %numguard {command} VARIABLE")
        if not variable and takes == "CODE":
            raise ShownError(f"%numguard {command} needs the code of a rule; valid: {_codes()}")
        session, boundaries = self.session, self._boundaries
        match command:
            case "on":
                self._ask("start to watch", session.start_watching)
                boundaries.watch()
            case "off":
                boundaries.unwatch()
                self._ask("stop watching", session.stop_watching)
            case "status":
                print(self._ask("tell the status", session.status) or "")
                if is_bare:
                    print(f"Commands: {_SYNTAX}. Manual: %numguard?, %%numguard?")
            case "report":
                self._ask("show the report", self._show_report, variable or None)
            case "explain":
                self._ask("explain", self._explain, variable)
            case "lineage":
                self._ask("show the lineage", self._show_lineage, variable)
            case "mute":
                self._ask("mute", session.mute, variable)
            case "unmute":
                self._ask("unmute", session.unmute, variable)
            case "reset":
                self._ask("reset", session.reset)

    def _show_report(self, variable: str | None) -> None:
        report = self.session.report(variable)
        if report is None:
            print("numguard: no report yet.")
            return
        show_panel(report, self.session.strip())

    def _explain(self, code: str) -> None:
        """Show a rule's page as Markdown, and as text where Markdown is not drawn.

        Raises:
            UsageError: No rule has this code or name; the message lists the codes.
        """
        rule = next((r for r in load_rules() if code.lower() in (r.code.lower(), r.name)), None)
        if rule is None:
            raise UsageError(f"there is no rule {code!r}; valid: {_codes()}")
        self._shell.display_pub.publish({"text/markdown": rule.page, "text/plain": rule.page})

    def _show_lineage(self, variable: str) -> None:
        if variable.startswith("--"):
            asked = re.fullmatch(r"--effects\s+(\d+)", variable)
            if asked is None:
                raise UsageError(f"%numguard lineage has no option {variable!r}; valid: --effects N")
            effects = self.session.effects(int(asked[1]))
            print(f"In [{asked[1]}]")
            for event in ("bound", "mutated", "deleted", "external", "overlaps"):
                names = getattr(effects, event)
                if names or event in ("bound", "mutated", "deleted"):
                    print(f"  {event}: {', '.join(map(str, names)) or 'nothing'}")
            return
        answer = self.session.lineage(variable)
        from .publish import show_lineage  # brings the renderers: not before something is asked

        show_lineage(answer.variable, answer.executions, answer.steps, answer.notes)

    def _ask(self, purpose: str, function: Callable[..., T], *args: Any) -> T | None:
        """`function(*args)`; what numguard refuses on purpose is shown as one line, what fails as a notice."""
        refused: list[NumguardError] = []

        def asked() -> T | None:
            try:
                return function(*args)
            except NumguardError as error:
                refused.append(error)
                return None

        answer = self._boundaries.guard.call(purpose, asked)
        if refused:
            raise ShownError(str(refused[0]))
        return answer


def _codes() -> str:
    return ", ".join(rule.code for rule in load_rules())


def _completions(context: Any) -> Any:
    """Tab completion of `%numguard` commands and `%%numguard` options."""
    typed = re.match(r"\s*(%%?)numguard\s+(?:\S+\s+)*(\S*)$", context.text_until_cursor)
    if typed is None:
        return {"completions": []}
    is_cell = typed[1] == "%%"
    is_first = len(context.text_until_cursor.split()) <= 1 + bool(typed[2])
    is_code = not is_cell and not is_first and context.text_until_cursor.split()[1] == "explain"
    codes = tuple(rule.code for rule in load_rules()) if is_code else ()
    words = OPTIONS if is_cell else tuple(COMMANDS) if is_first else codes
    return {"completions": [completer.SimpleCompletion(w, type="magic") for w in words if w.startswith(typed[2])]}


complete: Any = completer.context_matcher()(_completions)

_loaded: WeakKeyDictionary[Any, Extension] = WeakKeyDictionary()


def load(shell: Any, session: Any | None = None) -> None:
    """Put numguard into `shell`, once. `session` replaces the usual one."""
    if shell not in _loaded:
        extension = Extension(shell, session if session is not None else Session(shell))
        _loaded[shell] = extension
        extension.load()
        api.use_session(extension.session)


def unload(shell: Any) -> None:
    """Take numguard out of `shell`; nothing if it is not there."""
    extension = _loaded.pop(shell, None)
    if extension is not None:
        extension.unload()
        api.use_session(None)
