"""NG603 nonpositive-extent: The width or height of a box, a difference of two coordinates, is zero or negative.

## What happened
A logarithm, a root or a division received an extent that was computed as a difference of coordinates (`x2 - x1`) and is
not positive: the corners of that box are exchanged, or it has no area.

## Why it is non-finite
The logarithm of a negative number does not exist, and that of zero is -Inf. The formula is right for every real box.

## Example
```python torch
import torch
boxes = torch.tensor([[10.0, 10.0, 50.0, 60.0], [40.0, 20.0, 30.0, 80.0]])
width = boxes[:, 2] - boxes[:, 0]
dw = torch.log(width / 8.0)  # origin: NG603
```
```python numpy
import numpy as np
x1, x2 = np.array([3.0, 5.0]), np.array([9.0, 5.0])
width = x2 - x1
target = np.log(width / 16.0)  # origin: NG603
```

## Use instead
Check boxes where they are loaded or augmented: x1 < x2, y1 < y2, inside the image; drop or repair the others. A clamp in
the formula would train on a box that does not exist.
```python torch
import torch
boxes = torch.tensor([[10.0, 10.0, 50.0, 60.0], [40.0, 20.0, 30.0, 80.0]])
boxes = boxes[boxes[:, 2] > boxes[:, 0]]
width = boxes[:, 2] - boxes[:, 0]
dw = torch.log(width / 8.0)
```
```python numpy
import numpy as np
x1, x2 = np.array([3.0, 5.0]), np.array([9.0, 5.0])
valid = x2 > x1
width = x2[valid] - x1[valid]
target = np.log(width / 16.0)
```

## Limits
That the operand is an extent is read from the source: a difference of something that is named a box, or of two coordinates
(x1, right, two columns of an array) where a box, a width or a height is spoken of.

## References
- https://github.com/broadinstitute/keras-rcnn/issues/133
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand, producers
from jupyter_numguard.terms import Term

CATEGORY = Category.C6
PRECEDES = {"NG101", "NG102", "NG103", "NG104"}
# A box is named as one; or two coordinates are subtracted where a box, a width or a height is spoken of. Coordinates alone
# are anything: `x_max - x_min` scales a column, `x2 - x1` is the run of a slope.
_BOX = re.compile(r"(?:^|_|\b)(?:box|boxes|bbox|bboxes|rois?|anchors?)(?:_|\b|\d|$)")
_EXTENT = re.compile(r"(?:^|_|\b)[a-z]{0,3}(?:width|height)s?(?:_|\b|\d|$)")
_SHORT_EXTENT = re.compile(r"\b[a-z][wh]\b")  # gw, aw, ph, as in log(gw / aw)
_COORDINATE = re.compile(r"(?:^|_|\b)(?:[xy]_?(?:1|2|min|max|right|left)|left|right|top|bottom)(?:_|\b|\d|$)")


def detect(path: LineagePath) -> Evidence | None:
    """A difference of things with such names, not positive, in a logarithm, a root or a divisor."""
    origin = failing(path, {"log", "log2", "log10", "sqrt", "div"}, ("forward",))
    if origin is None:
        return None
    x = operand(origin, -1 if origin.op == "div" else 0)
    slot = "y" if origin.op == "div" else "x"
    if x is None or x.min is None or x.min > 0 or (origin.op == "div" and (not x.zeros or x.min == 0)):
        return None  # a ratio to an extent of 0 is that of a padded row as well: a division by zero like any other
    made = next((t for t in _makers(path, slot) if t.op == "sub" and _is_difference(t.node)), None)
    if made is None:
        return None
    spelled = ast.unparse(made.node)
    arguments = [t.argument(slot) for t in Reader(path).guilty()]
    named = " ".join([spelled, x.variable or "", *(ast.unparse(a.node) for a in arguments if a is not None)]).lower()
    around = " ".join([named, origin.function or "", *(s.source for s in path.statements)]).lower()
    are_coordinates = len(_COORDINATE.findall(spelled.lower())) > 1 or _are_columns(made.node)
    speaks_of_extents = _BOX.search(around) or _EXTENT.search(around) or _SHORT_EXTENT.search(named)
    if not _BOX.search(named) and not (are_coordinates and speaks_of_extents):
        return None
    low = f"goes down to {wording.number(x.min)}" if x.min < 0 else "is 0"
    text = f"The argument of {origin.op}, {wording.tensor(x)}, {low}; it comes from the difference `{spelled}`"
    return Evidence(f"{text}, which is positive for every real box.", certain(origin, 0.93))


def _makers(path: LineagePath, slot: str) -> Iterator[Term]:
    """What made the argument; of a quotient of two things also what made either."""
    reader = Reader(path)
    for made in producers(path, slot):
        yield made
        if made.op in ("div", "mul"):
            for _, side in made.arguments:
                yield from reader.expansions(side)


def _is_difference(node: ast.expr) -> bool:
    """Of two things that were read from somewhere; `1 - x` is none."""
    sides = [node.left, node.right] if isinstance(node, ast.BinOp) else []
    return bool(sides) and all(isinstance(s, ast.Name | ast.Subscript | ast.Attribute) for s in sides)


def _are_columns(node: ast.expr) -> bool:
    """Of two parts of one array: `boxes[:, 2] - boxes[:, 0]`."""
    sides = [node.left, node.right] if isinstance(node, ast.BinOp) else []
    arrays = {ast.unparse(s.value) for s in sides if isinstance(s, ast.Subscript)}
    return len(arrays) == 1 and all(isinstance(s, ast.Subscript) for s in sides)
