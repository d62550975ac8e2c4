"""The logarithm of ratios of exponentials that were masked, joined or written over in place is made of their exponents."""

from __future__ import annotations

import math

import pytest

from .harness import run
from .test_second_fault import first_rewrite

IN_PLACE = (
    "import torch\nz = torch.eye(4) + 0.5\ntau = 0.01\nsim = z @ z.T\nsim.div_(tau)\nsim.exp_()\nsim.fill_diagonal_(0.0)\n"
    "pos = sim[torch.arange(4), torch.tensor([1, 2, 3, 0])]\nloss = -torch.log(pos / sim.sum(dim=1)).mean()\n"
)
MASKED = (
    "import torch\nz = torch.eye(4) + 0.5\nsim = torch.exp(z @ z.T / 0.01)\noff = ~torch.eye(4, dtype=torch.bool)\n"
    "neg = (sim * off).sum(dim=1)\nhalf = torch.exp((z[:2] * z[2:]).sum(1) / 0.01)\npos = torch.cat([half, half])\n"
    "loss = -torch.log(pos / neg).mean()\n"
)


def finite_after(cell: str, variable: str, number: str = "") -> tuple[str, float]:
    """(the rewritten text, the variable or another number after the edits were made and the cell run plainly)."""
    rewrite = first_rewrite(cell, variable)
    assert rewrite is not None
    assert rewrite["verified"], rewrite["note"]
    lines = cell.split("\n")
    for edit in rewrite["edits"]:
        assert edit["before"] == "\n".join(lines[edit["line"] - 2 : edit["end_line"] - 1])  # %%numguard is line 1
        lines[edit["line"] - 2 : edit["end_line"] - 1] = edit["after"].split("\n")
    space: dict[str, object] = {}
    exec("\n".join(lines), space)
    return rewrite["after"], float(space[number or variable])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "holds"), [(IN_PLACE, "(z @ z.T).div(tau)"), (MASKED, "torch.cat([exponent, exponent])")]
)
def test_a_ratio_of_masked_exponentials_is_a_difference_of_logarithms(cell: str, holds: str) -> None:
    """All that was done to the exponentials is done to the exponents: every in-place step, the mask, the joining."""
    import torch

    text, loss = finite_after(cell, "loss")
    z = (torch.eye(4) + 0.5).double()
    exponents = (z @ z.T / 0.01).masked_fill(torch.eye(4, dtype=torch.bool), float("-inf"))
    wanted = exponents.logsumexp(1) - exponents[torch.arange(4), torch.tensor([1, 2, 3, 0])]

    assert holds in text
    assert float(wanted.mean()) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        (
            "import torch\nz = torch.tensor([[1.0], [-1.0]])\nsim = torch.exp(z @ z.T / 0.005)\nsim.fill_diagonal_(0.0)\n"
            "loss = -torch.log(sim.diagonal(1) / sim.sum(1)[:1]).sum()\n",
            0.0,
        ),
        (
            "import torch\na, b = torch.tensor([200.0]), torch.tensor([1.0])\ne = torch.cat([torch.exp(a), torch.exp(b)])\n"
            "loss = torch.log(e).sum()\n",
            201.0,
        ),
        (
            "import torch\na = torch.tensor([200.0])\ne = torch.exp(a)\nloss = torch.log(torch.sqrt(e) * 2.0).sum()\n",
            100.693147,
        ),
    ],
)
def test_masked_joined_and_rooted_exponentials_have_their_own_logarithms(cell: str, wanted: float) -> None:
    """What is masked counts as nothing, not as one; each joined part is its own; a root halves."""
    assert wanted == pytest.approx(finite_after(cell, "loss")[1], abs=1e-4)


def test_softmax_of_what_was_written_over_is_that_of_what_it_was() -> None:
    """After `w.exp_()` the name holds exponentials: the rewrite says what they were made of."""
    cell = "import torch\nscores = torch.tensor([[200.0, 1.0]])\nw = scores * 2\nw.exp_()\np = w / w.sum(1, keepdim=True)\n"
    text, _ = finite_after(cell + "q = (p * 3).sum()\n", "q")

    assert "p = torch.softmax(scores * 2, 1)" == text


def test_a_forward_recursion_in_a_method_is_one_of_logarithms() -> None:
    """Both factors are exponentials that were given a new axis; the failing round is compared in value and gradient where it
    is finite, though the rows that are not share the gradient of `trans`."""
    cell = (
        "import torch\nclass Chain(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.trans = torch.nn.Parameter(torch.eye(3))\n    def total(self, em):\n        a = em[:, 0]\n"
        "        for t in range(1, em.size(1)):\n"
        "            a = em[:, t] + torch.log((torch.exp(a)[:, :, None] * self.trans.exp()[None]).sum(1))\n"
        "        return torch.logsumexp(a, dim=1)\nz = Chain().total(torch.tensor([1.0, 9.0])[:, None, None].expand(2, 50, 3))\n"
        "one = z[1].detach()\n"
    )
    text, one = finite_after(cell, "z", "one")

    assert "torch.logsumexp(a[:, :, None] + self.trans[None], dim=1)" in text
    assert 450.0 + _chained(50) == pytest.approx(one, rel=1e-5)


def _chained(rounds: int) -> float:
    """log of the sum of all weights of chains: every step multiplies by e + 2, and there are three ends."""
    return math.log(3.0) + (rounds - 1) * math.log(math.e + 2.0)


def test_a_name_that_cannot_be_said_any_more_is_not_guessed() -> None:
    """What the tensor was bound to draws random numbers: no other draw is put in its place."""
    cell = "import torch\nw = torch.randn(1, 9) * 900\nw.exp_()\np = w / w.sum(1, keepdim=True)\n"
    (answers,) = run([{"cells": [cell], "traced": None}])

    texts = [str((d["rewrite"] or {}).get("after")) for f in answers[-1].alarms for d in f["diagnoses"]]
    assert texts
    assert not any("randn" in text for text in texts)


@pytest.mark.parametrize(
    ("total", "weight"),
    [
        ("total = torch.zeros(3).index_add_(0, dst, w)", "w / total[dst]"),
        ("total = torch.zeros(3)\n    total.index_add_(0, dst, w)", "w / (total[dst] + 1e-16)"),
        ("total = torch.zeros_like(w[:3]).scatter_add(0, dst, w)", "w / total.gather(0, dst)"),
    ],
)
def test_weights_per_group_have_the_groups_largest_score_taken_off(total: str, weight: str) -> None:
    """A group whose scores are all far below the others keeps its weights: one maximum for all would make it 0/0."""
    cell = (
        f"import torch\ndef weights(score, dst):\n    w = torch.exp(score)\n    {total}\n    return {weight}\n"
        "a = weights(torch.tensor([200.0, 201.0, -300.0, -301.0, 3.0]), torch.tensor([0, 0, 1, 1, 2]))\nfirst = a[2]\n"
    )
    text, third = finite_after(cell, "a", "first")

    assert "'amax', include_self=False)" in text
    assert third == pytest.approx(0.7310586)


def test_weights_that_are_read_elsewhere_are_not_shifted() -> None:
    """The exponentials themselves are returned as well: shifted they would be other numbers."""
    cell = (
        "import torch\ndef weights(score, dst):\n    w = torch.exp(score)\n    total = torch.zeros(2).index_add_(0, dst, w)\n"
        "    return w / total[dst], w\na, w = weights(torch.tensor([200.0, 1.0]), torch.tensor([0, 1]))\n"
    )
    rewrite = first_rewrite(cell, "w")

    assert "amax" not in str(rewrite)


def test_a_guarded_logarithm_in_place_still_writes_to_the_same_memory() -> None:
    """Another name of the tensor sees the result: a guard that made a copy would leave it as it was."""
    cell = "import torch\nx = torch.tensor([0.0, 1.0])\nseen = x\nx.log_()\nleast = seen.min()\n"
    text, least = finite_after(cell, "x", "least")

    assert "x.clamp_(min=1e-12).log_()" == text
    assert -27.631021 == pytest.approx(least)
