"""`%load_ext`, `%unload_ext`, `%reload_ext`, `%numguard off`: what is put into IPython is taken out again, all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_numguard import magics

LOAD, UNLOAD = "%load_ext jupyter_numguard", "%unload_ext jupyter_numguard"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell of its own."""
    made = InteractiveShell()
    made.history_manager.enabled = False
    run(made, "x = 1", "1", "del x", "%unload_ext nothing")  # what IPython makes on first use is there before we look
    yield made
    magics.unload(made)


def run(shell: InteractiveShell, *cells: str) -> list[bool]:
    """Whether each cell succeeded."""
    with capture_output():
        return [shell.run_cell(cell, store_history=True).success for cell in cells]


def state(shell: InteractiveShell) -> dict[str, Any]:
    """All that an extension can put into a shell, and into this thread and process."""
    manager = shell.input_transformer_manager
    return {
        "attributes": {k for k in vars(shell) if k not in ("last_execution_result", "last_execution_succeeded")},
        "methods": {
            k: v for k, v in vars(shell).items() if k in ("run_code", "showtraceback", "run_cell", "run_cell_async")
        },
        "traits": set(shell._trait_values),
        "events": {k: list(v) for k, v in shell.events.callbacks.items()},
        "transformers": (
            list(manager.cleanup_transforms),
            list(manager.line_transforms),
            list(manager.token_transformers),
        ),
        "ast": list(shell.ast_transformers),
        "magics": {k: dict(v) for k, v in shell.magics_manager.magics.items()},
        "user magics": set(vars(shell.magics_manager.user_magics)) if shell.magics_manager.user_magics else set(),
        "registry": set(shell.magics_manager.registry),
        "matchers": list(shell.Completer.custom_matchers),
        "names": {n for n in shell.user_ns if not n.startswith("_")},
        "builtins": set(vars(__import__("builtins"))) - {"get_ipython", "display"},
        "hooks of python": (sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile()),
        "numpy": (np.geterr(), np.geterrcall(), np.seterr, np.errstate.__enter__),
    }


def test_unload_restores(shell: InteractiveShell) -> None:
    """After load, work and unload the shell is as it was: events, methods, transformers, magics, completion, numpy."""
    before = state(shell)
    run(
        shell,
        LOAD,
        "import numpy as np\na = np.zeros(2)",
        "%%numguard\nnp.log(a).size",
        "1 / 0",
        "%%numguard\n1 / 0",
        "del a, np",
        UNLOAD,
    )

    assert before == state(shell)


def test_off_restores_all_but_the_magics(shell: InteractiveShell) -> None:
    """`%numguard off` leaves the magics, their completion and the transformers; nothing that runs around a cell."""
    kept = ("magics", "transformers", "matchers")
    before = state(shell)
    run(shell, LOAD, "y = 1", "%numguard off", "%%numguard\ny = 2", "del y")
    after = state(shell)

    assert {k: v for k, v in before.items() if k not in kept} == {k: v for k, v in after.items() if k not in kept}


@pytest.mark.parametrize("line", [UNLOAD, "%numguard off"])
@pytest.mark.parametrize("head", ["", "%%numguard\n"])
def test_unload_and_off_within_a_cell(shell: InteractiveShell, head: str, line: str) -> None:
    """In the middle of a watched or traced cell too: the cell goes on, and no hook is left after it."""
    before = state(shell)
    run(shell, LOAD)
    succeeded = run(shell, f"{head}z = 1\n{line}\nz = z + 1\nassert z == 2\ndel z")
    after = state(shell)

    assert [True] == succeeded
    assert (before["events"], before["methods"], before["numpy"]) == (after["events"], after["methods"], after["numpy"])


def test_load_twice(shell: InteractiveShell) -> None:
    """The second `%load_ext`, and a direct call of the hook, change nothing; one unload undoes them all."""
    import jupyter_numguard

    before = state(shell)
    run(shell, LOAD)
    once = state(shell)
    run(shell, LOAD)
    jupyter_numguard.load_ipython_extension(shell)
    twice = state(shell)
    run(shell, UNLOAD)

    assert once == twice
    assert before == state(shell)


def test_reload(shell: InteractiveShell) -> None:
    """`%reload_ext` works, first and later, and leaves one set of hooks."""
    before = state(shell)
    succeeded = run(shell, "%reload_ext jupyter_numguard", "%reload_ext jupyter_numguard", "%%numguard\n1")
    events = {k: len(v) for k, v in shell.events.callbacks.items()}
    run(shell, UNLOAD)

    assert [True, True, True] == succeeded
    assert {k: len(v) for k, v in before["events"].items()} | {
        k: len(before["events"][k]) + 1 for k in ("pre_run_cell", "post_run_cell")
    } == events
    assert before == state(shell)


def test_magic_of_the_same_name_comes_back(shell: InteractiveShell) -> None:
    """A `%numguard` and a `%%numguard` that were there before are there again."""
    shell.register_magic_function(lambda line: "theirs", "line", "numguard")
    shell.register_magic_function(lambda line, cell: "theirs", "cell", "numguard")
    before = state(shell)
    run(shell, LOAD)
    assert before["magics"] != state(shell)["magics"]
    run(shell, UNLOAD)

    assert before == state(shell)


def test_magic_registered_over_ours_stays(shell: InteractiveShell) -> None:
    """A `%numguard` that somebody registered after us is not removed."""
    run(shell, LOAD)
    theirs = lambda line: "theirs"  # noqa: E731
    shell.register_magic_function(theirs, "line", "numguard")
    run(shell, UNLOAD)

    assert theirs is shell.magics_manager.magics["line"]["numguard"]


@pytest.mark.parametrize("name", ["run_code", "showtraceback"])
def test_wrapper_on_top_of_ours_stays(shell: InteractiveShell, name: str) -> None:
    """Somebody's wrapper on ours goes on working after unload, ours below it only passes on; reload puts no second one in."""
    run(shell, LOAD)
    inner, calls = getattr(shell, name), []

    def theirs(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return inner(*args, **kwargs)

    setattr(shell, name, theirs)
    run(shell, UNLOAD)
    assert theirs is vars(shell)[name]
    calls.clear()
    succeeded = run(shell, "a = 1\na + 1", "1 / 0")
    delattr(shell, name)

    assert [True, False] == succeeded
    assert calls


def test_wrapper_below_ours_comes_back(shell: InteractiveShell) -> None:
    """A wrapper that was there before us is what unload puts back."""
    inner = shell.run_code
    theirs = lambda *a, **k: inner(*a, **k)  # noqa: E731
    shell.run_code = theirs  # type: ignore[method-assign]
    run(shell, LOAD, "1", UNLOAD)

    assert theirs is vars(shell)["run_code"]


def test_load_imports_nothing_heavy() -> None:
    """Loading and a first traced cell import no framework, no pandas and no widget library."""
    heavy = ("torch", "tensorflow", "keras", "pandas", "matplotlib", "anywidget", "ipywidgets", "scipy")
    program = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell()\n"
        f"had = set(sys.modules)\nfor cell in ({LOAD!r}, '%%numguard --quiet\\n1'): shell.run_cell(cell).raise_error()\n"
        f"print('loaded:', [m for m in {heavy!r} if m in sys.modules and m not in had])"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONSTARTUP"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=env)

    assert "loaded: []" == done.stdout.strip().splitlines()[-1], done.stderr
