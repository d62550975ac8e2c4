"""What the session is told of a cell: its begin, each top-level statement, its end; once each, per thread, never mixed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from .kernels import Kernel, kernel
from .recording import use

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def recorded() -> Iterator[Kernel]:
    """A kernel whose session writes down what it is told."""
    with kernel(use("Recording(shell)")) as running:
        yield running


def calls_of(running: Kernel, *cells: str, silent: bool = False, store_history: bool = True) -> list[tuple[Any, ...]]:
    """What the session was told while the cells ran."""
    running.run("__session__.take();", store_history=False)
    for cell in cells:
        running.run(cell, silent=silent, store_history=store_history)
    told = running.run("print(__session__.take())", store_history=False)
    return list(ast.literal_eval(told.raw))


def statements(*lines: int) -> list[tuple[str, int]]:
    """Statements one after the other."""
    return [(when, line) for line in lines for when in ("before", "after")]


def test_each_top_level_statement_is_told_once(recorded: Kernel) -> None:
    """A watched cell: begin, every statement with its own line, end."""
    cell = "a = 1\nfor i in range(3):\n    a += i\na"
    expected = [("start_cell", cell, None), *statements(1, 2, 4), ("end_cell", True)]

    assert expected == calls_of(recorded, cell)


def test_traced_cell_tells_the_same_lines(recorded: Kernel) -> None:
    """Under `%%numguard` the lines are the notebook's, and our own line is no statement."""
    cell = "%%numguard --stop --quiet\na = 1\na"
    expected = [("start_cell", cell, None), ("start_trace", True, True), *statements(2, 3), ("end_cell", True)]

    assert expected == calls_of(recorded, cell)


def test_failing_statement_is_ended(recorded: Kernel) -> None:
    """A statement that raises ends like any other, and the next ones are not told."""
    expected = [("start_cell", "a = 1\n1/0\nb = 2", None), *statements(1, 2), ("end_cell", False)]

    assert expected == calls_of(recorded, "a = 1\n1/0\nb = 2")


def test_cell_that_does_not_compile(recorded: Kernel) -> None:
    """A SyntaxError has a begin and an end and no statement."""
    assert [("start_cell", "a = = 1", None), ("end_cell", False)] == calls_of(recorded, "a = = 1")


def test_await(recorded: Kernel) -> None:
    """Statements of an async cell end when they end, not when they are scheduled."""
    cell = "import asyncio\nawait asyncio.sleep(0.01)\n__session__._note('in'); await asyncio.sleep(0)\n1"
    expected = [
        ("start_cell", cell, None), *statements(1, 2), ("before", 3), ("in",), ("after", 3),
        *statements(3, 4), ("end_cell", True),
    ]  # fmt: skip

    assert expected == calls_of(recorded, cell)


def test_context_of_a_statement(recorded: Kernel) -> None:
    """Both ends of a statement run in its own context, so that a context variable set before can be reset after."""
    recorded.run(
        "import contextvars\nclass Tokens(type(__session__)):\n    v = contextvars.ContextVar('v', default='out')\n"
        "    def before_statement(self, code): self.token = self.v.set('in')\n"
        "    def after_statement(self, code): self.v.reset(self.token); self._note(self.v.get())\n"
        "__session__.__class__ = Tokens",
        store_history=False,
    )
    told = calls_of(recorded, "import asyncio\nawait asyncio.sleep(0)")
    recorded.run("__session__.__class__ = Tokens.__mro__[1]", store_history=False)

    assert [("out",), ("out",)] == [c for c in told if len(c) == 1]


def test_silent_and_unstored_cells_are_nobodys(recorded: Kernel) -> None:
    """Requests of front ends (variable inspectors, widgets) are not cells."""
    assert [] == calls_of(recorded, "a = 1", silent=True) + calls_of(recorded, "a = 1", store_history=False)


def test_unstored_cell_is_traced_if_asked(recorded: Kernel) -> None:
    """`%%numguard` in a cell without history traces it: the user asked for it."""
    told = calls_of(recorded, "%%numguard\na = 1", store_history=False)

    assert [
        ("start_cell", "%%numguard\na = 1", None),
        ("start_trace", False, False),
        *statements(2),
        ("end_cell", True),
    ] == told


def test_empty_cells_end_nothing(recorded: Kernel) -> None:
    """IPython fires `post_run_cell` for an empty cell though it never began; inside a running cell too."""
    cell = "get_ipython().run_cell('')\n1"

    assert [] == calls_of(recorded, "", "  \n")
    assert [("start_cell", cell, None), *statements(1, 2), ("end_cell", True)] == calls_of(recorded, cell)


def test_events_without_a_result(recorded: Kernel) -> None:
    """Front ends fire `post_run_cell` with None or nothing at all: inside a statement it ends nothing."""
    cell = "ev = get_ipython().events\nev.trigger('post_run_cell', None); ev.trigger('post_run_cell')\n2"
    expected = [("start_cell", cell, None), *statements(1, 2, 2, 3), ("end_cell", True)]

    assert expected == calls_of(recorded, cell)


def test_cell_without_an_end_is_ended_by_the_next(recorded: Kernel) -> None:
    """A `pre_run_cell` without `post_run_cell` does not swallow the next cell."""
    orphan = (
        "import types\ninfo = types.SimpleNamespace(raw_cell='lost', store_history=True, silent=False, cell_id='c')\n"
        "get_ipython().events.trigger('pre_run_cell', info)"
    )
    recorded.run("__session__.take();", store_history=False)
    recorded.run(orphan, silent=True)
    told = calls_of(recorded, "3")[-5:]

    assert [("start_cell", "3", None), *statements(1), ("end_cell", True)] == told[-4:]


def test_nested_shell_belongs_to_its_statement(recorded: Kernel) -> None:
    """Statements of `%%capture` are told inside the statement that runs it; the cell begins and ends once."""
    cell = "%%capture\n%%numguard\na = 1\nb = 2"
    expected = [
        ("start_cell", cell, None), ("start_trace", False, False),
        ("before", 1), *statements(2, 3), ("after", 1), ("end_cell", True),
    ]  # fmt: skip
    nested = "get_ipython().run_cell('a = 5', store_history=True)"

    assert expected == calls_of(recorded, cell)
    assert [("start_cell", nested, None), ("before", 1), *statements(1), ("after", 1), ("end_cell", True)] == calls_of(
        recorded, nested
    )


def test_off_traces_one_cell_and_leaves_nothing(recorded: Kernel) -> None:
    """After `%numguard off` no hook is left; `%%numguard` brings them for its cell, source and cell id included."""
    hooks = (
        "sh = get_ipython(); print([k for k in ('run_code', 'showtraceback') if k in sh.__dict__],"
        " [str(c) for n in ('pre_run_cell', 'post_run_cell') for c in sh.events.callbacks[n] if 'numguard' in str(c)])"
    )
    told = calls_of(recorded, "%numguard off", "a = 1", "%%numguard\na = 2\na", "a = 3")
    after = recorded.run(hooks, store_history=False).text
    recorded.run("%numguard on", store_history=False)

    assert "[] []\n" == after
    assert [
        ("start_cell", "%numguard off", None), ("before", 1),
        ("start_cell", "%%numguard\na = 2\na", None), ("start_trace", False, False), *statements(2, 3), ("end_cell", True),
    ] == told  # fmt: skip


def test_off_inside_a_traced_cell(recorded: Kernel) -> None:
    """A cell that is being traced is followed to its end."""
    told = calls_of(recorded, "%%numguard\n%numguard off\na = 1", "2")
    recorded.run("%numguard on", store_history=False)

    assert [("start_trace", False, False), *statements(2, 3), ("end_cell", True)] == told[1:]


def test_cell_id_reaches_the_session(recorded: Kernel) -> None:
    """The front end's cell id is handed on, also where numguard was off."""
    recorded.run("__session__.take();", store_history=False)
    for setting in ("on", "off"):
        recorded.run(f"%numguard {setting}", store_history=False)
        content = {"code": "%%numguard\n1", "silent": False, "store_history": True, "allow_stdin": False}
        message = recorded.client.session.msg("execute_request", content, metadata={"cellId": "the-id"})
        recorded.client.shell_channel.send(message)
        recorded.follow(message["header"]["msg_id"])
    told = ast.literal_eval(recorded.run("print(__session__.take())", store_history=False).raw)
    recorded.run("%numguard on", store_history=False)

    assert ["the-id", "the-id"] == [c[2] for c in told if c[0] == "start_cell"]


def test_interrupt_inside_our_own_code_stops_the_cell(recorded: Kernel) -> None:
    """Interrupt pressed while numguard works between two statements: the next statement is where the cell stops."""
    recorded.run(
        "class Slow(type(__session__)):\n    def after_statement(self, code):\n"
        "        if self._line(code) == 1: raise KeyboardInterrupt\n"
        "__session__.__class__ = Slow",
        store_history=False,
    )
    seen = recorded.run("reached = 1\nreached = 2\nreached = 3")
    recorded.run("__session__.__class__ = Slow.__mro__[1]", store_history=False)

    assert "KeyboardInterrupt" == seen.error["ename"]
    assert "----> 2 reached = 2" in "".join(seen.error["traceback"])
    assert "jupyter_numguard" not in "".join(seen.error["traceback"])
    assert "1" == recorded.run("reached").result


def test_threads_of_subshells_do_not_mix(recorded: Kernel) -> None:
    """A cell of a subshell that runs beside one of the main shell has windows of its own."""
    control = recorded.client.session.msg("create_subshell_request")
    recorded.client.control_channel.send(control)
    reply = recorded.client.get_control_msg(timeout=60)
    if reply["content"].get("status") != "ok":
        pytest.skip("this ipykernel has no subshells")
    recorded.run("import threading\nstarted, go_on = threading.Event(), threading.Event()", store_history=False)
    recorded.run("__session__.take();", store_history=False)
    main = recorded.client.execute("a = 1\nstarted.set(); go_on.wait(30)\nb = 2")
    content = {"code": "started.wait(30)\nc = 3\ngo_on.set()", "silent": False, "store_history": True}
    beside = recorded.client.session.msg("execute_request", content)
    beside["header"]["subshell_id"] = reply["content"]["subshell_id"]
    recorded.client.shell_channel.send(beside)
    replies = {recorded.client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] for _ in range(2)}
    told = ast.literal_eval(recorded.run("print(__session__.take())", store_history=False).raw)

    assert replies == {main, beside["header"]["msg_id"]}
    theirs = [c[1:] for c in told if c[0] == "subshell"]
    ours = [c for c in told if c[0] != "subshell"]
    assert [("start_cell", content["code"], None), *statements(1, 2, 3), ("end_cell", True)] == theirs
    assert [*statements(1, 2, 2, 3), ("end_cell", True)] == ours[1:]
