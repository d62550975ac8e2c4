"""The rule catalogue: every page is complete, every example of a page is found by exactly this rule, every cure is finite.

The origin of an example is measured here, statement by statement, on the real framework: the marked statement's
operations are evaluated from the innermost outward and the first that creates a non-finite value (or gradient) is it.
"""

from __future__ import annotations

import ast
import importlib.util
from itertools import product
from typing import Any

import numpy as np
import pytest

from jupyter_numguard.diagnose import diagnose
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import ExecutionRef, LineagePath, Origin, SourceStatement, Span, Step, TensorSummary
from jupyter_numguard.numerics import array, is_tensor
from jupyter_numguard.opnames import canonical_op
from jupyter_numguard.rule import SECTIONS, load_rules
from jupyter_numguard.terms import CONSTANT, Term, parse

RULES = load_rules()
EXECUTION = ExecutionRef(1)
FRAMEWORKS = ("torch", "tensorflow", "numpy")


def summarize(value: Any, variable: str | None = None) -> TensorSummary | None:
    """Facts of a tensor or number; None for what is neither."""
    for framework in FRAMEWORKS:
        try:
            owned = is_tensor(value, framework)
        except AttributeError:
            owned = False
        if owned:
            dtype = str(getattr(value.dtype, "name", value.dtype))
            values = array(value, framework)
            break
    else:
        if not isinstance(value, float):
            return None
        dtype, values = "float64", np.asarray(value)
    finite = values[np.isfinite(values)]
    return TensorSummary(
        variable, dtype, tuple(values.shape), "cpu", size=int(values.size),
        min=float(finite.min()) if finite.size else None, max=float(finite.max()) if finite.size else None,
        absmax=float(np.abs(finite).max()) if finite.size else None, zeros=int((values == 0).sum()),
        nan=int(np.isnan(values).sum()), posinf=int(np.isposinf(values).sum()), neginf=int(np.isneginf(values).sum()),
    )  # fmt: skip


def nonfinite(summary: TensorSummary | None) -> int:
    """Number of non-finite elements."""
    return 0 if summary is None else (summary.nan or 0) + (summary.posinf or 0) + (summary.neginf or 0)


def statements_before(source: str, line: int) -> tuple[SourceStatement, ...]:
    """The simple statement on a line and all that stand before it, newest first, as the pipeline hands them over."""
    simple = [
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Assign | ast.AugAssign | ast.Expr | ast.Return)
    ]
    lines = source.splitlines()
    out = [
        SourceStatement(EXECUTION, n.lineno, n.end_lineno or n.lineno, "\n".join(lines[n.lineno - 1 : n.end_lineno]))
        for n in sorted(simple, key=lambda n: -n.lineno)
        if n.lineno <= line
    ]
    return tuple(out)


class Probe:
    """Runs an example with a look at the marked statement's operations before each of its executions."""

    def __init__(self, source: str, line: int, framework: str) -> None:
        self.source, self.line, self.framework = source, line, framework
        self.statements = statements_before(source, line)
        self.path = LineagePath("v", None, statements=self.statements, framework=framework)  # type: ignore[arg-type]
        self.occurrence = 0
        self.origin: Origin | None = None
        self.namespace: dict[str, Any] = {"__probe__": self.look}

    def run(self) -> Origin | None:
        """Execute the example, tolerating that later statements fail."""
        tree = ast.parse(self.source)
        for parent in ast.walk(tree):
            body = getattr(parent, "body", None)
            if isinstance(body, list):
                for i, child in enumerate(body):
                    if child.lineno == self.line and not isinstance(child, ast.For | ast.With):
                        body.insert(i, ast.parse("__probe__(globals())").body[0])
                        break
        with np.errstate(all="ignore"):
            exec(compile(ast.fix_missing_locations(tree), "<example>", "exec"), self.namespace)
        return self.origin

    def look(self, namespace: dict[str, Any]) -> None:
        """Evaluate the operations of the marked statement, innermost first."""
        self.occurrence += 1
        if self.origin is None:
            terms = list(Reader(self.path).terms(0))
            for term in reversed(terms):  # an outer creation: what was created inside was absorbed before it
                self.origin = self._forward(term, namespace) or self.origin
            for term in reversed(terms):
                self.origin = self.origin or self._backward(term, namespace)
            if self.origin is None and not terms:
                self.origin = self._introduced(namespace)

    def _value(self, node: ast.expr, namespace: dict[str, Any]) -> Any:
        return eval(compile(ast.Expression(node), "<term>", "eval"), namespace)

    def _origin(self, term: Term, phase: Any, operands: Any, result: Any) -> Origin:
        shift = parse(self.statements[0].source).shift  # type: ignore[union-attr]
        first = self.line - shift - 1 + term.node.lineno
        span = Span(first, term.node.col_offset, first, term.node.end_col_offset or 0)
        op = canonical_op(term.op)
        return Origin(
            "op", "exact", EXECUTION, None, self.line, self.statements[0].source.strip(), span, None, (), op, op, phase,
            None, self.occurrence, operands, result,
        )  # fmt: skip

    def _operands(self, term: Term, namespace: dict[str, Any]) -> tuple[list[Any], tuple[TensorSummary, ...]]:
        values = [self._value(t.node, namespace) for _, t in term.arguments if t.op != CONSTANT]
        named = [
            (v, t.node) for v, (_, t) in zip(values, [a for a in term.arguments if a[1].op != CONSTANT], strict=True)
        ]
        made = [summarize(v, n.id if isinstance(n, ast.Name) else None) for v, n in named]
        return values, tuple(m for m in made if m is not None)

    def _forward(self, term: Term, namespace: dict[str, Any]) -> Origin | None:
        _, operands = self._operands(term, namespace)
        result = summarize(self._value(term.node, namespace))
        if term.op == "where" or not nonfinite(result) or any(o.nan for o in operands):
            return None
        if any(nonfinite(o) for o in operands) and (self.origin is not None or not result or not result.nan):
            return None
        return self._origin(term, "forward", operands, result)

    def _backward(self, term: Term, namespace: dict[str, Any]) -> Origin | None:
        """The operation whose own derivative is non-finite at its operand."""
        x = term.arguments[0][1] if term.arguments else None
        if x is None or not isinstance(x.node, ast.Name):
            return None
        value = namespace[x.node.id]
        if self.framework == "torch" and is_tensor(value, "torch") and value.is_floating_point():
            import torch

            leaf = value.detach().clone().requires_grad_()
            result = self._value(term.node, {**namespace, x.node.id: leaf})
            result = result[0] if isinstance(result, tuple) else result
            gradient = torch.autograd.grad(result.sum(), leaf, allow_unused=True)[0] if result.requires_grad else None
        elif self.framework == "tensorflow" and is_tensor(value, "tensorflow"):
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(value)
                result = self._value(term.node, namespace)
            gradient = tape.gradient(result, value)
        else:
            return None
        if gradient is None or not nonfinite(summarize(gradient)):
            return None
        return self._origin(term, "backward", self._operands(term, namespace)[1], summarize(gradient))

    def _introduced(self, namespace: dict[str, Any]) -> Origin | None:
        statement = ast.parse(self.statements[0].source.strip()).body[0]
        assert isinstance(statement, ast.Assign)
        held = summarize(self._value(statement.value, namespace), ast.unparse(statement.targets[0]))
        if not nonfinite(held):
            return None
        return Origin(
            "introduced", "exact", EXECUTION, None, self.line, self.statements[0].source, None, None, (), "data", "data",
            "data", None, 1, (), held,
        )  # fmt: skip


def path_of(source: str, framework: str, line: int) -> LineagePath:
    """The lineage path of an example."""
    probe = Probe(source, line, framework)
    origin = probe.run()
    after = [s for s in statements_before(source, 99) if s.line > line]
    steps = tuple(Step(EXECUTION, None, s.line, s.source, "v", "bound", "nonfinite") for s in after)
    return LineagePath("v", origin, steps, statements=probe.statements, framework=framework)  # type: ignore[arg-type]


def examples(section: str) -> list[Any]:
    """(rule, framework, source) of one section of all pages."""
    return [
        pytest.param(rule, e.framework, e.source, id=f"{rule.code}-{e.framework}-{i}")
        for rule in RULES
        for i, e in enumerate(rule.examples)
        if e.section == section
    ]


def need(framework: str) -> None:
    """Skip where the framework is not installed."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")


@pytest.mark.parametrize(("rule", "framework", "source"), examples("Example"))
def test_example_is_explained_by_exactly_its_rule(rule: Any, framework: str, source: str) -> None:
    """The rule of the page comes first for the marked line of its example, and only rules it precedes come after."""
    need(framework)
    marked = [i for i, line in enumerate(source.splitlines(), 1) if line.endswith(f"# origin: {rule.code}")]
    assert 1 == len(marked)

    found = diagnose(path_of(source, framework, marked[0]), RULES, (), None)

    assert found, "no rule matched"
    assert rule.code == found[0].rule, found
    assert {d.rule for d in found[1:]} <= rule.precedes


@pytest.mark.parametrize(("rule", "framework", "source"), examples("Use instead"))
def test_use_instead_stays_finite(rule: Any, framework: str, source: str) -> None:
    """Every float that the cure of a page leaves behind is finite, gradients included, and no rule says anything."""
    need(framework)
    assert "# origin" not in source
    namespace: dict[str, Any] = {}

    exec(compile(source, "<cure>", "exec"), namespace)

    values = {name: summarize(value) for name, value in namespace.items()}
    cured = [name for name, s in values.items() if s is not None and name != "target"]
    assert cured
    assert not [name for name in cured if nonfinite(values[name])]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_framework_of_an_example_has_a_cure(rule: Any) -> None:
    """A page that shows how it fails in a framework shows what to write there instead."""
    by_section = {s: {e.framework for e in rule.examples if e.section == s} for s in ("Example", "Use instead")}

    assert by_section["Example"]
    assert by_section["Example"] == by_section["Use instead"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_page_is_complete(rule: Any) -> None:
    """Every section is there with a text, the advice is prose without code, and the rules that it precedes exist."""
    assert list(SECTIONS) == list(rule.sections)
    assert all(rule.sections.values())
    assert rule.summary.endswith(".")
    assert "```" not in rule.advice(LineagePath("v", None))
    assert rule.advice(LineagePath("v", None))
    assert rule.precedes <= {r.code for r in RULES} - {rule.code}


def test_codes_and_names_are_unique() -> None:
    """No two rules share a code or a name: both are addresses."""
    assert len(RULES) == len({r.code for r in RULES}) == len({r.name for r in RULES})


ODD = [None, 0, 1.5]


def odd_origins() -> list[Origin]:
    """Origins no rule is written for: unknown or known operations with 0 to 3 operands of which little is known."""
    ops = [
        "frobnicate",
        "log",
        "div",
        "exp",
        "sqrt",
        "pow",
        "softmax",
        "mean",
        "mul",
        "cast",
        "cross_entropy",
        "update",
    ]
    out = []
    for op, n, known, phase in product(ops, range(4), ODD, ("forward", "backward", "update", "data")):
        x = TensorSummary("x", "complex64", (2,), "cpu", size=2, max=known, zeros=None)
        for kind in ("op", "external", "unknown"):
            out.append(
                Origin(
                    kind,
                    "likely",
                    None,
                    "f.py",
                    1,
                    "x = (",
                    None,
                    None,
                    (),
                    op,
                    op,
                    phase,
                    None,
                    0,
                    (x,) * n,
                    None,  # type: ignore[arg-type]
                )
            )
    return out


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rule_is_total(rule: Any) -> None:
    """A rule declines what it was not made for; it never raises."""
    broken = SourceStatement(None, 1, 1, "x = (")

    for origin in [None, *odd_origins()]:
        for statements in ((), (broken,)):
            evidence = rule.detect(LineagePath("x", origin, statements=statements))
            unmeasured = evidence is not None and evidence.confidence <= 0.6
            assert evidence is None or unmeasured, (origin, evidence)
