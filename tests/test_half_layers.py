"""A layer in float16 that overflows is computed in float32 on copies of its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import run

LAYER = "import torch, torch.nn as nn, torch.nn.functional as F\nup = nn.Linear(256, 8{}).half()\n"
LAYER += "with torch.no_grad(): up.weight.fill_(3.0)\nx = torch.full((2, 256), 200.0, dtype=torch.float16)\n"


def diagnoses(cells: list[str], variable: str) -> list[dict[str, Any]]:
    """Those of a variable of the last cell, which alone is traced."""
    (answers,) = run([{"cells": cells, "traced": [len(cells) - 1]}])
    found: list[dict[str, Any]] = next(f for f in answers[-1].alarms if f["variable"] == variable)["diagnoses"]
    return found


@pytest.mark.parametrize(
    ("cells", "after"),
    [
        ([LAYER.format(""), "z = up(x)\n"], "z = F.linear(x.float(), up.weight.float(), up.bias.float())"),
        ([LAYER.format(", bias=False"), "z = up(x - 1)\n"], "z = F.linear((x - 1).float(), up.weight.float())"),
        (
            [LAYER.format(""), "z = F.linear(x, up.weight, up.bias)\n"],
            "z = F.linear(x.float(), up.weight.float(), up.bias.float())",
        ),
    ],
)
def test_a_half_layer_is_computed_wider(cells: list[str], after: str) -> None:
    """The layer itself stays float16; the rewrite ran on copies of its parameters."""
    told = diagnoses(cells, "z")[0]

    assert told["rewrite"]["verified"], told["rewrite"]
    assert (told["rule"], told["rewrite"]["after"]) == ("NG501", after)


def test_what_goes_on_into_a_half_layer_is_not_widened() -> None:
    """The next layer takes no float32: no rewrite that makes the program raise."""
    cell = LAYER.format("") + "down = nn.Linear(8, 2).half()\n"

    assert diagnoses([cell, "h = up(x)\nz = down(h)\n"], "z")[0]["rewrite"] is None
