"""Send a report where it can be seen: under the running cell, and to the panel that is open.

Under a cell goes a stored output (JSON, HTML and text), not a widget: docs/adr/0004-panel.md says why. Nothing here
raises: a report that cannot be shown must not fail the user's cell.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from .model import Report, Step, Verdict
from .render import render_html, render_lineage_html, render_lineage_text, render_text
from .report import MIME, to_json

if TYPE_CHECKING:
    from .panel import Panel

LINEAGE_MIME = "application/vnd.numguard.lineage+json"
"""Under this type `%numguard lineage` is stored in the notebook."""


class HistoryEntry(TypedDict):
    """One execution in the panel's strip."""

    count: int | None
    verdict: Verdict


class Progress:
    """One line on stderr while a check takes long, rewritten in place and taken away at the end."""

    def __init__(self) -> None:
        self._width = 0

    def show(self, done: int, total: int) -> None:
        """`done` of `total` bytes were looked at."""
        self._say(f"checking, {done / 1e9:.1f} of {total / 1e9:.1f} GB")

    def show_again(self) -> None:
        """What a cell made non-finite is being made a second time, and that takes long."""
        self._say("running the statements that failed again, on copies")

    def show_training(self) -> None:
        """A cell that diverged is being trained once more with another setting, and that takes long."""
        self._say("training once more with other settings, on copies")

    def _say(self, doing: str) -> None:
        text = f"numguard: {doing} (interrupt the kernel to stop; the cell is done)"
        self._width = max(self._width, len(text))
        print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away, if there is one."""
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)


_panel: Panel | None = None  # one model for every panel that is shown, so that all of them follow the session


def show_report(report: Report) -> None:
    """Show a report under the running cell; a watched cell without an alarm stays silent.

    Outside IPython the text goes to stderr.
    """
    try:
        if report.mode == "trace" or report.alarms:
            _display(_bundle(report))
    except Exception as error:
        _excuse("report", error)


def show_lineage(variable: str, executions: Sequence[int], steps: Iterable[Step], notes: Sequence[str] = ()) -> None:
    """Show where a variable came from; `executions` is the backward slice, `steps` are newest first.

    `notes` say what is not certain or was not looked at.
    """
    try:
        steps = tuple(steps)
        data: dict[str, Any] = {
            "variable": variable,
            "executions": list(executions),
            "steps": [to_json(s) for s in steps],
        }
        if notes:
            data["notes"] = list(notes)
        html = render_lineage_html(variable, executions, steps, notes)
        text = render_lineage_text(variable, executions, steps, notes)
        _display({LINEAGE_MIME: data, "text/html": html, "text/plain": text})
    except Exception as error:
        _excuse("lineage", error)


def show_panel(report: Report | None, history: Sequence[HistoryEntry] = ()) -> None:
    """Show the live panel under the running cell; from then on `update_panel` keeps it up to date.

    Where ipywidgets cannot be imported, or the panel was not built, the report is shown as `show_report` does.
    """
    global _panel
    try:
        try:
            from .panel import Panel
        except ImportError as reason:
            print(f"numguard: no live panel: {reason}", file=sys.stderr)
            if report is not None:
                _display(_bundle(report))
            return
        if _panel is None or _panel.comm is None:  # comm: None after Widget.close_all()
            _panel = Panel()
        _fill(_panel, report, history)
        from IPython.display import display

        display(_panel)  # type: ignore[no-untyped-call]
    except Exception as error:
        _excuse("panel", error)


def update_panel(report: Report | None, history: Sequence[HistoryEntry]) -> None:
    """Give the newest report to the panel, if one is shown; nothing else is imported or done."""
    if _panel is None or _panel.comm is None:
        return
    try:
        _fill(_panel, report, history)
    except Exception as error:
        _excuse("panel", error)


def _bundle(report: Report) -> dict[str, Any]:
    return {MIME: to_json(report), "text/html": render_html(report), "text/plain": render_text(report)}


def _fill(panel: Panel, report: Report | None, history: Sequence[HistoryEntry]) -> None:
    with panel.hold_sync():
        if report is not None:
            panel.plain, panel.html = render_text(report), render_html(report)
            panel.report = to_json(report)
        panel.history = [dict(entry) for entry in history]


def _shell() -> Any:
    """The running IPython shell, None in a plain interpreter; IPython is not imported to find out."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _display(bundle: dict[str, Any]) -> None:
    # A new display each time, without a display id: a front end clears the outputs of a cell that runs again, so there
    # is never an older one to replace, and an update of a cleared display would show nothing.
    if _shell() is None:
        # What a terminal cannot spell is escaped rather than raised about.
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        print(bundle["text/plain"].encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)
        return
    from IPython.display import publish_display_data

    publish_display_data(bundle)  # type: ignore[no-untyped-call]


def _excuse(what: str, error: Exception) -> None:
    """One short notice instead of an exception."""
    try:
        print(f"numguard could not show the {what}: {type(error).__name__}: {error}", file=sys.stderr)
    except Exception:  # not even stderr works: nobody to tell
        pass
