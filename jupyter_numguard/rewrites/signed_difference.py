"""signed_difference: Unsigned integers have no negative difference: it wraps round. With one of them signed it exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard import wording
from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG504"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the difference is negative"
EXAMPLES = {"numpy": ("y = np.log(12.0 - (m - n))",)}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The left operand of a difference that the failing statement is made of."""
    int64 = reader.spelled("numpy.int64")
    if framework != "numpy" or int64 is None:
        return
    dtypes = {t.variable: wording.dtype_name(t.dtype) for t in reader.path.named}
    for home in range(reader.failing, len(reader.sequence)):
        for term in reader.terms(home):
            x, y = term.argument("x"), term.argument("y")
            if term.op != "sub" or x is None or y is None:
                continue
            if not all(isinstance(t.node, ast.Name) and dtypes.get(t.node.id, "").startswith("uint") for t in (x, y)):
                continue
            left, right = reader.text(x), reader.text(y)
            signed = f"{left}.astype({int64})"
            yield Change(
                home, x.node, signed, (f"{left} - {right}", f"{signed} - {right}"), framework, f"{left} < {right}"
            )
