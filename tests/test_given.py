"""An operand without a name of its own is copied by its source text, so that a rewrite can be run on what failed."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from jupyter_numguard.copies import Copies
from jupyter_numguard.given import texts_of_operands

from .harness import run


@pytest.mark.parametrize(
    ("source", "op", "phase", "count", "expected"),
    [
        ("torch.log(f(a)  + b)", "log", "forward", 1, ["f(a) + b"]),
        ("z[i].log()", "log", "forward", 1, ["z[i]"]),
        ("a / g(b)", "div", "forward", 2, ["a", "g(b)"]),
        ("x /= g(b)", "div", "forward", 1, ["g(b)"]),
        ("torch.softmax(scores, -1)", "softmax", "forward", 1, ["scores"]),
        ("torch.softmax(scores, -1)", "exp", "forward", 1, []),
        ("(1 - p) ** gamma", "pow", "backward", 2, ["1 - p"]),
        ("torch.sqrt(s)", "sqrt", "backward", 2, ["s"]),
        ("torch.exp(s)", "exp", "backward", 2, []),
        ("x.pow(k)", "pow", "backward", 3, ["x", "k"]),
        ("a / b", "div", "backward", 2, ["b"]),
        ("a / b", "div", "backward", 3, ["a", "b"]),
        ("2 / x", "div", "forward", 2, [None, "x"]),
        ("f(*xs)", "f", "forward", 1, []),
    ],
)
def test_operands_have_texts(source: str, op: str, phase: Any, count: int, expected: list[str | None]) -> None:
    """Operators, functions, methods and augmented assignments; nothing where it cannot be told which is which."""
    body = ast.parse(source).body[0]
    node = body.value if isinstance(body, ast.Expr) else body

    texts = texts_of_operands(node, op, phase, count, lambda name: name == "torch")

    assert expected == list(texts)


def test_a_copy_stands_for_the_largest_part_that_it_is_a_copy_of() -> None:
    """`f(self.x)` has a copy of its own: the call is not made, `self` is not needed."""
    copies = Copies({"f(self.x)": 1.0, "self.x": 2.0, "y": 3.0})

    node = copies.renamed(ast.parse("f(self.x) + self.x + y", mode="eval").body)

    assert 6.0 == eval(compile(ast.fix_missing_locations(ast.Expression(node)), "", "eval"), {}, dict(copies.names))


def first_rewrite(*cells: str) -> dict[str, Any]:
    """The rewrite of the first diagnosis of the first alarm of the last cell."""
    (answers,) = run([{"cells": list(cells), "traced": None}])
    rewrite: dict[str, Any] = answers[-1].alarms[0]["diagnoses"][0]["rewrite"]
    return rewrite


@pytest.mark.parametrize(
    "cell",
    [
        "import torch\ndef f(a):\n    return (a - 1).clamp(min=0)\nx = torch.ones(2)\ny = torch.log(f(x))\n",
        "import torch\nxs = [torch.ones(2), torch.zeros(2)]\nfor i in range(2):\n    y = torch.log(xs[i])\n",
        "import torch\nbatch = {'n': torch.zeros(2)}\ny = torch.ones(2) / batch['n']\n",
        "import numpy as np\nclass S:\n    def fit(self, x):\n        self.s = x.std(0)\n        return x / self.s\n"
        "y = S().fit(np.ones((3, 2)))\n",
        "import torch\ndef f(p, gamma=0.5):\n    return ((1 - p) ** gamma).sum()\n"
        "p = torch.ones(2, requires_grad=True)\nf(p).backward()\ng = p.grad\n",
        "import torch\ndef spread(a):\n    v = ((a - a.mean()) ** 2).mean()\n    return v.sqrt()\n"
        "p = torch.ones(4, requires_grad=True)\nspread(p).backward()\ng = p.grad\n",
        "import torch\nclass Unit(torch.nn.Module):\n    def forward(self, a):\n        return a * torch.rsqrt(a.pow(2).sum())\n"
        "p = torch.full((2,), 1e-30, requires_grad=True)\nUnit()(p * 1).backward(torch.ones(2))\ng = p.grad\n",
        "import torch\nclass Curve(torch.nn.Module):\n    def __init__(self, k):\n        super().__init__()\n"
        "        self.k = k\n"
        "    def forward(self, a):\n        bent = self.k * a ** self.k\n        return bent.sum()\n"
        "p = torch.tensor([0., 2.], requires_grad=True)\nCurve(0.3)(p).backward()\ng = p.grad\n",
    ],
)
def test_a_rewrite_is_run_on_operands_without_a_name(cell: str) -> None:
    """A user's function's result, an element of a list or a dict, an attribute, and what autograd kept of a forward pass."""
    rewrite = first_rewrite(cell)

    assert rewrite["verified"], rewrite


def test_the_gradient_is_checked_where_the_gradient_failed() -> None:
    """A saved operand says nothing of its gradient; the note of a rewrite for a gradient speaks of it all the same."""
    cell = "import torch\ndef f(p, gamma=0.5):\n    return ((1 - p) ** gamma).sum()\n"
    cell += "p = torch.ones(2, requires_grad=True)\nf(p).backward()\ng = p.grad\n"

    assert "gradient too" in first_rewrite(cell)["note"]


def test_a_local_of_the_forward_pass_is_not_mistaken_for_a_global_of_the_same_name() -> None:
    """In the backward pass the function has returned: its `x` is gone, and the notebook's `x` is another."""
    cell = "import torch\nx = torch.full((2,), 5.0)\ndef f(q):\n    x = q * 1\n    return torch.sqrt(x).sum()\n"
    cell += "w = torch.zeros(2, requires_grad=True)\nf(w).backward()\ng = w.grad\n"

    assert "no finite element to compare" in first_rewrite(cell)["note"]  # on zeros; of fives there would be two


@pytest.mark.parametrize(
    ("cell", "before", "after"),
    [
        ("import torch\np = torch.tensor([0.5, 0.0])\np.log_()", "p.log_()", "p.clamp_(min=1e-12).log_()"),
        (
            "import torch\nz = torch.tensor([200.0, 0.0])\np = z.softmax(0)\np.log_()",
            "p.log_()", "p.copy_(torch.nn.functional.log_softmax(z, 0))",
        ),
        (
            "import torch\nh = torch.tensor([[3.0, 4.0], [0.0, 0.0]])\nn = h.norm(dim=1, keepdim=True)\nh.div_(n)",
            "h.div_(n)", "h.div_(torch.where(n == 0, 1e-12, n))",
        ),
        (
            "import numpy as np\nm = np.array([[1.0, 2.0], [0.0, 0.0]])\nt = m.sum(axis=1, keepdims=True)\nm /= t",
            "m /= t", "m /= np.where(t == 0, 1e-12, t)",
        ),
        (
            "import numpy as np\nw = np.zeros(3)\nw /= w.sum()",
            "w /= w.sum()", "w /= np.where(w.sum() == 0, 1e-12, w.sum())",
        ),
        (
            "import numpy as np\np = np.array([0.2, 0.0])\nnp.log(p, out=p)",
            "np.log(p, out=p)", "np.log(np.clip(p, 1e-12, None), out=p)",
        ),
        (
            "import numpy as np\na, b, c = np.array([1.0, 2.0]), np.array([0.0, 4.0]), np.empty(2)\nnp.divide(a, b, out=c)",
            "np.divide(a, b, out=c)", "np.divide(a, np.where(b == 0, 1e-12, b), out=c)",
        ),
    ],
)  # fmt: skip
def test_what_writes_over_its_operand_is_rewritten_in_place_and_verified(cell: str, before: str, after: str) -> None:
    """torch's operand was copied before, numpy's is worked out from the result; the same tensor holds the new one."""
    rewrite = first_rewrite(cell)

    assert (before, after, True) == (rewrite["before"], rewrite["after"], rewrite["verified"])
    worked_out = "import numpy" in cell and "out=c" not in cell
    assert worked_out == ("What was overwritten was worked out from the result." in rewrite["note"])


def test_a_large_tensor_that_was_written_over_proves_nothing() -> None:
    """No copy of it was taken, and the notebook's variable holds the result by now: nothing is claimed."""
    rewrite = first_rewrite("import torch\nx = torch.ones(600, 600)\nn = torch.arange(600.0)[:, None]\nx /= n")

    assert not rewrite["verified"]
    assert rewrite["note"].startswith("Not run: no copy of `x` was taken")


UNIT = "import numpy as np\ndef unit(v):\n    size = np.linalg.norm(v)\n    return v / size\na = np.array([1.0, 1.0, 1.0])\n"


@pytest.mark.parametrize(
    ("cell", "after"),
    [
        (UNIT + "angle = np.arccos(np.dot(unit(a), unit(a)) + 3e-16)",
         "angle = np.arccos(np.clip(np.dot(unit(a), unit(a)) + 3e-16, -1, 1))"),
        (
            "import numpy as np\nEPS = 0.0\nspan = lambda v: v.max(axis=0) - v.min(axis=0) + EPS\n"
            "d = np.array([[1.0, 5.0], [2.0, 5.0]])\ns = d / span(d)",
            "operand = span(d)\ns = d / np.where(operand == 0, 1e-12, operand)",
        ),
        ("import numpy as np\ndocs, df = ['a', 'b'], np.array([0.0, 2.0])\nidf = len(docs) / df",
         "idf = len(docs) / np.where(df == 0, 1e-12, df)"),
    ],
)  # fmt: skip
def test_small_functions_of_the_user_and_lengths_are_run_for_what_they_compute(cell: str, after: str) -> None:
    """A function that binds names and returns, a lambda with a number from outside, the length of a list."""
    rewrite = first_rewrite(cell)

    assert (after, True) == (rewrite["after"], rewrite["verified"])


def test_a_function_of_the_user_is_never_called() -> None:
    """It counts its calls: there is the one of the cell; what it would compute is not known, so nothing is claimed."""
    counted = UNIT.replace("    size", "    calls.append(1)\n    size").replace("def unit", "calls = []\ndef unit")
    cell = counted + "angle = np.arccos(np.dot(unit(a), unit(a)) + 3e-16)\nassert len(calls) == 2"

    (answers,) = run([{"cells": [cell, "assert len(calls) == 2"], "traced": None}])
    assert answers[-1].ok
    assert not answers[0].alarms[0]["diagnoses"][0]["rewrite"]["verified"]


def test_a_name_that_means_something_else_where_the_function_is_called_stops_the_writing_out() -> None:
    """`shift` is another function in the caller: worked out with that one the divisor is not 0, and the division goes free."""
    cell = "import numpy as np\ndef shift(v):\n    return v - 1.0\ndef plus(w):\n    return w + 5.0\n"
    cell += "def gap(v):\n    return shift(v) * shift(v)\n"
    cell += "def ratio(v):\n    shift = plus\n    return v / gap(v)\ny = ratio(np.array([1.0, 2.0]))"

    (answers,) = run([{"cells": [cell], "traced": None}])
    origin = answers[0].alarms[0]["origin"]

    assert ("div", "return v / gap(v)") == (origin["op"], origin["code"])


def test_the_logarithm_of_a_density_goes_into_the_function_that_computes_it() -> None:
    """The closed form, not a bound: the pdf is small because the point is far away, and the logarithm says how far."""
    rewrite = first_rewrite(
        "import numpy as np\ndef pdf(x, m, s):\n    return np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))\n"
        "x, s = np.array([0.1, 90.0]), 2.0\ndens = pdf(x, 0.5, s)\nnll = -np.log(dens).sum()"
    )

    assert "nll = -(-0.5 * ((x - 0.5) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi))).sum()" == rewrite["after"]
    assert rewrite["verified"]


@pytest.mark.parametrize("step", ["p = p * q", "p *= q", "p = (p @ A) * q"])
def test_a_bound_that_is_all_that_is_left_of_a_running_product_is_not_verified(step: str) -> None:
    """The product is 0 by underflow: whatever the bound makes of it says nothing of the likelihood."""
    rewrite = first_rewrite(
        "import numpy as np\nA, q, p = np.eye(2), np.array([0.01, 0.02]), np.ones(2)\n"
        f"for _ in range(400):\n    {step}\nll = np.log(p)"
    )

    assert not rewrite["verified"]
    assert "the operand underflowed" in rewrite["note"]


def test_a_bound_on_a_zero_of_the_data_is_verified() -> None:
    """Nothing underflowed: the bound is what the author has to choose, and it is said where it applies."""
    assert first_rewrite("import numpy as np\nrate = np.array([0.0])\nv = np.log(rate)")["verified"]
