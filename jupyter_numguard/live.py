"""What front ends are told while the session runs: the comm target `numguard`, opened by them, never by the kernel.

A front end that opens it gets a `Snapshot` at once and an `ExecutionMessage` after every checked cell; nothing is asked
back, so no handler of ours ever runs between the user's cells. `live.schema.json` says what the messages look like.

Comms are opened in threads of their own (subshells): a lock keeps them apart from the cells. No tensor is held here.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from .model import Checked, Finding, Mode, NotTraced, Report, Seconds, Status, Verdict
from .report import to_json

TARGET = "numguard"
UNCOUNTED = "comm_info_request"  # jupyter_server, `untracked_message_types`
MAX_EXECUTIONS = 500  # in the panel's strip; of the older ones nothing is kept


@dataclass(frozen=True, slots=True)
class CheckedExecution:
    """One execution as the history strip shows it.

    Attributes:
        verdict: Whether something became non-finite in it.
        checked, not_traced: Lists of names stand in the newest execution only.
    """

    count: int | None
    cell_id: str | None
    verdict: Verdict
    checked: Checked
    mode: Mode
    status: Status
    not_traced: tuple[NotTraced, ...]
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The session as it is.

    Attributes:
        executions: The checked ones, oldest first, at most `MAX_EXECUTIONS`.
        findings: What is non-finite now, most useful first.
        watching: Whether cells without `%%numguard` are checked.
        muted: Variables that raise no alarm.
    """

    executions: tuple[CheckedExecution, ...]
    findings: tuple[Finding, ...]
    watching: bool
    muted: tuple[str, ...]
    type: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True, slots=True)
class ExecutionMessage(CheckedExecution):
    """A checked cell ended.

    Attributes:
        findings: What is non-finite now; None where that is as it was before the cell.
    """

    findings: tuple[Finding, ...] | None
    type: Literal["execution"] = "execution"


class Live:
    """The state that front ends follow, and those that follow it."""

    def __init__(self, is_running: Callable[[], bool] = lambda: False) -> None:
        """Empty; nobody listens. `is_running`: whether a cell runs now."""
        self._is_running = is_running
        self._lock = threading.RLock()
        self._comms: dict[str, Any] = {}
        self._executions: deque[CheckedExecution] = deque(maxlen=MAX_EXECUTIONS)
        self._findings: tuple[Finding, ...] = ()
        self._watching = False
        self._muted: tuple[str, ...] = ()

    @property
    def executions(self) -> tuple[CheckedExecution, ...]:
        """The checked executions, oldest first."""
        with self._lock:
            return tuple(self._executions)

    # --- front ends -------------------------------------------------------------------------------------------------
    def serve(self, shell: Any) -> None:
        """From now on a front end of this shell's kernel may open the target. Nothing happens where there is no kernel."""
        manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
        if manager is not None:
            manager.register_target(TARGET, self.accept)

    def withdraw(self, shell: Any) -> None:
        """Say goodbye to every front end and take the target away."""
        manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
        if manager is not None and manager.targets.get(TARGET) == self.accept:
            manager.unregister_target(TARGET, self.accept)
        with self._lock:
            comms, self._comms = list(self._comms.values()), {}
        for comm in comms:
            try:
                comm.close()
            except Exception:
                pass  # the front end went first

    def accept(self, comm: Any, message: Any) -> None:
        """A front end opened `comm`. Called in a thread of the kernel's choice."""
        with self._lock:
            self._comms[comm.comm_id] = comm
            # No on_msg: with one, ipykernel would fire pre_execute and post_execute in this thread (ipykernel #1564).
            comm.on_close(lambda _: self._comms.pop(comm.comm_id, None))
            self._send([comm], self._snapshot())
        self._stay_busy(message)

    def _stay_busy(self, message: Any) -> None:
        """The subshell says "idle" when it has opened the comm, and servers would take the kernel, which runs a cell, for idle.

        A server that ends idle kernels would end it. What the subshell answers to is therefore named as a message that
        servers do not count; the "busy" that came before `message` stands until the cell ends.
        """
        header = message.get("header", {})
        if header.get("subshell_id") and self._is_running():
            header["msg_type"] = UNCOUNTED

    # --- the session ------------------------------------------------------------------------------------------------
    def tell(self, report: Report, findings: Iterable[Finding]) -> Report | None:
        """A checked cell ended.

        Args:
            report: Its report.
            findings: All that is non-finite now, also where it became so earlier.

        Returns:
            The report with these findings, for a view of the present state; None where that did not change.
        """
        with self._lock:
            before, self._findings = self._findings, tuple(findings)
            is_news = self._findings != before or report.mode == "trace"
            ended = report.execution
            execution = CheckedExecution(
                ended.count, ended.cell_id, report.verdict, report.checked, report.mode, ended.status, ended.not_traced,
                report.seconds,
            )  # fmt: skip
            if self._executions:
                old = self._executions[-1]
                brief = dataclasses.replace(old.checked, skipped=())
                self._executions[-1] = dataclasses.replace(old, checked=brief, not_traced=())
            self._executions.append(execution)
            facts = {f.name: getattr(execution, f.name) for f in dataclasses.fields(execution)}
            self._send(self._comms.values(), ExecutionMessage(**facts, findings=self._findings if is_news else None))
            if not is_news:
                return None
            alarms = any(f.intended is None for f in self._findings)
            return dataclasses.replace(report, findings=self._findings, verdict="nonfinite" if alarms else "finite")

    def set_state(self, *, watching: bool, muted: Iterable[str], findings: Iterable[Finding]) -> None:
        """A switch was turned: watching, muting."""
        with self._lock:
            self._watching, self._muted, self._findings = watching, tuple(muted), tuple(findings)
            self._send(self._comms.values(), self._snapshot())

    def forget(self) -> None:
        """Drop the executions (`%numguard reset`)."""
        with self._lock:
            self._executions.clear()

    def _snapshot(self) -> Snapshot:
        return Snapshot(tuple(self._executions), self._findings, self._watching, self._muted)

    def _send(self, comms: Iterable[Any], message: Snapshot | ExecutionMessage) -> None:
        comms = list(comms)
        if not comms:
            return
        data = to_json(message)
        for comm in comms:
            try:
                comm.send(data)
            except Exception:  # a front end that is gone
                self._comms.pop(comm.comm_id, None)
