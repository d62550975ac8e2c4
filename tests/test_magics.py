"""`%numguard` and `%%numguard` as a person meets them: help, answers, and one-line errors that name what is valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_numguard import magics
from jupyter_numguard.errors import UsageError
from jupyter_numguard.rule import load_rules
from jupyter_numguard.session import Session


class Recording(Session):
    """Writes down the commands that reach it."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.calls: list[tuple[Any, ...]] = []

    def start_trace(self, options: Any) -> None:
        """Noted."""
        self.calls.append(("trace", options.stop, options.quiet))

    def mute(self, variable: str) -> None:
        """Noted; `nothing` does not exist."""
        if variable == "nothing":
            raise UsageError("there is no variable 'nothing'; did you mean: loss?")
        self.calls.append(("mute", variable))

    def unmute(self, variable: str) -> None:
        """Noted."""
        self.calls.append(("unmute", variable))

    def reset(self) -> None:
        """Noted."""
        self.calls.append(("reset",))

    def report(self, variable: str | None = None) -> Any:
        """Noted; there is none."""
        self.calls.append(("report", variable))
        return None


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell of its own."""
    made = InteractiveShell()
    made.history_manager.enabled = False
    yield made
    magics.unload(made)


@pytest.fixture
def session(shell: InteractiveShell) -> Recording:
    """What the loaded magics talk to."""
    recording = Recording(shell)
    magics.load(shell, recording)
    return recording


def run(shell: InteractiveShell, cell: str) -> tuple[bool, str, str]:
    """(success, stdout, stderr) of a cell."""
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    return result.success, captured.stdout, captured.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mute loss", ("mute", "loss")),
        ('mute history["a b"][3]', ("mute", 'history["a b"][3]')),
        ("unmute model.fc.weight", ("unmute", "model.fc.weight")),
        ("reset", ("reset",)),
        ("report", ("report", None)),
        ("report x{y}$z", ("report", "x{y}$z")),
    ],
)
def test_command_reaches_the_session(shell: InteractiveShell, session: Recording, line: str, expected: Any) -> None:
    """Paths arrive as typed: with blanks and quotes, and without IPython's `$` and `{}` expansion."""
    assert (True, [expected]) == (run(shell, f"%numguard {line}")[0], session.calls)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            "%numguard frobnicate",
            "has no command 'frobnicate'; valid: on, off, status, report [VARIABLE], explain CODE, lineage VARIABLE",
        ),
        ("%numguard mute", "needs a variable: %numguard mute VARIABLE"),
        ("%numguard off now", "off takes no argument, not 'now'"),
        ("%numguard mute nothing", "there is no variable 'nothing'; did you mean: loss?"),
    ],
)
def test_wrong_command(shell: InteractiveShell, session: Recording, cell: str, message: str) -> None:
    """One line that names what is valid, no traceback, and the cell has failed."""
    success, _, error = run(shell, cell)

    assert (False, 1) == (success, len(error.splitlines()))
    assert message in error
    assert error.startswith("UsageError: ")


@pytest.mark.parametrize("options", ["--foo", "loss", "--stop=3", "'open"])
def test_wrong_option(shell: InteractiveShell, session: Recording, options: str) -> None:
    """An option that does not exist: one line names the valid ones, and the user's cell runs, untraced."""
    success, out, error = run(shell, f"%%numguard {options}\nprint('ran')")

    assert (True, "ran\n", []) == (success, out, session.calls)
    assert "valid: --stop, --quiet. The cell runs untraced." in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "expected"), [("", (False, False)), ("--stop", (True, False)), ("--quiet --stop", (True, True))]
)
def test_options(shell: InteractiveShell, session: Recording, options: str, expected: tuple[bool, bool]) -> None:
    """The options reach the trace."""
    run(shell, f"%%numguard {options}\nx = 1")

    assert [("trace", *expected)] == session.calls


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%numguard\n%%bash\ntrue", "numguard: nothing to guard: %%bash runs no Python here.\n"),
        ("%%numguard\n", "numguard: nothing to guard: the cell is empty.\n"),
    ],
)
def test_nothing_to_guard(shell: InteractiveShell, session: Recording, cell: str, message: str) -> None:
    """Above a body that is not Python, and above none, it says so once and the cell succeeds."""
    assert (True, message, []) == (*run(shell, cell)[::2], session.calls)


def test_called_by_name(shell: InteractiveShell, session: Recording) -> None:
    """`run_cell_magic` (exported scripts, other magics) traces and runs the body, and raises what it raised."""
    run(shell, "get_ipython().run_cell_magic('numguard', '--stop', 'made = 5\\n')")
    failed = run(shell, "get_ipython().run_cell_magic('numguard', '', '1 / 0')")[0]

    assert ([("trace", True, False), ("trace", False, False)], 5, False) == (
        session.calls,
        shell.user_ns["made"],
        failed,
    )


def test_status_and_bare_command(shell: InteractiveShell) -> None:
    """`%numguard` alone is the status, with the commands; `on` and `off` show in it."""
    magics.load(shell)
    on, off = run(shell, "%numguard")[1], run(shell, "%numguard off\n%numguard status")[1]

    assert "watching" in on
    assert "Commands: on, off, status" in on
    assert "off" in off
    assert "Commands" not in off


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        (
            "%%numguard?",
            ("%%numguard [--stop] [--quiet]", "Raise at the first operation", "No closing line", "trace()"),
        ),
        ("%numguard?", ("%numguard [command] [variable]", *(f"%numguard {c}" for c in magics.COMMANDS))),
    ],
)
def test_help_is_a_manual(shell: InteractiveShell, session: Recording, asked: str, parts: tuple[str, ...]) -> None:
    """`?` shows usage, every option and every command."""
    _, page, _ = run(shell, asked)

    assert [] == [p for p in parts if p not in page]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%numguard re", {"report", "reset"}),
        ("%numguard ", set(magics.COMMANDS)),
        ("%numguard mute re", set()),
        ("%numguard explain NG40", {"NG401", "NG402", "NG403", "NG404", "NG405"}),
        ("%%numguard --s", {"--stop"}),
        ("%other re", set()),
    ],
)
def test_completion(shell: InteractiveShell, session: Recording, typed: str, expected: set[str]) -> None:
    """Tab completes commands after `%numguard` and options after `%%numguard`, and nothing elsewhere."""
    with provisionalcompleter():
        offered = {c.text for c in shell.Completer.completions(typed, len(typed))}

    assert expected == offered & {*magics.COMMANDS, *magics.OPTIONS, *(rule.code for rule in load_rules())}


@pytest.mark.parametrize("asked", ["NG201", "ng201", "log-of-softmax"])
def test_explain_shows_the_page(shell: InteractiveShell, session: Recording, asked: str) -> None:
    """The page of docs/rules, by code or name, as Markdown, and as text where Markdown is not drawn."""
    page = next(rule.page for rule in load_rules() if rule.code == "NG201")
    shell.display_pub = published = CapturingDisplayPublisher()

    assert (True, "", "") == run(shell, f"%numguard explain {asked}")
    (shown,) = published.outputs
    assert {"text/markdown": page, "text/plain": page} == shown["data"]
    assert page in Path(__file__).parents[1].joinpath("docs/rules/log-of-softmax.md").read_text()


@pytest.mark.parametrize("asked", ["", " NG999"])
def test_explain_lists_the_codes(shell: InteractiveShell, session: Recording, asked: str) -> None:
    """One line that names every code, where none or a wrong one was given."""
    success, _, error = run(shell, f"%numguard explain{asked}")

    assert (False, 1) == (success, len(error.splitlines()))
    assert [] == [rule.code for rule in load_rules() if rule.code not in error]
