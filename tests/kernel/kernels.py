"""Real kernels, and what a front end sees of a cell: everything on iopub, and the reply."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import start_new_kernel

REPORT = "application/vnd.numguard.report+json"
LOAD = "%load_ext jupyter_numguard"

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_UNSTABLE = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"ipykernel_\d+[/\\]\d+\.py"), "ipykernel/cell.py"),  # process id and hash of the text
    (re.compile(r"\(\d+\.py, line"), "(cell.py, line"),
    (re.compile(r"(CPU times|Wall time|Compiler).*"), r"\1 …"),
    (re.compile(r"[\d.]+ \S+ ± .* per loop.*"), "… per loop"),
    (re.compile(r"in [\d.]+ seconds"), "in … seconds"),
    (re.compile(r"[\w/.~-]*numguard-kernel-\w+"), "<folder>"),
    (re.compile(r"Thread-\d+"), "Thread-n"),
    (re.compile(r"Task-\d+"), "Task-n"),
)
# The magic line itself is the one line that may differ. Shown as the comment that stands there in the plain cell.
_MAGIC_LINE = (
    (re.compile(r"get_ipython\(\)\.run_line_magic\('numguard', 'cell[^']*'\); "), ""),
    (re.compile(r"get_ipython\(\)\.run_line_magic\('numguard', 'cell[^']*'\)|%%numguard[^\n\\]*"), "#"),
)


@dataclass
class Seen:
    """What one execution showed: `outputs` in order, runs of stream text grouped by stream; the reply; `raw` stream text."""

    outputs: list[Any] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    reports: list[Any] = field(default_factory=list)
    raw: str = ""

    @property
    def seen(self) -> tuple[list[Any], dict[str, Any]]:
        """What must not differ; the report is numguard's own."""
        return self.outputs, self.reply

    @property
    def text(self) -> str:
        """All stream text."""
        return "".join(o[1].get(s, "") for o in self.outputs if o[0] == "streams" for s in ("stdout", "stderr"))

    def stream(self, name: str) -> str:
        """All text of one stream."""
        return "".join(o[1].get(name, "") for o in self.outputs if o[0] == "streams")

    @property
    def error(self) -> Any | None:
        """The error output."""
        return next((o[1] for o in self.outputs if o[0] == "error"), None)

    @property
    def result(self) -> str | None:
        """Text of `Out[n]`."""
        return next((o[1]["data"]["text/plain"] for o in self.outputs if o[0] == "execute_result"), None)


class Kernel:
    """A running ipykernel and its client."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, *, silent: bool = False, store_history: bool = True, interrupt_at: str = "") -> Seen:
        """Execute a cell. `interrupt_at`: press interrupt as soon as this text was printed."""
        asked = self.client.execute(code, silent=silent, store_history=store_history, allow_stdin=False)
        return self.follow(asked, interrupt_at=interrupt_at)

    def follow(self, asked: str, interrupt_at: str = "") -> Seen:
        """Collect the messages of a request until its kernel is idle and the reply is there."""
        seen = Seen()
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            self._add(seen, kind, content)
            if interrupt_at and kind == "stream" and interrupt_at in content["text"]:
                self.manager.interrupt_kernel()
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == asked:
                break
        names = ("status", "execution_count", "payload", "ename", "evalue", "traceback", "user_expressions")
        seen.reply = {k: stable(reply["content"][k]) for k in names if k in reply["content"]}
        return seen

    @staticmethod
    def _add(seen: Seen, kind: str, content: dict[str, Any]) -> None:
        if kind in ("status", "execute_input", "comm_open", "comm_msg", "comm_close"):
            return
        if kind == "stream":
            seen.raw += content["text"]
            # The two streams are flushed by timers of their own: only the order within each is meant.
            if not seen.outputs or seen.outputs[-1][0] != "streams":
                seen.outputs.append(["streams", {}])
            texts = seen.outputs[-1][1]
            texts[content["name"]] = stable(texts.get(content["name"], "") + content["text"])
        elif REPORT in content.get("data", {}):
            seen.reports.append(content["data"][REPORT])
        elif kind == "display_data" and "application/vnd.jupyter.widget-view+json" in content.get("data", {}):
            return  # the panel of a report
        else:
            seen.outputs.append([kind, stable(content)])


def stable(value: Any) -> Any:
    """The same without colours, addresses, durations and the text of the magic line."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [stable(v) for v in value]
    if isinstance(value, str):
        value = _ANSI.sub("", value)
        for pattern, text in (*_UNSTABLE, *_MAGIC_LINE):
            value = pattern.sub(text, value)
    return value


@contextmanager
def kernel(*setup: str) -> Iterator[Kernel]:
    """A fresh kernel that has run the `setup` cells without counting them."""
    with tempfile.TemporaryDirectory(prefix="numguard-kernel-") as folder:
        env = {**os.environ, "IPYTHONDIR": folder, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        env.pop("MPLBACKEND", None)
        manager, client = start_new_kernel(kernel_name="python3", env=env, cwd=folder)
        try:
            started = Kernel(manager, client)
            for cell in setup:
                done = started.run(cell, store_history=False)
                assert done.reply["status"] == "ok", done
            yield started
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
