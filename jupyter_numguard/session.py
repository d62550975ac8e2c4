"""One kernel's pipeline: what happens around a cell, in order. Only this file knows the order of the stages."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any

from . import snapshot
from .advising import Earlier, diagnosed
from .again import Again, Past, run_again
from .asking import LineageAnswer, parse
from .backends import loaded_backends, unusable_frameworks
from .checking import Checks
from .chronicle import Chronicle
from .codemap import CodeMap
from .errors import NonFiniteError, UsageError
from .execution import Execution
from .executions import Effects
from .findings import Explained, as_named, explain, explain_event, group_by_memory, in_order, list_of, marked
from .frames import is_user_file
from .histories import number_lists
from .lineage import Lineage, is_below
from .live import Live
from .model import Execution as ExecutionFacts
from .model import (
    ExecutionRef,
    Finding,
    NotTraced,
    Place,
    Report,
    Seconds,
    Status,
)
from .names import UserNames
from .news import News, alive, base_of, known_as
from .nonfinite import NonFinite, find_nonfinite, probe
from .once_more import OnceMore
from .opevents import Key
from .oplog import OpLog
from .outputs import Outputs
from .outside import writer_of
from .publish import HistoryEntry, Progress, show_report, update_panel
from .statements import Seen, StatementRun

MAX_UNFOLLOWED = 500  # executions whose texts are searched for what was done while nobody looked
MAX_REPORTS = 200  # kept for `%numguard report VARIABLE`; a report is a few kilobytes of text


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Options of `%%numguard`: `stop` raises at the first creation, `quiet` drops the closing line of a finite cell."""

    stop: bool = False
    quiet: bool = False


class Session:
    """One kernel's pipeline. Its methods are called from the shell's hooks (`boundaries.py`), which guard them.

    Attributes:
        shell: An IPython InteractiveShell, or None in a script.
        watching: Whether cells without `%%numguard` are checked.
        reports: The last reports, oldest first.
        live: What front ends are told: the checked executions, and what is non-finite now.
    """

    def __init__(self, shell: Any = None, namespace: Mapping[str, object] | None = None) -> None:
        self.shell = shell
        self.watching = False
        self.reports: list[Report] = []
        self.live = Live(lambda: bool(self._running))
        self._namespace = namespace
        self._home: object = getattr(shell, "user_global_ns", None)
        self._code = CodeMap()
        self._earlier = Earlier()
        self._lineage = Lineage(self._code.place_of, self._writer_of, lambda names: self._chronicle.behind(names))
        self._news = News()
        self._running: dict[int, Execution] = {}
        self._names = UserNames(self._space)
        self._outputs = Outputs(self._space)
        self._chronicle = Chronicle(self.roots, self._space, self._outputs)
        self._checks = Checks()

    # --- life of a cell ---------------------------------------------------------------------------------------------
    def roots(self) -> dict[str, object]:
        """The user's own names, with what they hold."""
        return self._names.values()

    def _space(self) -> Mapping[str, object]:
        space: Mapping[str, object] = self._namespace if self._namespace is not None else self.shell.user_ns
        return space

    def start_cell(self, raw: str, cell_id: str | None) -> None:
        """pre_run_cell of a cell that is neither silent nor store_history=False."""
        self._checks.stop_reading()
        count = getattr(self.shell, "execution_count", None)
        self._running[threading.get_ident()] = Execution(
            raw, ExecutionRef(count, cell_id), self.roots, self._code, home=self._home, watch=self.watching,
            takers=self._chronicle.taking_gradients, outputs=self._outputs.of, spelled=self._chronicle.spelled,
        )  # fmt: skip
        self._chronicle.start_cell(raw, ExecutionRef(count, cell_id))

    def start_trace(self, options: TraceOptions) -> None:
        """`%%numguard` is on top of the running cell; called by the line that the input transformer put there."""
        execution = self._running.get(threading.get_ident())
        if execution is not None:
            execution.start_trace(stop=options.stop, quiet=options.quiet, seed=self._news.mark)

    def before_statement(self, code: CodeType) -> None:
        """A top-level statement is about to run (from the `run_code` wrapper)."""
        execution = self._running.get(threading.get_ident())
        if execution is not None:
            outside = self._chronicle.before_statement(execution.before_statement(code))
            execution.note_reading(self._chronicle.reading())
            if outside:
                execution.glance_outside(outside)
                if execution.log is not None and execution.mode == "trace":
                    self._mark_outside(execution.log, outside)

    def after_statement(self, _code: CodeType) -> None:
        """It ended, normally or not."""
        execution = self._running.get(threading.get_ident())
        if execution is not None:
            execution.after_statement(*self._chronicle.after_statement())

    def end_cell(self, result: Any) -> None:
        """post_run_cell(ExecutionResult): check, build the report, publish it."""
        execution = self._running.pop(threading.get_ident(), None)
        if execution is None:
            return
        try:
            execution.stop_recording()
        finally:
            ended = time.perf_counter()
        error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
        count = getattr(result, "execution_count", None) or execution.ref.count
        execution.set_count(count)
        if error is not None:
            execution.take_back()
        roots = {**self.roots(), **self._outputs.of(execution.outputs)}
        shown = getattr(result, "result", None)
        if shown is not None:
            roots[f"Out[{count}]"] = shown
        report = self._report(execution, roots, _status(error), count, error, ended)
        if report.mode == "trace" or report.alarms:
            self.reports = [*self.reports[-MAX_REPORTS + 1 :], report]
            if report.findings or not execution.quiet:
                show_report(report)
        update_panel(self.live.tell(report, self._findings_now(report.findings)), self.strip())
        if self.watching:
            self._checks.read_when_idle(self.roots, self._news.is_news)

    def _findings_now(self, new: Sequence[Finding] = ()) -> tuple[Finding, ...]:
        """What is non-finite now: `new` findings, then earlier ones that still hold."""
        return self._news.findings_now(new, self._chronicle.stale_refs)

    def strip(self) -> list[HistoryEntry]:
        """The history as the panel shows it."""
        return [{"count": e.count, "verdict": e.verdict} for e in self.live.executions]

    # --- a block of a script ----------------------------------------------------------------------------------------
    def start_block(self, frame: FrameType, options: TraceOptions) -> None:
        """`with trace()` begins in `frame`."""
        execution = Execution("", ExecutionRef(None), self.roots, self._code, home=frame.f_globals, watch=False)
        self._running[threading.get_ident()] = execution
        execution.open_block(frame)
        execution.start_trace(stop=options.stop, quiet=options.quiet, seed=self._news.mark)

    def end_block(self, error: BaseException | None) -> Report:
        """It ended; `error` is the exception that passes on."""
        execution = self._running.pop(threading.get_ident())
        execution.stop_recording()
        execution.close_block()
        report = self._report(execution, self.roots(), _status(error), None, error, time.perf_counter())
        self.reports.append(report)
        return report

    def check_now(self) -> tuple[Finding, ...]:
        """Findings of the namespace now, with nothing known of where they came from."""
        found, _ = find_nonfinite(probe(snapshot.walk(self.roots(), loaded_backends())))
        groups = group_by_memory(found, {})
        return tuple(explain(n, aliases, self._lineage, self._code).finding for n, aliases in groups)

    # --- the pipeline -----------------------------------------------------------------------------------------------
    def _report(
        self, execution: Execution, roots: Mapping[str, object], status: Status, count: int | None,
        error: BaseException | None, ended: float,
    ) -> Report:  # fmt: skip
        log = execution.log
        bound = frozenset(n for r in execution.statements for n in r.binds)
        progress = Progress()
        left, execution.left = execution.left, None
        reading = self._checks.after_cell(
            roots,
            self._reachable(execution),
            lambda n: self._news.is_news(n, bound),
            progress.show,
            execution.probes,
            left,
        )
        del left
        progress.clear()
        found, checked, final = reading.found, reading.checked, reading.final
        paths = snapshot.aliases_of(final, {n.key for n in found})
        found = as_named(found, paths)
        if any(self._news.stays(n, bound) is None for n in found):  # how it grew may be told by any other name
            paths = snapshot.aliases_of(final)
        stayed = self._news.unread(reading.names)
        locals_ = self._failed_locals(error, {n.key for n in found} | {k.key for k in stayed.values()})
        runs = execution.runs()
        if runs:  # a value that is only displayed came from the last expression
            shown = [n for n in found if n.root.startswith("Out[")]
            runs[-1].seen += tuple(Seen(n.leaf, n.root, n.key, n.tensor.framework, True) for n in shown)
        states = {k.key: k.state for k in stayed.values()} | {n.key: n.state for n in found}
        traced = log if execution.mode == "trace" else None
        event_of = log.event_of if log is not None else lambda key: None
        counts = {n.leaf: n.counts for n in found}
        self._lineage.extend(runs, states, event_of, counts)
        if execution.is_cell and (unseen := [n for n in found if self._lineage.version_of(n.leaf, n.key) is None]):
            self._chronicle.notice({n.root for n in unseen})
            runs.append(execution.noticed_at_end(unseen))
            self._lineage.extend(runs[-1:], states, event_of, counts, goes_on=True)
        scaled = _has_scaler(roots)
        explained: list[Explained] = []
        known = {p: k for p, k in stayed.items() if base_of(p) in roots}
        del final, reading  # they hold the user's tensors
        self._chronicle.end_cell(execution.ref, runs, {n.path: n.counts for n in found}, ok=status == "ok")
        bindings = self._chronicle.bindings() if found or locals_ else []
        again = self._again([n for n in found if self._news.is_news(n, bound)], paths, execution, roots)
        lists = number_lists(found, roots)
        together: dict[str | None, int] = {}  # list of numbers -> position of its finding
        for n, aliases in group_by_memory(found, paths, lambda n: self._news.is_news(n, bound)):
            entry = self._news.stays(n, bound)
            if entry is None:
                is_news, box = self._news.is_news(n, bound), list_of(n)
                first = together.get(box) if is_news else None
                if first is not None:  # a further number of the same list
                    e = explained[first] = explained[first].with_more(1)
                else:
                    e = explain(
                        n, aliases, self._lineage, self._code, bindings,
                        scaled=scaled, log=log, names=paths, found=found, lists=lists, again=again.seen.get(n.path),
                    )  # fmt: skip
                    if is_news:
                        if box is not None:
                            together[box] = len(explained)
                        explained.append(e)
                entry = known_as(n, e.finding)
            known |= dict.fromkeys((n.path, *aliases), entry)
        for n, function in locals_:
            e = explain(n, (), self._lineage, self._code, bindings, function=function, log=log, names=paths)
            explained.append(e)
        if traced is not None:
            explained += self._escaped(traced, error, runs, explained)
        self._news.known = known
        last = self._chronicle.last
        once_more = None if last is None else OnceMore(
            execution, ended - execution.began, {n.path: n for n in found},
            {p for n in found for p in (n.path, *paths.get(n.key, ()))},
            Past(roots, self._chronicle.versions_of, last, self._code), self._home,
            lambda path: parse(path, roots, self._outputs.resolved),
            lambda n, again: explain(n, (), self._lineage, self._code, bindings, found=found, lists=lists, again=again),
            progress.show_training, progress.show_again,
        )  # fmt: skip
        findings = diagnosed(in_order(explained, bound), roots, execution.raw, once_more, self._earlier)
        if once_more is not None:
            once_more.close()
        execution.beginning = None
        progress.clear()
        stale = self._chronicle.stale_refs() if findings else set()
        findings = tuple(marked(f, stale) for f in findings)
        now = time.perf_counter()
        alarms = any(f.intended is None for f in findings)
        return Report(
            mode=execution.mode,
            verdict="nonfinite" if alarms else "finite",
            execution=ExecutionFacts(
                count,
                execution.ref.cell_id,
                execution.raw,
                status,
                traced.not_traced if traced is not None else _not_repeated(findings, again),
            ),
            checked=checked,
            seconds=Seconds(cell=ended - execution.began, numguard=now - ended),
            findings=findings,
        )

    def _again(
        self, news: Sequence[NonFinite], names: Mapping[Key, tuple[str, ...]], execution: Execution,
        roots: Mapping[str, object],
    ) -> Again:  # fmt: skip
        """What a second run shows of what a watched cell made non-finite, and of which no operation is known."""
        last = self._chronicle.last
        if not news or execution.mode == "trace" or not execution.is_cell or last is None:
            return Again({}, {})
        paths = {}
        for n in news:
            answer = self._lineage.answer(n.leaf, n.key, n.state)
            origin = answer.origin
            if origin is not None and answer.event is None and origin.execution == execution.ref and n.root in roots:
                try:
                    paths[n.path] = parse(n.path, roots, self._outputs.resolved)
                except UsageError:
                    continue  # no path that one can type
        known = self._news.known

        def mark(log: OpLog, path: str, key: Key) -> None:
            if path in known:
                log.mark([key], log.carry(known[path].origin, known[path].state, known[path].intended))

        fresh = {path for n in news for path in (n.path, *names.get(n.key, ()))}
        past = Past(self.roots(), self._chronicle.versions_of, last, self._code)
        progress = Progress()
        try:
            return run_again([n for n in news if n.path in paths], past, paths, fresh, mark, progress.show_again)
        except Exception:  # whatever a framework or a strange value raises: the report is what it would be without
            return Again({}, {})
        finally:
            progress.clear()

    def _reachable(self, execution: Execution) -> set[str] | None:
        """Names that the cell may have touched; None: any."""
        by_graph = self._chronicle.reached()
        if execution.mode == "trace" or self._running or by_graph is None or execution.touched is None:
            return None
        return by_graph | execution.touched

    def _failed_locals(self, error: BaseException | None, known: set[Key]) -> list[tuple[NonFinite, str]]:
        """Non-finite locals of the user's functions that the cell's exception left: no notebook variable holds them."""
        out: list[tuple[NonFinite, str]] = []
        tb: TracebackType | None = error.__traceback__ if error is not None else None
        while tb is not None:
            frame = tb.tb_frame
            tb = tb.tb_next
            code = frame.f_code
            if code.co_name == "<module>" or not is_user_file(code.co_filename):
                continue
            found, _ = find_nonfinite(probe(snapshot.walk(dict(frame.f_locals), loaded_backends())))
            out += [(n, code.co_name) for n in found if n.key not in known]
            known |= {n.key for n in found}
        return out

    def _escaped(
        self, log: OpLog, error: BaseException | None, runs: Sequence[StatementRun], explained: Sequence[Explained]
    ) -> list[Explained]:
        """Values that no variable holds any more but that the person saw: printed, or stopped at by `--stop`."""
        stopped = [e for e in log.events if e.kind == "created"][-1:] if isinstance(error, NonFiniteError) else []
        told = {e.finding.origin for e in explained}
        out = []
        for event in (*log.escaped, *stopped):
            run = next((r for r in runs if r.index == event.statement), None)
            found = explain_event(event, run, self._lineage, self._code, self._chronicle.bindings(), log)
            if found is not None and found.finding.origin not in told:
                told.add(found.finding.origin)
                out.append(found)
        return out

    def _mark_outside(self, log: OpLog, names: Collection[str]) -> None:
        """Tell the recorders what nobody's statement made non-finite; `lineage.py` knows where it was noticed."""
        roots = self.roots()
        found, _ = find_nonfinite(probe(snapshot.walk({n: roots[n] for n in names}, loaded_backends())))
        for n in found:
            if self._news.is_other(n):
                log.mark([n.key], log.carry(None, n.state, None), alive(n))

    def _unfollowed(self) -> dict[int, tuple[str, str]]:
        """Texts of the executions before the running one that no hook of ours saw: number -> (raw, compiled)."""
        raw: list[str] = getattr(getattr(self.shell, "history_manager", None), "input_hist_raw", None) or []
        compiled: Any = self._space().get("In") or raw
        since = (self.live.executions[-1].count or 0) if self.live.executions else 0
        end = min(len(raw), len(compiled)) - 1
        return {i: (raw[i], compiled[i]) for i in range(max(1, since + 1, end - MAX_UNFOLLOWED), end)}

    def _writer_of(self, name: str) -> Place | None:
        return writer_of(name, self._unfollowed(), self.roots().values(), self._code)

    # --- the line magic ---------------------------------------------------------------------------------------------
    def start_watching(self) -> None:
        """`%numguard on`: from the next cell on. Idempotent."""
        self.watching = True
        self._show_state()

    def stop_watching(self) -> None:
        """`%numguard off`: no wrapper, errstate or mode is left. Idempotent."""
        self.watching = False
        self._checks.stop_reading()
        self._checks.forget()
        for thread, execution in list(self._running.items()):
            if execution.mode == "watch":
                execution.stop_recording()
                del self._running[thread]
        self._show_state()

    def _show_state(self) -> None:
        """Front ends see the switches as they are now."""
        self.live.set_state(watching=self.watching, muted=self._news.muted, findings=self._findings_now())

    def status(self) -> str:
        """Text of `%numguard status`: watching or not, frameworks seen, cells checked, findings now, muted variables."""
        frameworks = ", ".join(dict.fromkeys(b.framework_name for b in loaded_backends()))
        now = self._news.alarming
        shown = ", ".join(now[:20]) + (f" and {len(now) - 20} more" if len(now) > 20 else "")
        executions = self.live.executions
        with_alarm = sum(e.verdict == "nonfinite" for e in executions)
        lines = [
            f"numguard is {'watching' if self.watching else 'off (%numguard on)'}; frameworks: {frameworks}",
            f"{len(executions)} cells checked, {with_alarm} of them with a non-finite variable",
            f"non-finite now: {shown or 'nothing'}",
        ]
        lines += [f"not checked: {name} ({why})" for name, why in unusable_frameworks().items()]
        if self._news.muted:
            lines.append(f"muted: {', '.join(self._news.muted)}")
        return "\n".join(lines)

    def report(self, variable: str | None = None) -> Report | None:
        """The last report, or the last one that has a finding for `variable`; None if there is none.

        Raises:
            UsageError: `variable` was never found non-finite; the message lists those that were.
        """
        if variable is None:
            return self.reports[-1] if self.reports else None
        for report in reversed(self.reports):
            if any(variable in (f.variable, *f.aliases) or is_below(f.variable, variable) for f in report.findings):
                return report
        names = dict.fromkeys(f.variable for r in self.reports for f in r.findings)
        raise UsageError(
            f"no report has a finding for {variable!r}; there are findings for: {', '.join(names) or 'nothing'}"
        )

    def mute(self, variable: str) -> None:
        """No alarm for this variable or anything below it, until `unmute` or `reset`.

        Raises:
            UsageError: no such variable; the message lists close names.
        """
        self._news.mute(variable, self.roots())
        self._show_state()

    def unmute(self, variable: str) -> None:
        """Undo `mute`.

        Raises:
            UsageError: it was not muted; the message lists what is.
        """
        self._news.unmute(variable)
        self._show_state()

    def reset(self) -> None:
        """Forget executions, findings and mutes; what is non-finite now is taken as known, so that nothing is said of it."""
        self.reports.clear()
        self.live.forget()
        self._lineage.forget()
        self._earlier.forget()
        found, _ = find_nonfinite(probe(snapshot.walk(self.roots(), loaded_backends())))
        self._news.forget(found)
        self._chronicle.forget()
        self._checks.forget()
        self._show_state()

    def lineage(self, variable: str) -> LineageAnswer:
        """Where a variable comes from, finite or not.

        Raises:
            UsageError: there is no such variable.
        """
        return self._chronicle.lineage(variable)

    def effects(self, count: int) -> Effects:
        """What execution `count` bound, changed in place and deleted.

        Raises:
            UsageError: that execution is not known.
        """
        return self._chronicle.effects(count)


def _status(error: BaseException | None) -> Status:
    return "ok" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "error"


def _not_repeated(findings: Sequence[Finding], again: Again) -> tuple[NotTraced, ...]:
    """Why the first alarm of a watched cell was not seen in a second run."""
    first = next((f.variable for f in findings if f.intended is None), "")
    return (NotTraced(first, f"not run again: {again.reasons[first]}"),) if first in again.reasons else ()


def _has_scaler(roots: Mapping[str, object]) -> bool:
    """Whether a GradScaler with a sound scale is at work: it skips steps whose gradients are non-finite, on purpose."""
    for value in roots.values():
        if type(value).__name__ == "GradScaler" and type(value).__module__.startswith("torch."):
            scale = getattr(value, "get_scale", None)
            if getattr(value, "_enabled", False) and callable(scale) and scale() >= 1.0:
                return True
    return False
