"""NG602 impossible-alignment: A CTC target does not fit into its input: no alignment exists, so its probability is 0.

## What happened
`ctc_loss` got finite log-probabilities and returned +Inf: a target has more labels than the input has time steps, or as
many with repeated labels, each pair of which needs a blank between them.

## Why it is non-finite
CTC sums the probabilities of all alignments of the target with the time steps. Where there is none the sum is 0, and the
loss is -log 0 = +Inf; its gradient is NaN.

## Example
```python torch
import torch
import torch.nn.functional as F
torch.manual_seed(0)
log_probs = torch.randn(5, 1, 8).log_softmax(-1)
targets = torch.tensor([[1, 2, 3, 4, 5, 6, 7]])
input_lengths, target_lengths = torch.tensor([5]), torch.tensor([7])
loss = F.ctc_loss(log_probs, targets, input_lengths, target_lengths)  # origin: NG602
```

## Use instead
Drop such samples where the data is loaded: the input length must be at least the target length plus the number of equal
neighbours in the target. A model that shortens its input (pooling, stride) must hand over the shortened lengths.
`zero_infinity=True` takes the impossible ones out of the loss; it does not make them right.
```python torch
import torch
import torch.nn.functional as F
torch.manual_seed(0)
log_probs = torch.randn(9, 1, 8).log_softmax(-1)
targets = torch.tensor([[1, 2, 3, 4, 5, 6, 7]])
input_lengths, target_lengths = torch.tensor([9]), torch.tensor([7])
loss = F.ctc_loss(log_probs, targets, input_lengths, target_lengths)
```

## Limits
Which sample it is, is told by `reduction="none"`.

## References
- https://pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html
"""

from __future__ import annotations

import ast

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath
from jupyter_numguard.terms import parse

from ._recognise import certain, failing, operand

CATEGORY = Category.C6


def detect(path: LineagePath) -> Evidence | None:
    """+Inf of finite log-probabilities; with the lengths where the statement names them."""
    origin = failing(path, {"ctc_loss"}, ("forward",))
    scores = operand(origin, 0) if origin is not None else None
    if origin is None or scores is None or origin.result is None or not origin.result.posinf:
        return None
    if wording.num_nonfinite(scores) or scores.absmax is None:
        return None
    text = f"The log-probabilities {wording.tensor(scores)} are finite and the loss is +Inf: a target has no alignment"
    lengths = _lengths(path)
    if lengths is not None:
        text += f"; the targets are up to {lengths[1]} long, the inputs down to {lengths[0]}"
    return Evidence(f"{text}.", certain(origin, 0.94))


def _lengths(path: LineagePath) -> tuple[int, int] | None:
    """(shortest input, longest target), where both are named and were measured."""
    measured = {x.variable: x for x in path.named}
    call = next(iter(_calls(path)), None)
    if call is None or len(call.args) < 4:
        return None
    found = [measured.get(ast.unparse(a)) for a in call.args[2:4]]
    if found[0] is None or found[1] is None or found[0].min is None or found[1].max is None:
        return None
    shortest, longest = int(found[0].min), int(found[1].max)
    return (shortest, longest) if longest > shortest else None


def _calls(path: LineagePath) -> list[ast.Call]:
    parsed = parse(path.statements[0].source) if path.statements else None
    nodes = [n for statement in parsed.body for n in ast.walk(statement)] if parsed is not None else []
    return [n for n in nodes if isinstance(n, ast.Call) and len(n.args) >= 4]


def attempts(path: LineagePath) -> tuple[tuple[str, str], ...]:
    """The failing call with `zero_infinity=True`."""
    found = []
    for call in _calls(path):
        if "ctc_loss" in ast.unparse(call.func):
            text = ast.unparse(call)
            found.append(("`zero_infinity=True`", f"{text[:-1]}, zero_infinity=True)"))
    return tuple(found)
