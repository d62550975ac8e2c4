"""wider_product: A product of integers wraps round in their dtype; in float64 it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.wrapped import wrapped_product

FIXES = {"NG505"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the product wrapped round"
EXAMPLES = {"numpy": ("y = np.sqrt(np.mean(short ** 2))",)}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The named factor of the product that the failing operation's operand is made of."""
    found = wrapped_product(reader)
    float64 = reader.spelled("numpy.float64")
    if found is None or framework == "tensorflow" or (framework == "numpy" and float64 is None):
        return
    term, factor, largest = found
    node = next(a.node for _, a in term.arguments if reader.text(a) == factor.variable)
    wide = f"{factor.variable}.double()" if framework == "torch" else f"{factor.variable}.astype({float64})"
    before = reader.text(term)
    after = re.sub(rf"\b{re.escape(str(factor.variable))}\b", wide, before)
    yield Change(
        term.home, node, wide, (before, after), framework, f"abs({after}) > {largest}",
    )  # fmt: skip
