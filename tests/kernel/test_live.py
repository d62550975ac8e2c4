"""The live channel: a front end opens the comm `numguard` in a real kernel and is told of the session."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

from .kernels import LOAD, Kernel, kernel

pytestmark = pytest.mark.kernel

SCHEMA = json.loads(files("jupyter_numguard").joinpath("live.schema.json").read_text())
SETUP = "import numpy as np, warnings; warnings.simplefilter('ignore')"


@pytest.fixture
def running() -> Iterator[Kernel]:
    """A kernel in which numguard watches."""
    with kernel(SETUP, LOAD) as started:
        yield started


def send(running: Kernel, kind: str, **content: Any) -> list[dict[str, Any]]:
    """Send a comm message as a front end does; what the kernel told on iopub until it was idle again."""
    message = running.client.session.msg(kind, content)
    running.client.shell_channel.send(message)
    return told_until_idle(running, message["header"]["msg_id"])


def told_until_idle(running: Kernel, asked: str) -> list[dict[str, Any]]:
    """Every comm message until the kernel is idle after the request, as {type: comm_msg | comm_close, ...data}."""
    out = []
    while True:
        message = running.client.get_iopub_msg(timeout=60)
        if message["msg_type"].startswith("comm_"):
            data = message["content"].get("data") or {}
            out.append({"comm": message["content"]["comm_id"], **data, "kind": message["msg_type"]})
        is_idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
        if is_idle and message["parent_header"].get("msg_id") == asked:
            return out


def open_comm(running: Kernel) -> tuple[str, list[dict[str, Any]]]:
    """Open the target; (id of the comm, what was told)."""
    name = uuid.uuid4().hex
    return name, send(running, "comm_open", comm_id=name, target_name="numguard", data={})


def told(running: Kernel, cell: str) -> list[dict[str, Any]]:
    """What is told while a cell runs."""
    return told_until_idle(running, running.client.execute(cell))


def checked(message: dict[str, Any]) -> dict[str, Any]:
    """A message that is one of the schema's."""
    data = {k: v for k, v in message.items() if k not in ("comm", "kind")}
    jsonschema.validate(data, SCHEMA)
    return data


def names(message: dict[str, Any]) -> list[str]:
    """Variables of a message's findings."""
    return [f["variable"] for f in message["findings"]]


def test_a_front_end_gets_the_session_and_then_every_cell(running: Kernel) -> None:
    """The snapshot holds what was before; each cell brings its verdict, and what is non-finite now where that changed."""
    told(running, "x = np.log(np.zeros(2))")
    _, [snapshot] = open_comm(running)
    [quiet] = told(running, "y = 1.0")
    [news] = told(running, "z = np.zeros(2) / np.zeros(2)")
    [fixed] = told(running, "x = np.ones(2)")

    checked(snapshot)
    assert ("snapshot", ["x"], True) == (snapshot["type"], names(snapshot), snapshot["watching"])
    assert [(1, "nonfinite")] == [(e["count"], e["verdict"]) for e in snapshot["executions"]]
    assert (2, "finite", None) == (quiet["count"], checked(quiet)["verdict"], quiet["findings"])
    assert ("nonfinite", ["z", "x"]) == (checked(news)["verdict"], names(news))
    assert ("finite", ["z"]) == (checked(fixed)["verdict"], names(fixed))


def test_switches_are_told(running: Kernel) -> None:
    """Muting takes a variable away and unmuting brings it back; off, on and reset are seen at once."""
    told(running, "x = np.log(np.zeros(2))")
    open_comm(running)
    states = [told(running, f"%numguard {c}")[0] for c in ("mute x", "unmute x", "off", "on", "reset")]

    assert [([], ["x"], True), (["x"], [], True), (["x"], [], False), (["x"], [], True), ([], [], True)] == [
        (names(checked(s)), s["muted"], s["watching"]) for s in states
    ]


def test_every_front_end_is_told_and_one_that_left_is_not(running: Kernel) -> None:
    """Two pages are told the same; a page that closed its comm is told no more."""
    first, _ = open_comm(running)
    second, _ = open_comm(running)
    both = told(running, "x = 1.0")
    send(running, "comm_close", comm_id=first, data={})
    left = told(running, "x = 2.0")

    assert {first, second} == {m["comm"] for m in both}
    assert [second] == [m["comm"] for m in left]


def test_unloading_says_goodbye(running: Kernel) -> None:
    """`%unload_ext` closes the comm and takes the target away; loading again offers it again."""
    name, _ = open_comm(running)
    closed = told(running, "%unload_ext jupyter_numguard")
    _, refused = open_comm(running)
    told(running, LOAD)
    _, again = open_comm(running)

    assert ("comm_close", name) == (closed[-1]["kind"], closed[-1]["comm"])
    assert ["comm_close"] == [m["kind"] for m in refused]
    assert ["snapshot"] == [m["type"] for m in again]


def test_no_hook_runs_when_a_front_end_connects(running: Kernel) -> None:
    """Opening the channel fires none of IPython's events: the user's hooks are not run between cells."""
    told(running, "fired = []\nfor e in ('pre_execute', 'post_execute', 'pre_run_cell', 'post_run_cell'):\n"
                  "    get_ipython().events.register(e, lambda *a, e=e: fired.append(e))")  # fmt: skip
    told(running, "fired.clear()")
    name, _ = open_comm(running)
    send(running, "comm_msg", comm_id=name, data={"anything": 1})
    seen = running.run("print(fired)")

    # The end of the cell that cleared the list, then the begin of the one that prints it.
    assert "['post_execute', 'post_run_cell', 'pre_execute', 'pre_run_cell']\n" == seen.raw


def test_a_kernel_that_runs_a_cell_stays_busy_when_a_front_end_connects(running: Kernel) -> None:
    """The channel is opened while the cell runs, on a subshell: for a Jupyter server the kernel is busy until the cell ends."""
    client = running.client
    cell = client.execute("import time; time.sleep(4)")
    create = client.session.msg("create_subshell_request", {})
    client.control_channel.send(create)
    subshell = client.get_control_msg(timeout=60)["content"]["subshell_id"]
    opening = client.session.msg("comm_open", {"comm_id": "late", "target_name": "numguard", "data": {}})
    opening["header"]["subshell_id"] = subshell
    client.shell_channel.send(opening)
    counted, seen = [], []
    while not seen or seen[-1] != ("execute_request", "idle"):
        message = client.get_iopub_msg(timeout=60)
        parent = message["parent_header"].get("msg_type")
        if message["msg_type"] == "comm_msg":
            seen.append((message["content"]["data"]["type"], counted[-1]))
        if message["msg_type"] == "status" and parent not in MappingKernelManager().untracked_message_types:
            counted.append(message["content"]["execution_state"])
            seen.append((parent, counted[-1]))

    assert cell
    assert [("snapshot", "busy"), ("execution", "busy"), ("execute_request", "idle")] == seen[-3:]
