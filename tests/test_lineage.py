"""The origin of a variable from plain data: statements that became non-finite, and operations where they were recorded."""

from __future__ import annotations

import ast

import pytest

from jupyter_numguard.lineage import Answer, Lineage
from jupyter_numguard.model import ExecutionRef, NonFiniteState, Place, Written
from jupyter_numguard.opevents import Key, OpEvent, Site
from jupyter_numguard.oplog import OpLog
from jupyter_numguard.source import Source
from jupyter_numguard.statements import Seen, StatementRun
from jupyter_numguard.versions import MAX_EXECUTIONS

NAN = NonFiniteState(True, False)
INF = NonFiniteState(False, True)


class Notebook:
    """Statements run one after the other; a name's memory is its text plus a counter of its bindings."""

    def __init__(self) -> None:
        self.lineage = Lineage(lambda site: Place(ExecutionRef(1), None, site.line, site.op))
        self.bound: dict[str, int] = {}
        self.nonfinite: dict[str, NonFiniteState] = {}
        self.count = 0

    def run(self, code: str, log: OpLog | None = None, marks: dict[str, OpEvent] | None = None, **now: object) -> None:
        """Run one cell; `now` gives the state of names after each of its statements, by name: NAN, INF or None."""
        self.count += 1
        ref = ExecutionRef(self.count)
        source = Source(code)
        runs = []
        assert isinstance(source.tree, ast.Module)
        for i, node in enumerate(source.tree.body):
            s = source.statement(node)
            for name in s.binds:
                self.bound[name] = self.bound.get(name, 0) + 1
                self.nonfinite.pop(name, None)
            for name in s.binds:
                if now.get(name) is not None:
                    self.nonfinite[name] = now[name]  # type: ignore[assignment]
            seen = [
                Seen(n, n, self.key(n), "torch", n in self.nonfinite)
                for n in sorted(s.reads | s.binds)
                if n in self.bound
            ]
            signals = [e for e in log.signals() if e.statement == i] if log is not None else []
            place = Place(ref, None, s.line, s.code)
            runs.append(StatementRun(i, ref, place, s, s.reads, s.binds, s.written, tuple(seen), signals))
        by_key = {self.key(n): e for n, e in (marks or {}).items()}
        self.lineage.extend(runs, {self.key(n): st for n, st in self.nonfinite.items()}, by_key.get)

    def key(self, name: str) -> Key:
        """The memory of a name now."""
        return (name, self.bound[name])

    def ask(self, name: str) -> Answer:
        """Where it came from."""
        return self.lineage.answer(name, self.key(name), self.nonfinite[name])


def where(answer: Answer) -> tuple[int | None, int, str, str]:
    """(execution, line, op, kind)."""
    assert answer.origin is not None, answer
    count = answer.origin.execution.count if answer.origin.execution else None
    return count, answer.origin.line, answer.origin.op, answer.origin.kind


def test_the_statement_that_made_it_is_the_origin() -> None:
    """Its riskiest operation is named, as likely."""
    nb = Notebook()
    nb.run("x = 1\ny = 2 * log(x)", y=INF)

    assert (1, 2, "log", "op") == where(nb.ask("y"))
    assert "likely" == nb.ask("y").origin.confidence  # type: ignore[union-attr]


def test_what_read_it_in_later_cells_has_the_same_origin() -> None:
    """Over any number of cells, and the finite names beside it do not matter."""
    nb = Notebook()
    nb.run("a = x / y", a=NAN)
    nb.run("n = 3")
    nb.run("b = a + n", b=NAN)
    nb.run("c = exp(b)", c=NAN)

    assert (1, 1, "div", "op") == where(nb.ask("c"))


def test_a_name_that_was_bound_anew_has_a_new_origin() -> None:
    """Re-running replaces."""
    nb = Notebook()
    nb.run("a = x / y", a=NAN)
    nb.run("a = 1")
    nb.run("a = sqrt(x)", a=NAN)
    nb.run("b = a", b=NAN)

    assert (3, 1, "sqrt", "op") == where(nb.ask("b"))


def test_a_written_inf_is_meant_until_a_nan_comes_of_it() -> None:
    """Then the statement that made the NaN is the origin."""
    nb = Notebook()
    nb.run("m = full(float('-inf'))", m=INF)
    nb.run("s = scores + m", s=INF)
    nb.run("p = s - s", p=NAN)

    assert (None, None) == (nb.ask("m").origin, nb.ask("s").origin)
    assert "written Inf" in (nb.ask("s").intended or "")
    assert (3, 1, "sub", "op") == where(nb.ask("p"))


def test_a_written_nan_is_introduced_where_it_stands() -> None:
    """With the line of the literal, in a statement of several lines."""
    nb = Notebook()
    nb.run("x = array([\n    1.0,\n    np.nan,\n])", x=NAN)

    assert (1, 3, "data", "introduced") == where(nb.ask("x"))


def test_loaded_data_is_introduced_by_the_load() -> None:
    """Whatever is computed from it."""
    nb = Notebook()
    nb.run("x = loadtxt(f)", x=NAN)
    nb.run("y = log(x)", y=NAN)

    assert (1, 1, "data", "introduced") == where(nb.ask("y"))


def test_of_several_sources_the_first_is_the_origin() -> None:
    """In time, not in the order of reading."""
    nb = Notebook()
    nb.run("b = 1 / zero", b=INF)
    nb.run("a = sqrt(minus)", a=NAN)
    nb.run("c = a + b", c=NAN)

    assert (1, 1, "div", "op") == where(nb.ask("c"))


def test_what_no_statement_made_has_no_origin() -> None:
    """A thread, a callback: nothing is invented."""
    nb = Notebook()
    nb.run("x = 1")
    nb.nonfinite["x"] = NAN

    assert (None, None) == (nb.ask("x").origin, nb.ask("x").intended)


@pytest.fixture
def log() -> OpLog:
    """An empty log whose events belong to statement 0."""
    log = OpLog()
    log.statement = 0
    return log


def event(log: OpLog, kind: str, op: str, line: int, state: NonFiniteState, *parents: OpEvent) -> OpEvent:
    """An event at a line of its own."""
    site = Site(None, -1, line, op, "<cell>", "<module>", count=1)
    return log.record(kind, "forward", site, op, op, state, parents=parents)  # type: ignore[arg-type]


def test_a_recorded_operation_is_exact(log: OpLog) -> None:
    """The first creation on the ancestry, not the last, and not one of another branch."""
    nb = Notebook()
    event(log, "created", "sqrt", 9, NAN)
    first = event(log, "created", "log", 3, INF)
    second = event(log, "created", "sub", 5, NAN, first)
    last = event(log, "propagated", "mean", 6, NAN, second)
    nb.run("loss = step()", log, {"loss": last}, loss=NAN)

    assert (1, 3, "log", "op") == where(nb.ask("loss"))
    assert "exact" == nb.ask("loss").origin.confidence  # type: ignore[union-attr]


def test_an_inf_that_was_written_makes_the_nan_s_creation_the_origin(log: OpLog) -> None:
    """0 * -inf: the product, not the mask."""
    nb = Notebook()
    mask = event(log, "written", "fill", 2, INF)
    product = event(log, "created", "mul", 4, NAN, mask)
    nb.run("out = f()", log, {"out": product}, out=NAN)

    assert (1, 4, "mul", "op") == where(nb.ask("out"))


def test_what_was_non_finite_before_the_traced_cell_leads_to_its_own_origin(log: OpLog) -> None:
    """The carried origin is older than anything in the cell."""
    nb = Notebook()
    nb.run("a = x / y", a=NAN)
    earlier = nb.ask("a").origin
    carried = log.carry(earlier, NAN, None)
    child = event(log, "propagated", "add", 2, NAN, carried)
    nb.run("b = a + 1", log, {"b": child}, b=NAN)

    assert (1, 1, "div", "op") == where(nb.ask("b"))


def test_memory_of_empty_is_meant_until_something_is_computed_from_it(log: OpLog) -> None:
    """Then it was introduced by the `empty`."""
    nb = Notebook()
    raw = event(log, "uninitialised", "empty", 2, NAN)
    used = event(log, "propagated", "sum", 3, NAN, raw)
    nb.run("r = empty()\ns = r.sum()", log, {"r": raw, "s": used}, r=NAN, s=NAN)

    assert nb.ask("r").intended is not None
    assert (1, 2, "empty", "introduced") == where(nb.ask("s"))


def test_forgetting_leaves_nothing() -> None:
    """`%numguard reset`."""
    nb = Notebook()
    nb.run("a = x / y", a=NAN)
    nb.lineage.forget()

    assert nb.lineage.version_of("a", nb.key("a")) is None
    assert Written() == Written(None, None)


def test_versions_of_long_ago_are_let_go_with_their_origin_kept() -> None:
    """A loss that stays NaN for more executions than are kept: its chain goes, where it came from stays."""
    nb = Notebook()
    nb.run("a = log(x)", a=NAN)
    nb.run("b = a * 2", b=NAN)
    for _ in range(MAX_EXECUTIONS + 1):
        nb.run("i = 1")

    assert ((1, 1, "log", "op"), 0) == (where(nb.ask("b")), len(nb.lineage._versions))
