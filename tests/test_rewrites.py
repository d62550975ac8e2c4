"""The rewrite catalogue: both forms of every rewrite agree where the original works, and only `after` survives stress.

The tests are derived from the files: a new rewrite needs none of its own.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from typing import Any

import numpy as np
import pytest

from jupyter_numguard.matching import Reader
from jupyter_numguard.model import ExecutionRef, LineagePath, Origin, SourceStatement
from jupyter_numguard.numerics import Outcome, evaluate
from jupyter_numguard.propose import propose
from jupyter_numguard.rewrite import Form, Proposal, Rewrite, load_rewrites
from jupyter_numguard.rule import load_rules

REWRITES = load_rewrites()
EXECUTION = ExecutionRef(3)


def forms() -> list[Any]:
    """(rewrite, form) of the whole catalogue."""
    return [
        pytest.param(r, f, id=f"{r.name}-{f.before.__name__.removeprefix('before_')}")
        for r in REWRITES
        for f in r.forms
    ]


def run(form: Form, function: Any, operands: Any, rewrite: Rewrite) -> Outcome:
    """Value and gradient of one side on operands written as lists."""
    if importlib.util.find_spec(form.framework) is None:
        pytest.skip(f"{form.framework} is not installed")
    module = importlib.import_module(form.framework)
    given = operands if isinstance(operands, tuple) else (operands,)
    make = {"torch": "tensor", "tensorflow": "constant", "numpy": "array"}[form.framework]
    narrow = {} if rewrite.dtype is None else {"dtype": getattr(module, rewrite.dtype)}
    values = [getattr(module, make)(v, **narrow) if isinstance(v, list) else v for v in given]
    gradient = rewrite.has_gradient and form.framework != "numpy"
    return evaluate(lambda *v: function(module, *v), values, form.framework, gradient=gradient)


def guarded(form: Form, operands: Any, rewrite: Rewrite, like: Any) -> Any:
    """Where the two sides may differ."""
    if form.guarded is None:
        return np.zeros(like.shape, bool)
    mask = run(form, form.guarded, operands, rewrite).value
    return mask if mask.shape == like.shape else np.zeros(like.shape, bool)


@pytest.mark.parametrize(("rewrite", "form"), forms())
def test_forms_agree_on_benign_operands(rewrite: Rewrite, form: Form) -> None:
    """Value and gradient are the same to the dtype's digits outside the named neighbourhood; something is compared."""
    rtol = 2e-3 if rewrite.dtype == "float16" else 2e-5
    assert rewrite.benign
    for operands in rewrite.benign:
        before, after = (run(form, f, operands, rewrite) for f in (form.before, form.after))

        pairs = [(before.value, after.value), *zip(before.gradients, after.gradients, strict=True)]
        for b, a in pairs:
            assert (b is None) == (a is None)
            if b is None:
                continue
            free = ~guarded(form, operands, rewrite, b)
            assert free.any()
            assert b.shape == a.shape
            np.testing.assert_allclose(a[free], b[free], rtol=rtol, atol=1e-6)


@pytest.mark.parametrize(("rewrite", "form"), forms())
def test_only_after_survives_stress(rewrite: Rewrite, form: Form) -> None:
    """On the stress operands the original is non-finite in value or gradient, and the rewrite is finite in both."""
    assert rewrite.stress
    for operands in rewrite.stress:
        assert not run(form, form.before, operands, rewrite).is_finite()
        assert run(form, form.after, operands, rewrite).is_finite()


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda r: r.name)
def test_rewrite_is_well_formed(rewrite: Rewrite) -> None:
    """It fixes rules that exist, says so in a sentence, and names the neighbourhood that its guard marks."""
    assert rewrite.fixes
    assert rewrite.fixes <= {rule.code for rule in load_rules()}
    assert rewrite.summary.endswith(".")
    assert rewrite.name == rewrite.name.lower()
    assert rewrite.forms or rewrite.examples
    assert rewrite.neighbourhood or (rewrite.same_mathematics and all(f.guarded is None for f in rewrite.forms))
    for form in rewrite.forms:
        assert form.pattern.op not in ("opaque", "constant"), "the matcher does not understand this pattern"


def proposals(code: str, op: str, *sources: str, framework: Any = "torch", **kw: Any) -> list[Proposal]:
    """What is proposed for statements given newest first, all in one cell, one line each unless they say otherwise."""
    statements, line = [], 40
    for source in sources:
        height = source.count("\n")
        statements.append(SourceStatement(EXECUTION, line - height, line, source))
        line -= height + 2
    origin = Origin(
        "op", "exact", EXECUTION, None, 40, sources[0], None, None, (), op, op, "forward", None, 1, (), None
    )
    return propose(LineagePath("y", origin, statements=tuple(statements), framework=framework, **kw), REWRITES, code)


def after(code: str, op: str, *sources: str, **kw: Any) -> str | None:
    """The new text of the first proposal."""
    found = proposals(code, op, *sources, **kw)
    return found[0].source if found else None


def test_the_logarithm_of_a_density_is_the_distributions_own() -> None:
    """Also where a statement before made it; a class of the user's with a `pdf` has perhaps no `logpdf`."""
    kw: Any = {"framework": "numpy", "aliases": (("np", "numpy"), ("norm", "scipy.stats.norm"))}

    assert "y = -norm.logpdf(x, scale=s)" == after("NG101", "log", "y = -np.log(norm.pdf(x, scale=s))", **kw)
    assert "y = norm.logsf(x)" == after("NG101", "log", "y = np.log(p)", "p = norm.sf(x)", **kw)
    assert "logpdf" not in (after("NG101", "log", "y = np.log(mine.pdf(x))", **kw) or "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = torch.log(torch.softmax(z, dim=1))", "y = F.log_softmax(z, 1)"),
        ("y = z.softmax(-1).log()", "y = F.log_softmax(z, -1)"),
        ("y = torch.log(input=F.softmax(z + b, dim=-1))[0]", "y = F.log_softmax(z + b, -1)[0]"),
        ("    y = -torch.log(nn.Softmax(dim=-1)(z * 2)).mean()", "    y = -F.log_softmax(z * 2, -1).mean()"),
        (
            "y = (\n    p\n    + torch.log( torch.softmax(f(z),  2) )\n)",
            "y = (\n    p\n    + F.log_softmax(f(z), 2)\n)",
        ),
        ("größe = torch.log(torch.softmax(größe, -1)) * 2", "größe = F.log_softmax(größe, -1) * 2"),
    ],
)
def test_rewrite_is_laid_over_the_users_spelling(source: str, expected: str) -> None:
    """Function, method, layer and module forms, positional and keyword dimension: only the expression changes."""
    assert expected == after("NG201", "log", source)


@pytest.mark.parametrize(
    ("code", "op", "framework", "source", "expected"),
    [
        ("NG203", "exp", "torch", "y = torch.log(torch.exp(x).sum(-1, keepdim=True))",
         "y = torch.logsumexp(x, -1, keepdim=True)"),
        ("NG203", "exp", "torch", "y = x.exp().sum(1).log()", "y = torch.logsumexp(x, 1)"),
        ("NG203", "exp", "torch", "y = torch.log(torch.sum(torch.exp(x - m)))", "y = torch.logsumexp((x - m).flatten(), 0)"),
        ("NG203", "exp", "torch", "y = 2 * torch.log(torch.exp(x) + 1.0)", "y = 2 * F.softplus(x)"),
        ("NG203", "exp", "torch", "y = torch.log(torch.exp(a) + torch.exp(b))", "y = torch.logaddexp(a, b)"),
        ("NG203", "exp", "torch", "y = x.exp() / x.exp().sum(dim=1, keepdim=True)", "y = torch.softmax(x, 1)"),
        ("NG203", "exp", "numpy", "y = np.log(np.sum(np.exp(x), axis=1))", "y = np.logaddexp.reduce(x, axis=1)"),
        ("NG203", "exp", "numpy", "y = np.log(np.exp(x).sum())", "y = np.logaddexp.reduce(x, axis=None)"),
        ("NG203", "exp", "numpy", "y = np.log1p(np.exp(x)) ** 2", "y = np.logaddexp(0, x) ** 2"),
        ("NG202", "log", "numpy", "y = c * np.log(1 / (1 + np.exp(-x)))", "y = c * (-np.logaddexp(0, -x))"),
        ("NG202", "log", "numpy", "y = np.log(1 / (1 + np.exp(-k * (x - 1))))", "y = -np.logaddexp(0, -(k * (x - 1)))"),
        ("NG202", "log", "numpy", "y = np.log(1 / (1 + np.exp(c - x)))", "y = -np.logaddexp(0, -(x - c))"),
        ("NG202", "log", "torch", "y = torch.log(1 / (1 + torch.exp(-x / T)))", "y = F.logsigmoid(x / T)"),
        ("NG202", "log", "torch", "y = torch.log(1 - 1.0 / (torch.exp(-x) + 1))", "y = F.logsigmoid(-x)"),
        ("NG202", "log", "tensorflow", "y = tf.math.log(1 / (1 + tf.exp(-x)))", "y = tf.math.log_sigmoid(x)"),
        ("NG203", "exp", "tensorflow", "y = tf.math.log(tf.reduce_sum(tf.exp(x), axis=-1))",
         "y = tf.reduce_logsumexp(x, axis=-1)"),
        ("NG201", "log", "tensorflow", "y = tf.math.log(tf.nn.softmax(x))", "y = tf.nn.log_softmax(x)"),
        ("NG202", "log", "tensorflow", "y = tf.math.log(1.0 - tf.sigmoid(x))", "y = tf.math.log_sigmoid(-x)"),
    ],
)  # fmt: skip
def test_catalogue_covers_the_usual_spellings(code: str, op: str, framework: Any, source: str, expected: str) -> None:
    """The unstable formulas that are met most often, in three frameworks."""
    assert expected == after(code, op, source, framework=framework)


@pytest.mark.parametrize(
    "source",
    [
        "y = torch.log(torch.softmax(z))",  # the dimension is not said
        "y = torch.log(torch.softmax(z, -1, dtype=torch.float64))",  # an argument the pattern does not know
        "y = torch.log(torch.softmax(z, -1) + 1e-9)",
        "y = torch.log(softmax(z, -1))",  # somebody's own function
        "y = torch.log2(torch.softmax(z, -1))",
        "y = torch.log(torch.softmax(*args))",
        "%time y = torch.log(torch.softmax(z, -1))",
        "y = np.log(torch.softmax(z, -1))",  # two frameworks
    ],
)
def test_matcher_declines_what_it_does_not_understand(source: str) -> None:
    """A rewrite is offered for exactly the pattern, not for what looks like it."""
    assert after("NG201", "log", source) is None


def test_rewrite_reaches_through_a_variable() -> None:
    """`p = softmax(z)` and then `log(p)`: the failing line is rewritten, the line of `p` stays."""
    (found,) = proposals("NG201", "log", "y = torch.log(p)", "p = torch.softmax(z * 2, dim=-1)")

    assert "y = F.log_softmax(z * 2, -1)" == found.source
    assert [(40, 40, "y = torch.log(p)")] == [(e.line, e.end_line, e.before) for e in found.edits]


def test_rewrite_reaches_through_a_layer_of_one_operation() -> None:
    """`soft = nn.Softmax(dim=-1)`, and then `log(soft(z))`."""
    assert "y = F.log_softmax(z, -1)" == after("NG201", "log", "y = torch.log(soft(z))", "soft = nn.Softmax(dim=-1)")
    assert after("NG201", "log", "y = torch.log(soft(z))", "soft = make()") is None


@pytest.mark.parametrize(
    "between",
    ["z = z - 1", "z[0] = 5", "z.add_(1)", "del z", "z, w = w, z", "z += 1"],
)
def test_rewrite_declines_where_the_operand_was_rebound(between: str) -> None:
    """`z` is no longer what the softmax saw."""
    assert after("NG201", "log", "y = torch.log(p + 0 * z)", between, "p = torch.softmax(z, -1)") is None
    assert after("NG201", "log", "y = torch.log(p)", between, "p = torch.softmax(z, -1)") is None


@pytest.mark.parametrize(
    "logits",
    ["model(x)", "torch.randn(4) + mask", "rng.gamma(2.0, size=4)", "F.dropout(z, 0.1)", "next(batches)"],
)
def test_what_may_do_more_than_compute_is_not_computed_again(logits: str) -> None:
    """It gets a name where it stands: a second draw is another number, a model that trains another model."""
    first = f"    p = torch.softmax({logits}, -1)"
    (found,) = proposals("NG201", "log", "    y = torch.log(p)", first)

    named = f"    logits = {logits}\n    p = torch.softmax(logits, -1)"
    assert [("    y = torch.log(p)", "    y = F.log_softmax(logits, -1)"), (first, named)] == [
        (e.before, e.after) for e in found.edits
    ]


def test_one_value_gets_one_name() -> None:
    """Both logarithms of a cross-entropy read the same logits; the name is a new one, none of the notebook's."""
    source = "loss = -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()"
    found = proposals("NG202", "log", source, "p = torch.sigmoid(net(x))", taken=frozenset({"logits"}))[0]

    assert [
        "loss = -(t * F.logsigmoid(logits2) + (1 - t) * F.logsigmoid(-logits2)).mean()",
        "logits2 = net(x)\np = torch.sigmoid(logits2)",
    ] == [e.after for e in found.edits]


def test_operand_that_is_written_twice_is_computed_once() -> None:
    """A guard that names its operand twice reads a name."""
    assert ["operand = torch.rand(4)\ny = x / torch.where(operand == 0, 1e-12, operand)"] == [
        e.after for e in proposals("NG102", "div", "y = x / torch.rand(4)")[0].edits
    ]
    assert "y = x / torch.where(torch.abs(z) == 0, 1e-12, torch.abs(z))" == after(
        "NG102", "div", "y = x / torch.abs(z)"
    )


@pytest.mark.parametrize(
    "source",
    [
        "y = x / torch.rand(4) if c else x",
        "y = [x / torch.rand(4) for _ in z]",
        "if c: y = x / torch.rand(4)",
    ],
)
def test_rewrite_declines_where_no_name_can_be_bound(source: str) -> None:
    """What runs at times only is not made to run always; it is not run twice either: only what reads it once is proposed."""
    wanted = ast.parse(source.replace("torch.rand(4)", "(torch.rand(4) or 1e-12)"))

    texts = [edit.after for proposal in proposals("NG102", "div", source) for edit in proposal.edits]

    assert [ast.unparse(wanted)] == [ast.unparse(ast.parse(text)) for text in texts]


def test_rewrite_declines_where_the_variable_overwrote_its_operand() -> None:
    """`z = softmax(z)`: the logits are gone."""
    assert after("NG201", "log", "y = torch.log(z)", "z = torch.softmax(z, -1)") is None


def test_rewrite_uses_the_names_that_the_notebook_has() -> None:
    """Aliases are looked up; where the notebook has no name for the module, nothing is offered."""
    source = "y = tt.log(tt.softmax(z, 0))"

    assert "y = fun.log_softmax(z, 0)" == after(
        "NG201", "log", source, aliases=(("tt", "torch"), ("fun", "torch.nn.functional"))
    )
    assert "y = tt.nn.functional.log_softmax(z, 0)" == after("NG201", "log", source, aliases=(("tt", "torch"),))
    only_functions = (("log", "torch.log"), ("softmax", "torch.softmax"))
    assert after("NG201", "log", "y = log(softmax(z, 0))", aliases=only_functions) is None


def test_both_logarithms_of_a_cross_entropy_are_rewritten() -> None:
    """One of the two failed; the other would be next."""
    source = "loss = -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()"

    new = after("NG202", "log", source, "p = torch.sigmoid(x)")

    assert "loss = -(t * F.logsigmoid(x) + (1 - t) * F.logsigmoid(-x)).mean()" == new


def test_edit_holds_the_exact_source() -> None:
    """Indentation, comments and line breaks outside the expression stay; before is what the cell holds."""
    source = "    y = [torch.log(torch.softmax(z, -1)),  # the likelihood\n         0]"
    (found,) = proposals("NG201", "log", source)

    (edit,) = found.edits
    assert source == edit.before
    assert "    y = [F.log_softmax(z, -1),  # the likelihood\n         0]" == edit.after
    assert (39, 40, EXECUTION) == (edit.line, edit.end_line, edit.execution)


def test_failing_operation_is_found_by_its_span() -> None:
    """With a span the innermost operation on it is the failing one, not another of the same name on the line."""
    from jupyter_numguard.model import Span

    source = "y = torch.log(a) + torch.log(b)"
    origin = Origin(
        "op",
        "exact",
        EXECUTION,
        None,
        1,
        source,
        Span(1, 19, 1, 31),
        None,
        (),
        "log",
        "log",
        "forward",
        None,
        1,
        (),
        None,
    )
    reader = Reader(LineagePath("y", origin, statements=(SourceStatement(EXECUTION, 1, 1, source),)))

    (term,) = reader.guilty()
    assert "torch.log(b)" == source[term.node.col_offset : term.node.end_col_offset]


def test_catalogue_imports_no_framework() -> None:
    """Reading all rules and rewrites imports neither a framework nor numpy."""
    import subprocess

    code = (
        "import sys\nfrom jupyter_numguard.rule import load_rules\nfrom jupyter_numguard.rewrite import load_rewrites\n"
        "load_rules(), load_rewrites()\nprint([m for m in ('torch', 'tensorflow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()
