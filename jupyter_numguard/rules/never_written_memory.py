"""NG802 never-written-memory: Memory was allocated and used before anything was written to it.

## What happened
`torch.empty`, `torch.Tensor(n)`, `nn.Parameter(torch.empty(...))` or `np.empty` only reserve memory. What it holds is what
was there before: often zeros or tiny numbers, sometimes huge ones or NaN, and different from run to run.

## Why it is non-finite
Any bit pattern can stand there: one in 256 random float32 patterns is NaN or Inf, and a product of two of the others
overflows easily.

## Example
```python torch
import torch
weight = torch.empty(4, 4)
weight.set_(torch.full((4, 4), 3e38).untyped_storage(), 0, (4, 4))  # stands for what was in the memory before
y = torch.ones(2, 4) @ weight  # origin: NG802
```
```python numpy
import numpy as np
weight = np.empty(4)
weight.view(np.int64).put(range(4), 0x7FE0000000000000)  # stands for what was in the memory before
y = weight * 4.0  # origin: NG802
```

## Use instead
Fill it: `nn.init.*` for parameters, `torch.zeros` or `np.zeros` for buffers, and write every element of what `empty` gave.
```python torch
import torch
weight = torch.nn.init.xavier_normal_(torch.empty(4, 4))
y = torch.ones(2, 4) @ weight
```
```python numpy
import numpy as np
weight = np.zeros(4)
y = weight * 4.0
```

## Limits
That nothing wrote to it is read from the source of the cell, unless the memory itself was seen from `empty` to its use.

## References
- https://github.com/gordicaleksa/pytorch-GAT/issues/11
"""

from __future__ import annotations

import ast
import re

from jupyter_numguard import wording
from jupyter_numguard.model import Category, Evidence, LineagePath, Origin
from jupyter_numguard.terms import parse

from ._recognise import certain

CATEGORY = Category.C8
PRECEDES = {"NG601", "NG801", "NG803"}
_ALLOCATION = (
    r"(?:nn\.|torch\.nn\.)?(?:Parameter\(\s*)?"
    r"(?:(?:torch|np|numpy)\.empty(?:_like)?\(|torch\.(?:Float|Double)?Tensor\(\s*\d+\s*[,)])"
)
_HUGE = 1e15  # no healthy parameter is as large


def detect(path: LineagePath) -> Evidence | None:
    """Memory that was seen from `empty` to its use, or a huge operand that the source only allocates."""
    origin = path.origin
    if origin is None:
        return None
    if origin.kind == "introduced" and origin.op == "empty":
        return Evidence(
            f"The memory that `{origin.native_op}` gave here holds non-finite values and was never written.",
            certain(origin, 0.95),
        )
    if origin.kind == "introduced" and origin.op == "data":
        return _came_in(path, origin)
    if origin.kind != "op" or origin.phase not in ("forward", "update"):
        return None
    for x in (*origin.operands, *path.named):
        if x.variable is None or x.absmax is None or (x.absmax < _HUGE and not wording.num_nonfinite(x)):
            continue
        if _is_only_allocated(x.variable, _source(path)):
            text = f"{wording.tensor(x)} reaches {wording.number(x.absmax)}; the source allocates it and writes nothing to it"
            return Evidence(f"{text} before this line.", certain(origin, 0.88))
    return None


def _came_in(path: LineagePath, origin: Origin) -> Evidence | None:
    """NaN that a statement met first, which reads an attribute or a name that the source allocates and never writes."""
    source = _source(path)
    parsed = parse(path.statements[0].source) if path.statements else None
    finite = {x.variable for x in path.named if x.absmax is not None and not wording.num_nonfinite(x)}
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        name = ast.unparse(node)
        if name not in finite and _is_only_allocated(name, source) and not _is_handed_on(name, source):
            text = f"This line reads `{name}`, which is allocated and to which the source writes nothing"
            return Evidence(f"{text}; what it reads held non-finite values already.", certain(origin, 0.8))
    return None


def _is_handed_on(name: str, source: str) -> bool:
    """Whether a statement gives it to a function that may fill it: `fill(w)`; `reset_parameters()` may as well."""
    last = re.escape(name.rpartition(".")[2])
    owner = r"self\.reset_\w*\(|self\.init_\w*\(|self\._init\w*\(|\.parameters\(\)|load_state_dict\("
    return bool(
        re.search(
            rf"^\s*[\w.]+\(\s*(?:self\.)?{last}\s*[,)]|{owner}|\w\.{last}\.data|\b{last}(?:\.data)?\.\w+_\(",
            source,
            re.M,
        )
    )


def _source(path: LineagePath) -> str:
    return "\n".join(dict.fromkeys((path.source, *(s.source for s in reversed(path.statements)))))


def _is_only_allocated(variable: str, source: str) -> bool:
    name = re.escape(variable)
    if not re.search(rf"(?:^|[\s;(]){name}\s*(?::[^=\n]+)?=\s*{_ALLOCATION}", source):
        return False
    written = (
        rf"init\.\w+_\(\s*{name}\b|{name}(?:\.data)?(?:\[[^\]]*\]|\.fill_|\.normal_|\.uniform_|\.zero_|\.copy_|\.random_)"
        rf"\s*(?:=[^=]|[-+*/]=|\()|{name}(?:\.data)?\.(?:fill_?|normal_|uniform_|zero_|copy_|random_|exponential_)\("
        rf"|out\s*=\s*{name}\b|copyto\(\s*{name}\b|{name}\s*[-+*/]?=(?!=|\s*{_ALLOCATION})"
    )
    return not re.search(written, source)
