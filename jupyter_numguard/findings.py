"""Non-finite tensors and their lineage become findings: one per memory, intended ones told apart, most useful first."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from .codemap import CodeMap
from .forward_lines import placed
from .growth import Series
from .histories import shown_of, trends_of
from .lineage import Answer, Lineage, run_of_origin
from .model import Counts, ExecutionRef, Finding, Framework, Held, LineagePath, Origin, Place, TensorInfo
from .nonfinite import NonFinite
from .opevents import Key, OpEvent, is_number
from .oplog import OpLog
from .pattern import callers_of, source_around, statements_of
from .second_run import Repeated
from .statements import StatementRun
from .steps import root_of, steps_of
from .versions import Run


@dataclass(frozen=True, slots=True)
class Explained:
    """A finding without its diagnoses, and what they are made from.

    Attributes:
        path: Plain data for rules and rewrites.
        samples: Copies of the tensors that the failing statement named, by name.
        order: Of the origin; the smallest is the first.
        became: (order of the statement run, of the operation) that made this variable non-finite; 0 where it is not known.
    """

    finding: Finding
    path: LineagePath
    samples: Mapping[str, object]
    order: tuple[int, int, int]
    became: tuple[int, int] = (0, 0)

    def with_more(self, elements: int) -> Explained:
        """The same, of so many further elements of its list of numbers."""
        more = self.finding.more + elements
        return dataclasses.replace(self, finding=dataclasses.replace(self.finding, more=more))


def list_of(n: NonFinite) -> str | None:
    """The list whose element a number is ("losses" of "losses[37]"); None where it is no number in a list.

    A history of losses is one thing to tell, whatever the framework of its numbers.
    """
    return n.path.rpartition("[")[0] if n.in_list and n.tensor.shape == () else None


def as_named(found: Sequence[NonFinite], paths: Mapping[Key, tuple[str, ...]]) -> list[NonFinite]:
    """Each under a variable's path, also what was met first as the displayed value (`Out[5]`), which lies nearer."""
    by_variable = {n.key for n in found if not n.path.startswith("Out[")}
    out = []
    for n in found:
        path = next((p for p in paths.get(n.key, ()) if not p.startswith("Out[")), None)
        if path is not None and n.path.startswith("Out[") and n.key not in by_variable and n.path == n.leaf:
            n = dataclasses.replace(n, path=path, leaf=path, root=root_of(path))
        out.append(n)
    return out


def group_by_memory(
    found: Sequence[NonFinite],
    paths: Mapping[Key, tuple[str, ...]],
    is_news: Callable[[NonFinite], bool] = lambda n: True,
) -> list[tuple[NonFinite, tuple[str, ...]]]:
    """One entry per memory: the plainest path, and the other paths (`snapshot.aliases_of`) as aliases.

    Args:
        is_news: A number that is news is no alias of one that merely stays, though both may be `np.nan`.
    """
    groups: dict[tuple[Key, bool], list[NonFinite]] = {}
    for n in found:
        groups.setdefault((n.key, is_number(n.key) and is_news(n)), []).append(n)
    out = []
    for (key, _), group in groups.items():
        group.sort(key=lambda n: _plainness(n.path))
        others = (*(n.path for n in group), *(paths.get(key, ()) if group[0].tensor.framework != "python" else ()))
        out.append((group[0], tuple(dict.fromkeys(p for p in others if p != group[0].path))))
    return out


def _plainness(path: str) -> tuple[int, int, str]:
    return (len(re.findall(r"[.\[]", path)), len(path), path)


def explain(
    n: NonFinite,
    aliases: tuple[str, ...],
    lineage: Lineage,
    code: CodeMap,
    bindings: Sequence[Run] = (),
    *,
    function: str | None = None,
    scaled: bool = False,
    log: OpLog | None = None,
    names: Mapping[Key, tuple[str, ...]] | None = None,
    found: Sequence[NonFinite] = (),
    lists: Sequence[tuple[str, Series]] = (),
    again: Repeated | None = None,
) -> Explained:
    """Where one non-finite tensor came from and whether it is meant.

    Args:
        found: Everything that is non-finite after the cell; `lists` are the lists of numbers among it, for how it grew.
        log: What was recorded in this execution; `names` are the paths of every memory. Both only for how it grew.
        bindings: The statements that last bound each name that is there now, oldest first.
        function: Name of the function whose local variable this is; None for the notebook's own.
        scaled: A GradScaler is at work: a non-finite gradient is a step that it skips.
        again: What a second run of its statements showed.
    """
    answer = lineage.answer(n.leaf, n.key, n.state)
    key = n.key
    if again is not None:
        repeated = lineage.from_event(again.event, answer.run)
        if repeated.origin is not None:
            origin = dataclasses.replace(repeated.origin, confidence="likely", run_again=True)
            answer = dataclasses.replace(repeated, origin=origin)
            log, names, key = again.log, again.names, again.key
    answer = placed(answer, code)
    version = lineage.version_of(n.leaf, n.key)
    intended = None
    if answer.origin is None and answer.intended is not None:
        intended = answer.intended
    elif scaled and re.search(r"\.grad(?:$|[.\[])", n.path):
        intended = "gradient of a step that the GradScaler skips while it looks for a scale"
    elif answer.event is None and _looks_like_mask(n, answer.origin):
        intended = "attention mask: 0 where it looks, -Inf where it does not"
    trends = trends_of(n.path, key, answer, log, names or {}, code, lists) if intended is None else ()
    statements, later = statements_of(answer, run_of_origin(answer, version), bindings, code)
    finding = Finding(
        variable=n.path,
        scope="notebook" if function is None else "local",
        function=function,
        aliases=aliases,
        tensor=n.tensor,
        counts=n.counts,
        first_index=n.first_index,
        intended=intended,
        origin=answer.origin if intended is None else None,
        lineage=steps_of(n.path, n.counts, version, answer, statements[1:], code),
        history=shown_of(trends, n.path),
        more=n.more,
    )
    path = LineagePath(
        variable=n.path, origin=finding.origin, steps=finding.lineage, statements=statements,
        later=later, history=finding.history,
        framework=_framework_of(n.tensor.framework, answer.event), trends=trends, source=source_around(answer, code),
        held=_held(answer.origin, (n, *found)), others=_others(answer, code),
        callers=callers_of(answer, run_of_origin(answer, version), bindings, code),
    )  # fmt: skip
    became = (version.run.order if version is not None else 0, lineage.event_order(n.key))
    return Explained(finding, path, answer.event.names if answer.event is not None else {}, answer.order, became)


def _others(answer: Answer, code: CodeMap) -> tuple[Place, ...]:
    """Where the further creations stand, without those of the origin's own line."""
    places = [code.place_of(e.site) for e in answer.others if e.site is not None]
    at = (answer.origin.execution, answer.origin.line) if answer.origin is not None else None
    return tuple(dict.fromkeys(p for p in places if (p.execution, p.line) != at))


def _held(origin: Origin | None, found: Sequence[NonFinite]) -> Held | None:
    """Of the variable that the origin's statement bound: the data frame's column, the loaded array."""
    for n in found:
        if origin is not None and re.match(rf"{re.escape(n.root)}\s*(?::[^=]+)?=[^=]", origin.code):
            return Held(n.path, n.counts, n.first_index)
    return None


def explain_event(
    event: OpEvent,
    run: StatementRun | None,
    lineage: Lineage,
    code: CodeMap,
    bindings: Sequence[Run],
    log: OpLog | None = None,
) -> Explained | None:
    """A non-finite value that is known by its operation only; None if it is meant, or came in from an earlier cell."""
    answer = placed(lineage.from_event(event, run), code)
    origin, summary = answer.origin, event.result
    if summary is None and answer.event is not None:
        summary = answer.event.result
    if origin is None or answer.event is None or summary is None:
        return None
    counts = Counts(summary.size or 0, summary.nan or 0, summary.posinf or 0, summary.neginf or 0)
    target = code.names_at(event.site)[1] if event.site is not None else None
    variable = summary.variable or target or origin.code.split("\n")[0]
    trends = trends_of(variable, None, answer, log, {}, code)
    statements, later = statements_of(answer, answer.run, bindings, code)
    finding = Finding(
        variable=variable,
        scope="local",
        function=origin.function,
        aliases=(),
        tensor=TensorInfo(_framework(answer.event.native_op), summary.dtype, summary.shape, summary.device),
        counts=counts,
        first_index=(),
        origin=origin,
        lineage=steps_of(variable, counts, None, answer, statements[1:], code),
        history=shown_of(trends, variable),
    )
    path = LineagePath(
        variable, origin, finding.lineage, finding.history, statements, later, (), finding.tensor.framework, trends,
        source=source_around(answer, code), others=_others(answer, code),
        callers=callers_of(answer, answer.run, bindings, code),
    )  # fmt: skip
    return Explained(finding, path, answer.event.names, answer.order)


def _framework_of(holder: Framework, event: OpEvent | None) -> Framework:
    """Whose operation failed: an ndarray or a number may hold what another framework computed."""
    if holder in ("numpy", "python") and event is not None and event.kind == "created":
        return _framework(event.native_op)
    return holder


def _framework(native_op: str) -> Framework:
    """Whose operation this is, by the way its recorder spells it."""
    if native_op.startswith("numpy."):
        return "numpy"
    return "torch" if "aten::" in native_op or "Backward" in native_op or "torch" in native_op else "tensorflow"


def _looks_like_mask(n: NonFinite, origin: Origin | None) -> bool:
    """-Inf and 0 only, in two dimensions or more, from a statement that takes no logarithm: a library made a mask."""
    c = n.counts
    if c.nan or c.posinf or not c.neginf or len(n.tensor.shape) < 2 or c.neginf == c.size:
        return False
    if origin is not None and origin.op.startswith("log"):
        return False
    return n.finite_range == (0.0, 0.0)


def in_order(explained: Sequence[Explained], bound: frozenset[str]) -> list[Explained]:
    """Most useful first: alarms before intended, the first origin first; of one origin the plain names before what is
    inside something, and what became non-finite first.

    Args:
        bound: Names that the cell bound itself: what the person just computed and looks at.
    """

    repeated = {e.order[0] for e in explained if e.finding.origin is not None and e.finding.origin.run_again}

    def rank(e: Explained) -> tuple[object, ...]:
        f = e.finding
        deep, length, _ = _plainness(f.variable)
        known = f.origin is not None
        root = re.split(r"[.\[]", f.variable)[0]
        return (
            f.intended is not None,
            not known,
            e.order[0] if known else 0,
            e.order[0] in repeated and not (known and f.origin is not None and f.origin.run_again),
            e.order if known else (0, 0, 0),
            f.scope == "local",
            deep > 0,
            root not in bound,
            _is_kept_beside(f.variable),
            e.became,
            f.counts.size,
            "loss" not in f.variable.lower(),
            (deep, length, f.variable),
        )

    return sorted(explained, key=rank)


def _is_kept_beside(path: str) -> bool:
    """What an optimizer or a metric keeps says less than the weights and losses that it is made from."""
    return re.search(r"\.optimizer\.|\.metrics\[|\.state_dict\(\)", path) is not None


def marked(finding: Finding, stale: Collection[ExecutionRef]) -> Finding:
    """The finding with the steps marked whose cells ran again since."""
    steps = tuple(dataclasses.replace(s, stale=True) if s.execution in stale else s for s in finding.lineage)
    return dataclasses.replace(finding, lineage=steps)
