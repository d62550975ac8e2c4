"""One kernel's pipeline: what happens around a cell, in order. Only this file knows the order of the stages."""

from __future__ import annotations

import dataclasses
import difflib
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any

from . import snapshot
from .asking import LineageAnswer
from .attempt import trier
from .backends import loaded_backends, unusable_frameworks
from .checking import Checks
from .chronicle import Chronicle
from .codemap import CodeMap
from .diagnose import diagnose
from .errors import NonFiniteError, UsageError
from .execution import Execution
from .executions import Effects
from .findings import Explained, as_named, explain, explain_event, group_by_memory, in_order, list_of, marked
from .frames import is_user_file
from .histories import number_lists
from .lineage import Lineage
from .live import Live
from .model import (
    Diagnosis,
    ExecutionRef,
    Finding,
    NonFiniteState,
    Origin,
    Place,
    Report,
    Seconds,
    Status,
)
from .model import Execution as ExecutionFacts
from .names import UserNames
from .nonfinite import NonFinite, find_nonfinite, probe
from .oplog import Key, OpLog
from .outside import writer_of
from .publish import HistoryEntry, Progress, show_report, update_panel
from .purity import is_pure_layer
from .reach import library_names
from .rewrite import load_rewrites
from .rule import load_rules
from .samples import copies_of, may_take_gradient
from .statements import Seen, StatementRun
from .steps import root_of
from .surroundings import with_surroundings
from .terms import aliases_of
from .verify import verifier

MAX_UNFOLLOWED = 500  # executions whose texts are searched for what was done while nobody looked
MAX_REPORTS = 200  # kept for `%numguard report VARIABLE`; a report is a few kilobytes of text


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Options of `%%numguard`: `stop` raises at the first creation, `quiet` drops the closing line of a finite cell."""

    stop: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """A variable that was non-finite at the last check; `alive` as in `Backend.alive`."""

    key: Key
    state: NonFiniteState
    alive: Callable[[], bool] | None
    origin: Origin | None = None
    intended: str | None = None


def _base_of(path: str) -> str:
    """The name that a path starts from: "seen" of "list(seen)[2].grad"."""
    return root_of(re.sub(r"^((list|vars)\()+", "", path)).rstrip(")")


def _alive(n: NonFinite) -> Callable[[], bool] | None:
    tensor = n.reference()
    return n.backend.alive(tensor) if tensor is not None else None


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
        self.live = Live()
        self._namespace = namespace
        self._home: object = getattr(shell, "user_global_ns", None)
        self._code = CodeMap()
        self._lineage = Lineage(self._code.place_of, self._writer_of)
        self._known: dict[str, _Known] = {}
        self._told: dict[str, Finding] = {}  # of what is known: the finding that was reported, by path
        self._muted: set[str] = set()
        self._running: dict[int, Execution] = {}
        self._names = UserNames(self._space)
        self._chronicle = Chronicle(self.roots, self._space)
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
            takers=self._chronicle.taking_gradients,
        )  # fmt: skip
        self._chronicle.start_cell(raw, ExecutionRef(count, cell_id))

    def start_trace(self, options: TraceOptions) -> None:
        """`%%numguard` is on top of the running cell; called by the line that the input transformer put there."""
        execution = self._running.get(threading.get_ident())
        if execution is not None:
            execution.start_trace(stop=options.stop, quiet=options.quiet, seed=self._seed)

    def before_statement(self, code: CodeType) -> None:
        """A top-level statement is about to run (from the `run_code` wrapper)."""
        execution = self._running.get(threading.get_ident())
        if execution is not None:
            outside = self._chronicle.before_statement(execution.before_statement(code))
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
        roots = self.roots()
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
            self._checks.read_when_idle(self.roots, self._is_news)

    def _findings_now(self, new: Sequence[Finding] = ()) -> tuple[Finding, ...]:
        """What is non-finite now: `new` findings, then earlier ones that still hold."""
        self._told |= {f.variable: f for f in new if f.scope == "notebook"}
        self._told = {path: f for path, f in self._told.items() if path in self._known}
        names = {f.variable for f in new}
        old = [f for path, f in self._told.items() if path not in names and not self._is_muted(path)]
        stale = self._chronicle.stale_refs() if old else set()
        return (*new, *(marked(f, stale) for f in old))

    def strip(self) -> list[HistoryEntry]:
        """The history as the panel shows it."""
        return [{"count": e.count, "verdict": e.verdict} for e in self.live.executions]

    # --- a block of a script ----------------------------------------------------------------------------------------
    def start_block(self, frame: FrameType, options: TraceOptions) -> None:
        """`with trace()` begins in `frame`."""
        execution = Execution("", ExecutionRef(None), self.roots, self._code, home=frame.f_globals, watch=False)
        self._running[threading.get_ident()] = execution
        execution.open_block(frame)
        execution.start_trace(stop=options.stop, quiet=options.quiet, seed=self._seed)

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
        reading = self._checks.after_cell(
            roots, self._reachable(execution), lambda n: self._is_news(n, bound), progress.show, execution.probes
        )
        progress.clear()
        found, checked, final = reading.found, reading.checked, reading.final
        paths = snapshot.aliases_of(final) if found else {}
        found = as_named(found, paths)
        stayed = {
            p: k for p, k in self._known.items() if reading.names is not None and _base_of(p) not in reading.names
        }
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
        known = {p: k for p, k in stayed.items() if _base_of(p) in roots}
        del final, reading  # they hold the user's tensors
        self._chronicle.end_cell(execution.ref, runs, {n.path: n.counts for n in found}, ok=status == "ok")
        bindings = self._chronicle.bindings() if found or locals_ else []
        lists = number_lists(found, roots)
        together: dict[str | None, int] = {}  # list of numbers -> position of its finding
        for n, aliases in group_by_memory(found, paths):
            is_news = self._is_news(n, bound)
            if is_news and (first := together.get(list_of(n))) is not None:  # further numbers of the same list
                explained[first] = explained[first].with_more(1)
                told = explained[first].finding
                now_known = _Known(n.key, n.state, _alive(n), told.origin, told.intended)
                known |= dict.fromkeys((n.path, *aliases), now_known)
                continue
            if not is_news and not self._is_muted(n.path):
                known |= dict.fromkeys((n.path, *aliases), dataclasses.replace(self._known[n.path], state=n.state))
                continue
            e = explain(
                n,
                aliases,
                self._lineage,
                self._code,
                bindings,
                scaled=scaled,
                log=log,
                names=paths,
                found=found,
                lists=lists,
            )
            now_known = _Known(n.key, n.state, _alive(n), e.finding.origin, e.finding.intended)
            known |= dict.fromkeys((n.path, *aliases), now_known)
            if is_news:
                if (box := list_of(n)) is not None:
                    together[box] = len(explained)
                explained.append(e)
        for n, function in locals_:
            e = explain(n, (), self._lineage, self._code, bindings, function=function, log=log, names=paths)
            explained.append(e)
        if traced is not None:
            explained += self._escaped(traced, error, runs, explained)
        self._known = known
        findings = self._diagnosed(in_order(explained, bound), roots, execution.raw)
        stale = self._chronicle.stale_refs() if findings else set()
        findings = tuple(marked(f, stale) for f in findings)
        now = time.perf_counter()
        alarms = any(f.intended is None for f in findings)
        return Report(
            mode=execution.mode,
            verdict="nonfinite" if alarms else "finite",
            execution=ExecutionFacts(
                count, execution.ref.cell_id, execution.raw, status, traced.not_traced if traced is not None else ()
            ),
            checked=checked,
            seconds=Seconds(cell=ended - execution.began, numguard=now - ended),
            findings=findings,
        )

    def _is_news(self, n: NonFinite, bound: frozenset[str] = frozenset()) -> bool:
        """Whether a report tells of it: not of what merely stays so."""
        old = self._known.get(n.path)
        is_news = old is None or old.key != n.key or n.root in bound or (n.state.nan and not old.state.nan)
        return is_news and not self._is_muted(n.path)

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

    def _seed(self, log: OpLog) -> None:
        """Tell the recorders what was non-finite before the cell."""
        for known in self._known.values():
            log.mark([known.key], log.carry(known.origin, known.state, known.intended), known.alive)

    def _mark_outside(self, log: OpLog, names: Collection[str]) -> None:
        """Tell the recorders what nobody's statement made non-finite; `lineage.py` knows where it was noticed."""
        roots = self.roots()
        found, _ = find_nonfinite(probe(snapshot.walk({n: roots[n] for n in names}, loaded_backends())))
        for n in found:
            if n.path not in self._known or self._known[n.path].key != n.key:
                log.mark([n.key], log.carry(None, n.state, None), _alive(n))

    def _unfollowed(self) -> dict[int, tuple[str, str]]:
        """Texts of the executions before the running one that no hook of ours saw: number -> (raw, compiled)."""
        raw: list[str] = getattr(getattr(self.shell, "history_manager", None), "input_hist_raw", None) or []
        compiled: Any = self._space().get("In") or raw
        since = (self.live.executions[-1].count or 0) if self.live.executions else 0
        end = min(len(raw), len(compiled)) - 1
        return {i: (raw[i], compiled[i]) for i in range(max(1, since + 1, end - MAX_UNFOLLOWED), end)}

    def _writer_of(self, name: str) -> Place | None:
        return writer_of(name, self._unfollowed(), self.roots().values(), self._code)

    def _diagnosed(self, explained: Sequence[Explained], roots: Mapping[str, object], cell: str) -> tuple[Finding, ...]:
        """Each finding with its diagnoses; findings of one origin share them, gradients apart from values."""
        if not explained:
            return ()
        libraries = library_names(roots)
        aliases = tuple((name, dotted) for name, (dotted, _) in libraries.items())
        modules = {name: value for name, (_, value) in libraries.items()}
        modules |= {name: value for name, value in roots.items() if is_pure_layer(value)}
        known: dict[tuple[Origin, bool], tuple[Diagnosis, ...]] = {}
        out = []
        for e in explained:
            origin = e.finding.origin
            if origin is None:
                out.append(e.finding)
                continue
            same = (origin, any(".grad" in path for path in (e.finding.variable, *e.finding.aliases)))
            if same not in known:
                path = dataclasses.replace(e.path, aliases=aliases)
                samples = dict(e.samples)
                if origin.function is None or not samples:
                    samples = {**copies_of(path, roots, cell), **samples}
                path = with_surroundings(path, samples, roots)
                run = verifier(samples, modules, gradient=may_take_gradient(path, cell)) if samples else None
                tried = trier(samples, modules, aliases_of(path), path.framework) if samples else None
                known[same] = diagnose(path, load_rules(), load_rewrites(), run, tried)
            out.append(dataclasses.replace(e.finding, diagnoses=known[same]))
        return tuple(out)

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
        self.live.set_state(watching=self.watching, muted=sorted(self._muted), findings=self._findings_now())

    def status(self) -> str:
        """Text of `%numguard status`: watching or not, frameworks seen, cells checked, findings now, muted variables."""
        frameworks = ", ".join(dict.fromkeys(b.framework_name for b in loaded_backends()))
        now = [p for p, k in self._known.items() if k.intended is None]
        shown = ", ".join(now[:20]) + (f" and {len(now) - 20} more" if len(now) > 20 else "")
        executions = self.live.executions
        with_alarm = sum(e.verdict == "nonfinite" for e in executions)
        lines = [
            f"numguard is {'watching' if self.watching else 'off (%numguard on)'}; frameworks: {frameworks}",
            f"{len(executions)} cells checked, {with_alarm} of them with a non-finite variable",
            f"non-finite now: {shown or 'nothing'}",
        ]
        lines += [f"not checked: {name} ({why})" for name, why in unusable_frameworks().items()]
        if self._muted:
            lines.append(f"muted: {', '.join(sorted(self._muted))}")
        return "\n".join(lines)

    def report(self, variable: str | None = None) -> Report | None:
        """The last report, or the last one that has a finding for `variable`; None if there is none.

        Raises:
            UsageError: `variable` was never found non-finite; the message lists those that were.
        """
        if variable is None:
            return self.reports[-1] if self.reports else None
        for report in reversed(self.reports):
            if any(variable in (f.variable, *f.aliases) or _below(f.variable, variable) for f in report.findings):
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
        root = re.split(r"[.\[]", variable)[0]
        roots = self.roots()
        if root not in roots:
            close = difflib.get_close_matches(root, list(roots), n=5) or sorted(roots)[:10]
            raise UsageError(
                f"there is no variable {root!r}; did you mean: {', '.join(close) or '(the notebook is empty)'}?"
            )
        self._muted.add(variable)
        self._show_state()

    def unmute(self, variable: str) -> None:
        """Undo `mute`.

        Raises:
            UsageError: it was not muted; the message lists what is.
        """
        if variable not in self._muted:
            raise UsageError(f"{variable!r} is not muted; muted: {', '.join(sorted(self._muted)) or 'nothing'}")
        self._muted.discard(variable)
        self._show_state()

    def reset(self) -> None:
        """Forget executions, findings and mutes; what is non-finite now is taken as known, so that nothing is said of it."""
        self.reports.clear()
        self.live.forget()
        self._known.clear()
        self._told.clear()
        self._muted.clear()
        self._lineage.forget()
        found, _ = find_nonfinite(probe(snapshot.walk(self.roots(), loaded_backends())))
        self._known = {n.path: _Known(n.key, n.state, _alive(n)) for n in found}
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

    def _is_muted(self, path: str) -> bool:
        return any(_below(path, m) for m in self._muted)


def _status(error: BaseException | None) -> Status:
    return "ok" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "error"


def _below(path: str, owner: str) -> bool:
    """Whether `path` is `owner` or something inside it."""
    return path == owner or path.startswith((owner + ".", owner + "["))


def _has_scaler(roots: Mapping[str, object]) -> bool:
    """Whether a GradScaler with a sound scale is at work: it skips steps whose gradients are non-finite, on purpose."""
    for value in roots.values():
        if type(value).__name__ == "GradScaler" and type(value).__module__.startswith("torch."):
            scale = getattr(value, "get_scale", None)
            if getattr(value, "_enabled", False) and callable(scale) and scale() >= 1.0:
                return True
    return False
