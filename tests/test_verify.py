"""A rewrite is called verified only where running it on the operands proves it, and running it changes nothing."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import torch
import torch.nn.functional as F

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import ExecutionRef, LineagePath, Origin, SourceStatement, Span, TensorSummary
from jupyter_numguard.propose import propose
from jupyter_numguard.purity import is_pure_layer
from jupyter_numguard.rewrite import Proposal, load_rewrites
from jupyter_numguard.verify import Verdict, verifier

EXECUTION = ExecutionRef(1)
MODULES = {"scipy": scipy, "torch": torch, "F": F, "np": np, "tf": tf, "nn": torch.nn}


def proposal(code: str, op: str, *sources: str, framework: Any = "torch") -> Proposal:
    """The first proposal for statements given newest first."""
    statements = tuple(SourceStatement(EXECUTION, 9 - i, 9 - i, source) for i, source in enumerate(sources))
    origin = Origin("op", "exact", EXECUTION, None, 9, sources[0], None, None, (), op, op, "forward", None, 1, (), None)
    return propose(LineagePath("y", origin, statements=statements, framework=framework), load_rewrites(), code)[0]


def verdict(code: str, op: str, *sources: str, framework: Any = "torch", **samples: Any) -> Verdict:
    """What running the first proposal on the samples shows."""
    return verifier(samples, MODULES)(proposal(code, op, *sources, framework=framework))


LOGITS = torch.tensor([[200.0, 0.0, 100.0], [1.0, 2.0, 3.0]], requires_grad=True)


def test_verified_says_finite_gradient_and_how_close() -> None:
    """The note of a verified rewrite says what was run and how far the two forms are apart."""
    got = verdict("NG201", "log", "y = torch.log(torch.softmax(z, -1))", z=LOGITS)

    assert got.verified, got
    assert got.note.startswith("Run on the operands that failed: finite, gradient too; largest relative change ")
    assert got.note.endswith("on 6 of 6 elements.")


@pytest.mark.parametrize(
    ("code", "op", "framework", "source", "x"),
    [
        ("NG203", "exp", "torch", "y = x.exp().sum().log()", torch.tensor([800.0, 1.0])),
        ("NG203", "exp", "torch", "y = x.exp() / x.exp().sum()", torch.tensor([800.0, 1.0])),
        ("NG203", "exp", "torch", "y = torch.log(1 + torch.exp(x))", torch.tensor([200.0, -3.0]).half()),
        ("NG202", "log", "torch", "y = torch.log(1 - torch.sigmoid(x))", torch.tensor([40.0, -3.0])),
        ("NG203", "exp", "numpy", "y = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)", np.array([[800.0, 1.0]])),
        ("NG203", "exp", "numpy", "y = np.log(np.sum(np.exp(x)))", np.array([1000.0, 1000.5], np.float32)),
        ("NG201", "log", "tensorflow", "y = tf.math.log(tf.nn.softmax(x))", tf.constant([[200.0, 0.0]])),
        # No smaller operands make a long product finite, and a running one passes through numbers with few digits.
        ("NG205", "log", "torch", "y = torch.log(torch.prod(x))", torch.linspace(0.001, 0.9, 2000)),
        ("NG205", "log", "numpy", "y = np.log(np.prod(x))", np.linspace(0.001, 0.9, 2000)),
        ("NG205", "log", "tensorflow", "y = tf.math.log(tf.reduce_prod(x))", tf.linspace(0.001, 0.9, 2000)),
        ("NG205", "log", "numpy", "y = np.log(np.cumprod(x))", np.linspace(0.9, 0.1, 2000)),
        ("NG205", "log", "numpy", "y = np.log(np.prod(x, axis=0))", np.full((100, 2), [1e-4, 10**-3.2315])),
        ("NG203", "exp", "tensorflow", "y = tf.exp(x) / tf.reduce_sum(tf.exp(x))", tf.constant([200.0, 0.0])),
    ],
)
def test_stable_forms_are_verified(code: str, op: str, framework: Any, source: str, x: Any) -> None:
    """On the operands that made the original fail, in three frameworks and several dtypes."""
    got = verdict(code, op, source, framework=framework, x=x)

    assert got.verified, got


@pytest.mark.parametrize(
    ("framework", "source", "expected"),
    [
        ("torch", "y = torch.log((w * torch.exp(-x / 2) / s).sum(-1))",
         "y = torch.logsumexp(-x / 2 + torch.log(w) - torch.log(s), dim=-1)"),
        ("torch", "y = (x.exp() * w).sum().log()", "y = torch.logsumexp((x + torch.log(w)).flatten(), dim=0)"),
        ("tensorflow", "y = tf.math.log(tf.reduce_sum(w * tf.exp(x), axis=1, keepdims=True))",
         "y = tf.reduce_logsumexp(x + tf.math.log(w), axis=1, keepdims=True)"),
        ("numpy", "y = np.log(np.sum(2 * w * np.exp(x) / s, axis=1))",
         "y = np.logaddexp.reduce(x + np.log(2 * w) - np.log(s), axis=1)"),
    ],
)  # fmt: skip
def test_weights_of_exponentials_go_into_the_exponent(framework: Any, source: str, expected: str) -> None:
    """A weighted sum of exponentials under a logarithm is one logsumexp; it is run where the sum under- and overflows."""
    arrays = {"x": [[900.0, 880.0], [-900.0, -905.0], [0.5, 1.0]], "w": [[0.25, 0.75]], "s": [[2.0, 0.5]]}
    make = {"torch": torch.tensor, "tensorflow": tf.constant, "numpy": np.array}[framework]
    samples = {name: make(value) for name, value in arrays.items()}

    got = proposal("NG101", "log", source, framework=framework)

    assert expected == got.source
    assert verifier(samples, MODULES)(got).verified


@pytest.mark.parametrize(
    ("framework", "source", "expected"),
    [
        ("torch", "y = torch.log(torch.cumsum(torch.exp(x), dim=0))", "y = torch.logcumsumexp(x, dim=0)"),
        ("torch", "y = torch.log(x.exp() / (x.exp() + w))", "y = x - torch.logaddexp(x, torch.log(w))"),
        ("torch", "y = torch.log(x.exp().sum(1, keepdim=True) / w)",
         "y = torch.logsumexp(x, dim=1, keepdim=True) - torch.log(w)"),
        ("torch", "y = torch.log(torch.exp(-x / s) / (2 * s))", "y = -x / s - torch.log(2 * s)"),
        ("numpy", "y = np.log(np.cumsum(np.exp(x)[::-1], axis=0)[::-1])",
         "y = np.logaddexp.accumulate(x[::-1], axis=0)[::-1]"),
        ("numpy", "y = np.log(w ** x * s)", "y = x * np.log(w) + np.log(s)"),
        ("tensorflow", "y = tf.math.log(tf.exp(x) * w)", "y = x + tf.math.log(w)"),
    ],
)  # fmt: skip
def test_a_logarithm_goes_inwards(framework: Any, source: str, expected: str) -> None:
    """Through products, sums and picks, with the axis and `keepdim`; run on operands whose exponentials leave the range."""
    make: Any = {"torch": torch.tensor, "tensorflow": tf.constant, "numpy": np.array}[framework]
    samples = {"x": make([[800.0, 3.0], [-900.0, 1.0]]), "w": make([[0.2], [0.8]]), "s": make([[0.5], [2.0]])}

    got = [p for op in ("exp", "pow", "log") for p in proposals_of("NG101", op, source, framework)]

    assert expected in [p.source for p in got]
    assert verifier(samples, MODULES)(next(p for p in got if p.source == expected)).verified


@pytest.mark.parametrize("factor", ["-1e9", "1e30", "lowest"])
def test_a_number_is_not_asked_for_its_dtype(factor: str) -> None:
    """TensorFlow makes -Inf of a number that float16 cannot hold: no rewrite may read `.dtype` of the number."""
    got = proposals_of("NG403", "mul", f"bias = (1.0 - mask) * {factor}", "tensorflow", numbers=(("lowest", -1e9),))

    assert all(f"({factor}).dtype" not in p.source and f"{factor}.dtype" not in p.source for p in got), got
    assert proposals_of("NG403", "mul", "bias = (1.0 - mask) * marks", "tensorflow")


def proposals_of(code: str, op: str, source: str, framework: Any, **facts: Any) -> list[Proposal]:
    """All proposals for one statement."""
    origin = Origin("op", "exact", EXECUTION, None, 9, source, None, None, (), op, op, "forward", None, 1, (), None)
    statements = (SourceStatement(EXECUTION, 9, 9, source),)
    return propose(LineagePath("y", origin, statements=statements, framework=framework, **facts), load_rewrites(), code)


def test_a_negative_weight_of_an_exponential_refutes_the_logsumexp() -> None:
    """exp(a) - exp(b) has a logarithm where a > b; the logarithm of the weight -1 has none."""
    samples = {"x": torch.tensor([[800.0, 1.0]]), "w": torch.tensor([1.0, -1.0])}

    got = verifier(samples, MODULES)(proposal("NG203", "exp", "y = torch.log((w * torch.exp(x)).sum(1))"))

    assert got.refuted


def test_softmax_over_the_wrong_elements_is_refuted() -> None:
    """exp(x)/sum(exp(x)) of a 2-D tensor sums over everything; the vector form would not, although both are finite."""
    got = verdict("NG203", "exp", "y = x.exp() / x.exp().sum()", x=torch.full((2, 2), 800.0))

    assert got.refuted
    assert "differs" in got.note


def test_statement_that_stays_non_finite_is_refuted() -> None:
    """The expression is cured, and the division beside it is not."""
    got = verdict("NG201", "log", "y = torch.log(torch.softmax(z, -1)) / c", z=LOGITS, c=torch.zeros(3))

    assert got.refuted
    assert "the whole statement is not finite" in got.note


def test_moved_operand_proves_nothing() -> None:
    """The copy of `z` is not what the softmax saw: the copies contradict each other."""
    sources = ("y = torch.log(p)", "p = torch.softmax(z, -1)")
    z, p = torch.tensor([[2.0, 0.5]]), torch.tensor([[0.1, 0.9]])

    got = verdict("NG201", "log", *sources, z=z, p=p)

    assert (False, False) == (got.verified, got.refuted)
    assert "do not belong together" in got.note


def test_missing_copy_is_said() -> None:
    """Without the operand nothing is run, and the note says which."""
    got = verdict("NG201", "log", "y = torch.log(torch.softmax(z, -1))")

    assert Verdict(False, "Not run: no copy of `z` was taken.") == got


LOCATED = [
    pytest.param(rewrite, framework, source, id=f"{rewrite.name}-{framework}-{i}")
    for rewrite in load_rewrites()
    for framework, sources in rewrite.examples.items()
    for i, source in enumerate(sources)
]


def operands(framework: str) -> dict[str, Any]:
    """What the examples of the rewrites that find their places themselves name, and the layers that they call."""
    if framework == "numpy":
        x, mask, huge = np.array([0.0, 4.0]), np.array([0.0, 1.0]), np.array([1e300, 1.0])
        half = {"h": np.array([300.0, 2.0], np.float16), "e": np.array([15.0, 2.0], np.float16)}
        short = np.array([200, -3, 150], np.int16)
        unsigned = {"m": np.array([3, 9], np.uint8), "n": np.array([5, 2], np.uint8)}
        gaps, table = np.array([np.nan, np.nan]), np.array([[np.nan, np.nan], [1.0, np.nan]])
        return {
            "x": x,
            "mask": mask,
            "c": np.empty(2),
            "gaps": gaps,
            "table": table,
            "big": np.array([1e6, 1.0]),
            "huge": huge,
            **half,
            **unsigned,
            "short": short,
        }
    torch_ = framework == "torch"
    make, leaf = (torch.tensor, {"requires_grad": True}) if torch_ else (tf.constant, {})
    float16, float64 = (torch.float16, torch.float64) if torch_ else (tf.float16, tf.float64)
    return {
        "x": make([[[0.0, 4.0], [1.0, 3.0]]], **leaf), "b": make([[[1.0, 2.0], [3.0, 4.0]]]),
        "mask": make([[[0.0, 1.0], [1.0, 1.0]]]), "flat": make([[2.0, 2.0, 2.0], [1.0, 2.0, 6.0]], **leaf),
        "mean": make([[2.0], [3.0]]), "var": make([[0.0], [4.6667]]), "big": make([1e6, 1.0], **leaf),
        "table": make([[float("nan"), float("nan")], [1.0, float("nan")]], **leaf),
        "huge": make([1e300, 1.0], dtype=float64, **leaf), "hidden": make([[True, True]]),
        "h": make([[300.0, 300.0], [2.0, 1.0]], dtype=float16, **leaf),
        "e": make([[15.0, 1.0], [2.0, 1.0]], dtype=float16, **leaf),
        "at": make([1, 1]), "attention": torch.nn.MultiheadAttention(2, 1, batch_first=True),
    }  # fmt: skip


@pytest.mark.parametrize(("rewrite", "framework", "source"), LOCATED)
def test_rewrite_finds_its_place(rewrite: Any, framework: Any, source: str) -> None:
    """Every example of such a rewrite is cured, verified by a run, at every failing operation that it may be told of."""
    given = operands(framework)
    layers = {name: given.pop(name) for name in ("attention",) if name in given}
    statements = (SourceStatement(EXECUTION, 9, 9, source),)
    named = tuple(
        TensorSummary(
            name,
            wording.dtype_name(str(v.dtype)),
            tuple(v.shape),
            "cpu",
            absmax=200.0 if name == "short" else None,
        )
        for name, v in given.items()
    )
    ops = [t.op for t in Reader(LineagePath("y", None, statements=statements)).terms(0)] or ["softmax"]
    found = []
    for op in ops:
        span = Span(9, 4, 9, len(source))
        origin = Origin("op", "exact", EXECUTION, None, 9, source, span, None, (), op, op, "forward", None, 1, (), None)
        path = LineagePath("y", origin, statements=statements, framework=framework, named=named)
        for told in (path, dataclasses.replace(path, origin=dataclasses.replace(origin, span=None))):
            found += [p for code in rewrite.fixes for p in propose(told, [rewrite], code)]
    verdicts = [verifier(given, {**MODULES, **layers})(p) for p in found]

    assert any(v.verified and (framework == "numpy" or "gradient too" in v.note) for v in verdicts), verdicts


def test_selection_of_the_wrong_branch_is_refuted() -> None:
    """A selection that keeps the operand where it fails changes the value; running it says so."""
    (found,) = [
        p for p in located("y = torch.where(x > 0, torch.log(x), b)", "log") if "torch.where(x > 0, x, 1.0)" in p.source
    ]
    (part,) = found.parts
    swapped = tuple(c.replace("torch.where(x > 0, x, 1.0)", "torch.where(x > 0, 1.0, x)") for c in part.compared)
    wrong = dataclasses.replace(found, parts=(dataclasses.replace(part, compared=swapped),))

    assert verifier(operands("torch"), MODULES)(wrong).refuted


def located(source: str, op: str) -> list[Proposal]:
    """All proposals for a gradient behind a selection."""
    origin = Origin("op", "exact", EXECUTION, None, 9, source, None, None, (), op, op, "forward", None, 1, (), None)
    statements = (SourceStatement(EXECUTION, 9, 9, source),)
    return propose(LineagePath("y", origin, statements=statements, framework="torch"), load_rewrites(), "NG302")


def test_selection_in_a_later_statement_guards_the_failing_line() -> None:
    """`y = log(x)` and then `where(c, 2 * y, b)`: the operand of the failing line is made safe with the same condition."""
    failing = SourceStatement(EXECUTION, 3, 3, "y = torch.log(x)")
    later = (
        SourceStatement(EXECUTION, 4, 4, "z = 2 * y"),
        SourceStatement(EXECUTION, 5, 5, "w = torch.where(x > 0, z, b)"),
    )
    origin = Origin(
        "op", "exact", EXECUTION, None, 3, failing.source, None, None, (), "log", "log", "forward", None, 1, (), None
    )
    path = LineagePath("w", origin, statements=(failing,), later=later, framework="torch")
    rebound = SourceStatement(EXECUTION, 4, 4, "x = x - 1")

    (found,) = propose(path, load_rewrites(), "NG302")
    assert "y = torch.log(torch.where(x > 0, x, 1.0))" == found.source
    assert verifier(operands("torch"), MODULES)(found).verified
    assert [] == propose(dataclasses.replace(path, later=(rebound, *later)), load_rewrites(), "NG302")


def test_layer_with_state_is_not_run() -> None:
    """Layers that only compute are run; one with dropout at work, hooks or running statistics is not."""
    hooked = torch.nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *args: None)
    attention = torch.nn.MultiheadAttention(2, 1, dropout=0.1)

    assert [True, False, False, False, False] == [
        is_pure_layer(v)
        for v in (torch.nn.Linear(2, 2), hooked, attention, torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    ]


CALLED: list[object] = []


def spy(x: object) -> object:
    """A function of the user."""
    CALLED.append(x)
    return x


@pytest.mark.parametrize(
    "operand",
    ["spy(z)", "z + torch.rand(2, 3)", "F.dropout(z)", "z.add_(1)", "(q := z)", "z.register_hook(spy)", "model(z)"],
)
def test_nothing_but_computation_is_run(operand: str) -> None:
    """No function of the user, no random number, no in-place method, no binding: such operands are not evaluated."""
    state, version = torch.get_rng_state(), LOGITS._version
    run = verifier({"z": LOGITS}, {**MODULES, "spy": spy, "model": spy})

    got = run(proposal("NG201", "log", f"y = torch.log(torch.softmax({operand}, -1))"))

    assert not got.verified
    assert got.note.startswith("Not run: ")
    assert [] == CALLED
    assert version == LOGITS._version
    assert torch.equal(state, torch.get_rng_state())


def test_rest_of_the_statement_is_not_run_where_it_calls_the_user() -> None:
    """The expression is still proved, and the note says that only it was run."""
    run = verifier({"z": LOGITS}, {**MODULES, "spy": spy})

    got = run(proposal("NG201", "log", "y = spy(torch.log(torch.softmax(z, -1)))"))

    assert got.verified
    assert "only the rewritten expression was run" in got.note
    assert [] == CALLED


def test_verifying_leaves_no_trace() -> None:
    """Warning filters, error states, gradient mode and the copies are as before, and nothing is warned about."""
    x = np.array([800.0, 1.0])
    before = (list(warnings.filters), np.geterr(), torch.is_grad_enabled(), x.copy())

    with warnings.catch_warnings(record=True) as seen, torch.no_grad():
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        verdict("NG203", "exp", "y = np.exp(x) / np.exp(x).sum()", framework="numpy", x=x)
        verdict("NG201", "log", "y = torch.log(torch.softmax(z, -1))", z=LOGITS)
        assert filters == list(warnings.filters)
        assert not torch.is_grad_enabled()

    assert [] == [str(w.message) for w in seen]
    assert before[:3] == (list(warnings.filters), np.geterr(), torch.is_grad_enabled())
    assert np.array_equal(before[3], x)
    assert LOGITS.grad is None


def test_inference_mode_is_no_obstacle() -> None:
    """A cell that runs under inference_mode gets its verdict; its tensors carry no gradient."""
    with torch.inference_mode():
        z = torch.tensor([[200.0, 0.0]])
        got = verdict("NG201", "log", "y = torch.log(torch.softmax(z, -1))", z=z)

    assert got.verified, got
    assert "gradient" not in got.note


def test_what_warns_is_run_unheard_and_keeps_which_lines_have_warned() -> None:
    """An operation that warned in the user's cell warns no second time, and the cell's own line stays silent."""
    x = torch.tensor([1.0])
    space: dict[str, Any] = {"torch": torch, "x": x, "__name__": "__main__"}
    cell = compile("y = torch.std(x)", "<ipython-input-verify>", "exec")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        exec(cell, space)
        verdict("NG401", "std", "y = torch.std(x)", x=x)
        exec(cell, space)

    assert [("<ipython-input-verify>", 1)] == [(w.filename, w.lineno) for w in seen]
