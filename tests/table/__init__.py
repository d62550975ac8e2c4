"""The table of unstable patterns as notebooks: one text file per framework, read by `programs(framework)`.

A program begins with `@ ROW RULES VARIABLE [FLAG]`; its cells are parted by `---`; a first cell with the usual imports is put
before them. The origin's line ends with `# origin`. `# benign: STATEMENT` at the end of a line is what stands there in the
healthy twin of the program. Flags:

    advice    no expression can be written better: there is advice and no rewrite
    unrun     the rewrite cannot be run (no copy of an operand was taken), and says so

Not in the table although its TensorFlow column names a counterpart, because nothing is non-finite there on TensorFlow 2.21:
the gradients of sqrt at 0 times 0 (its kernel says 0), of xlogy at 0, and of svd and eigh with equal values. Row 43 has no
torch program: the NaN that such a mean needs is itself reported, where it was written. Row 52 (CTC) is no expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IMPORTS = {
    "torch": "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F",
    "tensorflow": "import tensorflow as tf",
    "numpy": "import numpy as np",
}
_TWIN = re.compile(r"^(\s*)(.*?)(  # origin)?(?:  # benign: (.*))?$")


@dataclass(frozen=True)
class Program:
    """One spelling of one row.

    Attributes:
        cells: As they fail; `benign` are those of the healthy twin. The first one imports.
        origin: (index of the cell, 1-based line) of the guilty line.
    """

    framework: str
    row: int
    rules: tuple[str, ...]
    variable: str
    flag: str
    cells: tuple[str, ...]
    benign: tuple[str, ...]
    origin: tuple[int, int]


def programs(framework: str) -> list[Program]:
    """All programs of one framework."""
    text = Path(__file__).with_name(f"{framework}.txt").read_text()
    return [_program(framework, block) for block in re.split(r"(?m)^@ ", text)[1:]]


def _program(framework: str, block: str) -> Program:
    head, body = block.rstrip("\n").split("\n", 1)
    row, rules, variable, *flag = head.split()
    cells, benign, origin = [IMPORTS[framework]], [IMPORTS[framework]], None
    for number, cell in enumerate(body.split("\n---\n"), 1):
        lines = [_TWIN.match(line) for line in cell.split("\n")]
        cells.append("\n".join(f"{m[1]}{m[2]}{m[3] or ''}" for m in lines if m))
        benign.append("\n".join(f"{m[1]}{m[4] or m[2]}" for m in lines if m))
        marked = [(number, i) for i, m in enumerate(lines, 1) if m and m[3]]
        assert len(marked) + (origin is not None) <= 1, head
        origin = origin or (marked[0] if marked else None)
    assert origin is not None, head
    return Program(
        framework, int(row), tuple(rules.split("|")), variable, "".join(flag), tuple(cells), tuple(benign), origin
    )
