"""torch notebooks whose forward pass ran in an earlier cell, watched or traced, and whose backward pass is traced.

The forward line is not recorded in the watched ones; it is found because only one line has the operation, and the step (the
how-many-th run of the line) stays unknown: 0.
"""

from __future__ import annotations

from textwrap import dedent

from .program import Program

_IMPORTS = "import torch\nimport torch.nn as nn\n"


def _later(name: str, op: str, *cells: str, step: int = 0, variables: str = "x.grad x") -> Program:
    """A program of which only the last cell is traced, unless an earlier one asks for it itself."""
    texts = tuple(dedent(cell).strip("\n") for cell in cells)
    roots = tuple(v.split(".")[0] for v in variables.split())
    return Program(f"later_{name}", "torch", "backward", op, (_IMPORTS, *texts), roots, step=step, where="other cell")


PROGRAMS: tuple[Program, ...] = (
    _later("sqrt_watched", "sqrt", """
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        scaled = x * 2
        y = torch.sqrt(scaled)  # origin
        loss = y.sum()
        """, "loss.backward()"),
    _later("log_method_watched", "log", """
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        y = torch.where(x > 0, x.log(), torch.zeros_like(x))  # origin
        """, "loss = y.sum()\nloss.backward()"),
    _later("power_in_module_watched", "pow", """
        class Root(nn.Module):
            def forward(self, x):
                return (x.abs() ** 0.5).sum()  # origin
        model = Root()
        """, "x = torch.zeros(3, requires_grad=True)\nloss = model(x)", "(g,) = torch.autograd.grad(loss, x)",
           variables="g"),
    _later("sqrt_in_function_watched", "sqrt", """
        def distance(a, b):
            d = (a - b).square().sum(-1)
            return torch.sqrt(d)  # origin
        """, "x = torch.ones(2, 3, requires_grad=True)\nloss = distance(x, torch.ones(2, 3)).mean()",
           "loss.backward()"),
    _later("sqrt_traced", "sqrt", """
        %%numguard
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        y = torch.sqrt(x)  # origin
        z = torch.sqrt(x + 1).sum() + y.sum()
        """, "z.backward()", step=1),
    _later("twice_traced", "sqrt", """
        %%numguard
        x = torch.tensor([1.0, 4.0], requires_grad=True)
        for _ in range(3):
            y = torch.sqrt(x * 0.0)  # origin
        loss = y.sum()
        """, "loss.backward()", step=3),
    _later("two_candidates", "sqrt", """
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        y = torch.sqrt(x) + torch.sqrt(x + 1)
        z = torch.sqrt(x + 2)
        """, "loss = (y + z).sum()", "loss.backward()  # origin"),
)  # fmt: skip
