"""NG901 log-of-raw-scores: A logarithm was taken of a layer's raw output, as if it were a probability.

## What happened
The argument of `log` comes straight from a layer or is named logits, and holds negative numbers: nothing made
probabilities of it.

## Why it is non-finite
A layer's output is any real number. Below 0 there is no logarithm; where it happens to be positive the loss is a number
without meaning.

## Example
```python torch
import torch
torch.manual_seed(0)
head = torch.nn.Linear(4, 3)
logits = head(torch.randn(8, 4) * 5)
loss = -torch.log(logits)[:, 0].mean()  # origin: NG901
```
```python tensorflow
import tensorflow as tf
logits = tf.constant([[2.0, -1.0, 0.5]])
loss = -tf.reduce_mean(tf.math.log(logits))  # origin: NG901
```
```python numpy
import numpy as np
logits = np.array([2.0, -1.0, 0.5])
loss = -np.log(logits).mean()  # origin: NG901
```

## Use instead
Use the loss that takes logits (`cross_entropy`, `binary_cross_entropy_with_logits`, `from_logits=True`), or the
log-probabilities themselves (`log_softmax`, `logsigmoid`).
```python torch
import torch
torch.manual_seed(0)
head = torch.nn.Linear(4, 3)
logits = head(torch.randn(8, 4) * 5)
loss = -torch.log_softmax(logits, -1)[:, 0].mean()
```
```python tensorflow
import tensorflow as tf
logits = tf.constant([[2.0, -1.0, 0.5]])
loss = -tf.reduce_mean(tf.nn.log_softmax(logits))
```
```python numpy
import numpy as np
logits = np.array([2.0, -1.0, 0.5])
loss = -(logits - np.logaddexp.reduce(logits)).mean()
```

## Limits
That it is a raw output is read from the source: the name, or a call of a layer or model that made it.

## References
- https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
- https://github.com/tensorflow/tensorflow/issues/33131
"""

from __future__ import annotations

import ast
import re

from jupyter_numguard import wording
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.rules._recognise import certain, failing, operand, producers

CATEGORY = Category.C9
PRECEDES = {"NG101", "NG104"}
_NAMED = re.compile(r"(?:^|_)logits?(?:_|\d|$)", re.IGNORECASE)  # scores and raw values may be anything
_LAYER = re.compile(
    r"(?:^|\.|_)(?:model|net|network|layer|linear|dense|head|fc\d*|classifier|decoder|critic|actor|mlp|lin|out)\d*$",
    re.IGNORECASE,
)
_BOUNDED = {"softmax", "sigmoid", "log_softmax", "exp", "abs", "softplus"}


def detect(path: LineagePath) -> Evidence | None:
    """Negative elements in the argument of a logarithm, which the source says to be a raw output."""
    origin = failing(path, {"log", "log2", "log10"}, ("forward",))
    x = operand(origin, 0) if origin is not None else None
    if origin is None or x is None or x.min is None or x.min >= 0:
        return None
    if any(t.op in _BOUNDED for t in producers(path)):
        return None
    why = _raw(path)
    if why is None:
        return None
    span = f"goes down to {wording.number(x.min)}"
    return Evidence(f"The argument of {origin.op}, {wording.tensor(x)}, {span} and is {why}.", certain(origin, 0.94))


def _raw(path: LineagePath) -> str | None:
    """What the source says of the argument: its name, or the call that made it."""
    reader = Reader(path)
    for guilty in reader.guilty():
        argument = guilty.argument("x")
        if argument is None:
            continue
        node = _stripped(argument.node)
        if isinstance(node, ast.BinOp):
            sides = [s for s in (_stripped(node.left), _stripped(node.right)) if not isinstance(s, ast.Constant)]
            node = sides[0] if len(sides) == 1 else node
        name = ast.unparse(node)
        if isinstance(node, ast.Name | ast.Attribute) and _NAMED.search(name.rsplit(".", 1)[-1]):
            return f"by its name a raw output (`{name}`)"
        made = reader.definition(reader.term(node, argument.home)) if isinstance(node, ast.Name) else None
        call = _stripped(made.node) if made is not None else node
        if isinstance(call, ast.Call) and _is_layer(ast.unparse(call.func), path):
            return f"what `{ast.unparse(call.func)}` returned"
    return None


def _is_layer(function: str, path: LineagePath) -> bool:
    """Whether a layer or model is called: by its name, or by the class that the source makes it of."""
    if _LAYER.search(function):
        return True
    made = re.search(rf"(?:^|\n)\s*{re.escape(function)}\s*=\s*([\w.]+)\(", path.source)
    return made is not None and bool(re.search(r"\bnn\.|layers\.|Sequential|Linear|Dense", made[1]))


def _stripped(node: ast.expr) -> ast.expr:
    """Without indexing and rearranging around it."""
    while True:
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in (
            "squeeze", "view", "reshape", "flatten", "gather", "float", "detach", "t",
        ):  # fmt: skip
            node = node.func.value
        else:
            return node
