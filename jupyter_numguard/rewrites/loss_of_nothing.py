"""loss_of_nothing: A loss that averages over what a mask has picked is 0/0 where it picked nothing; of nothing it is 0.

The call stays as it is, `criterion(p[m], y[m])` too; where its first argument is empty, that argument's sum stands in its
place: 0, of the same dtype, and in the same graph.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG404"}
GENERAL = True
NEIGHBOURHOOD = "batches that hold nothing"
EXAMPLES = {
    "torch": (
        "y = torch.nn.functional.smooth_l1_loss(x[mask > 9], b[mask > 9], beta=0.1)",
        "y = torch.nn.functional.mse_loss(input=x[mask > 9], target=b[mask > 9])",
    )
}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The failing call, of torch: TensorFlow's losses and numpy's means have rewrites of their own."""
    call = reader.failing_call()
    if framework != "torch" or call is None:
        return
    given = next((k.value for k in call.keywords if k.arg == "input"), call.args[0] if call.args else None)
    if not isinstance(given, ast.Name | ast.Attribute | ast.Subscript):
        return  # what computes is not written twice
    before, x = ast.unparse(call), ast.unparse(given)
    after = f"{before} if {x}.numel() else {x}.sum()"
    yield Change(reader.failing, call, after, (before, after), framework)
