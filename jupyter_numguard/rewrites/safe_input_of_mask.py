"""safe_input_of_mask: A mask multiplied onto f(x) cannot remove its NaN or Inf; where the mask is 0, x is made safe first.

The product is the same wherever f(x) is finite, for the other elements are multiplied by 0.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change, compared, is_known_at, reached
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework
from jupyter_numguard.terms import CONSTANT, Term

FIXES = {"NG304"}
EXAMPLES = {
    "torch": ("y = mask * torch.log(x)", "y = (mask * torch.sqrt(x)).sum()", "y = (1 / x) * mask"),
    "tensorflow": ("y = mask * tf.math.log(x)", "y = tf.reduce_sum((1.0 / x) * mask)"),
    "numpy": ("y = mask * np.log(x)", "y = np.sum((1 / x) * mask)"),
}


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The operand of the failing operation, where a product with another factor holds it."""
    guilty = {id(t.node): t for t in reader.guilty()}
    where = reader.spelled(f"{framework}.where")
    for home in range(reader.failing, -1, -1):
        for term in reader.terms(home) if where is not None else ():
            x, y = term.argument("x"), term.argument("y")
            if term.op != "mul" or x is None or y is None:
                continue
            for factor, mask in ((y, x), (x, y)):
                inside = reached(reader, factor.node, factor.home)
                found = next((guilty[id(n)] for n, _ in inside if id(n) in guilty), None)
                if found is not None and mask.op != CONSTANT:
                    yield from _guarded(reader, term, mask, found, str(where), framework)


def _guarded(
    reader: Reader, product: Term, mask: Term, failing: Term, where: str, framework: Framework
) -> Iterator[Change]:
    for slot in ("y", "x"):
        operand = failing.argument(slot)
        if operand is None or operand.op == CONSTANT or not is_known_at(reader, mask.node, mask.home, operand.home):
            continue
        condition = ast.Compare(mask.node, [ast.NotEq()], [ast.Constant(0)])
        safe = ast.Call(ast.parse(where, mode="eval").body, [condition, operand.node, ast.Constant(1.0)], [])
        pair = compared(reader, product.node, product.home, operand.node, safe)
        yield Change(operand.home, operand.node, ast.unparse(safe), pair, framework)
