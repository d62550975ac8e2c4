"""nanmean_of_nothing: The mean of what is left after NaN is 0/0 where nothing is; a sum over at least one is 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG405"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "means of nothing"
EXAMPLES = {
    "numpy": ("y = np.nanmean(gaps)", "y = np.nanmean(table, axis=1)"),
    "torch": ("y = torch.nanmean(table, dim=1)",),
}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The call in the failing statement or one that its value reaches."""
    for home in range(reader.failing, -1, -1):
        for term in reader.terms(home):
            x, dim = term.argument("x"), term.argument("dim")
            spoken = term.framework or framework
            module = reader.spelled(spoken)
            if term.op != "nanmean" or x is None or module is None or spoken == "tensorflow":
                continue
            operand = reader.text(x)
            keep = "keepdim=True" if spoken == "torch" else "keepdims=True"
            along = "" if dim is None else f", {'dim' if spoken == 'torch' else 'axis'}={reader.text(dim)}"
            along += f", {keep}" if term.argument("keepdim") is not None else ""
            count = f"{module}.sum(~{module}.isnan({operand}){along})"
            least = f"{module}.clamp({count}, min=1)" if spoken == "torch" else f"{module}.maximum({count}, 1)"
            after = f"{module}.nansum({operand}{along}) / {least}"
            yield Change(home, term.node, after, (ast.unparse(term.node), after), spoken)
