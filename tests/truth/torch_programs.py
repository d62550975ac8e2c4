"""torch notebooks with a planted bug, each alone and inside a loop whose first 36 steps are finite.

`_pair` writes both from one text: the last cell's input `x` is `bad`, or `good` for 36 steps and `bad` in step 37.
"""

# ruff: noqa: E501  # a program is a row of a table

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

from .program import Program

_IMPORTS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def _pair(
    name: str,
    op: str,
    good: str,
    bad: str,
    body: str,
    variables: str,
    *,
    setup: str = "",
    before: str = "",
    **more: Any,
) -> tuple[Program, Program]:
    """Two programs.

    Args:
        good, bad: Expressions of the input.
        body: What happens to `x`, once or in each step.
        setup: A cell of its own, run before.
        before: Lines at the top of the last cell.
    """
    body, before = dedent(body).strip("\n") + "\n", before and before + "\n"
    first = _IMPORTS + dedent(setup)
    once = f"{before}x = {bad}\n{body}"
    loop = f"{before}for step in range(1, 38):\n    x = {good} if step < 37 else {bad}\n{indent(body, '    ')}"
    more = {"phase": "forward", **more, "files": {k: dedent(v).lstrip("\n") for k, v in more.get("files", {}).items()}}
    names = tuple(variables.split())
    return (
        Program(name, "torch", op=op, cells=(first, once), variables=names, **more),
        Program(f"{name}_loop", "torch", op=op, cells=(first, loop), variables=names, step=37, **more),
    )


def _silent(name: str, cell: str) -> Program:
    """A program whose non-finite values are meant."""
    return Program(name, "torch", "forward", "none", (_IMPORTS, dedent(cell).strip("\n")), (), alarms=False)


_LEAF = ".clone().requires_grad_()"
_GOOD, _ZERO = f"torch.tensor([2.0, 3.0]){_LEAF}", f"torch.tensor([0.0, 3.0]){_LEAF}"
_ONES, _HUGE = "torch.ones(2, 3)", "torch.full((2, 3), 3e38)"

_FORWARD = (
    *_pair("log_method", "log", "torch.ones(3)", "torch.zeros(3)", "y = x.log()  # origin\nz = y.sum()", "y z"),
    *_pair("div_operator", "div", "torch.ones(3)", "torch.zeros(3)", "w = x * 2\ny = w / x.sum()  # origin\nz = y + 1", "y z"),
    *_pair("reciprocal_reflected", "div", "torch.ones(3)", "torch.zeros(3)", "y = 1 - 1 / x  # origin", "y"),
    *_pair("exp_function", "exp", "torch.ones(3)", "torch.full((3,), 99.0)", "y = torch.exp(x)  # origin\np = y / y.sum()", "y p"),
    *_pair("pow_negative_base", "pow", "torch.ones(3)", "torch.full((3,), -1.0)", "y = x ** 0.5  # origin", "y"),
    *_pair("acos_rounding", "acos", "torch.ones(3)", "torch.ones(3) * 1.0000001", "angle = torch.acos(x)  # origin", "angle"),
    *_pair("std_of_one_element", "std", "torch.ones(3)", "torch.ones(1)", "s = x.std()  # origin\nz = (x - x.mean()) / s", "s z"),
    *_pair("inplace_division", "div", "torch.ones(3)", "torch.zeros(3)", "h = x * 3\nh.div_(x)  # origin", "h"),
    *_pair("out_argument", "log", "torch.ones(3)", "torch.zeros(3)", "buffer = torch.empty(3)\ntorch.log(x, out=buffer)  # origin", "buffer"),
    *_pair("view_of_the_result", "sqrt", "torch.ones(4)", "-torch.ones(4)", "r = x.sqrt()  # origin\nv = r.view(2, 2)[0]\ndel r", "v"),
    *_pair("half_overflow", "cast", "torch.ones(3)", "torch.full((3,), 7e4)", "h = x.half()  # origin\ns = h.sum()", "h s"),
    *_pair("softmax_fully_masked", "softmax", "torch.zeros(2, 3)", "torch.full((2, 3), float('-inf'))",
           "p = F.softmax(x, dim=-1)  # origin\nq = p @ torch.ones(3)", "p q"),
    *_pair("log_softmax_fully_masked", "log_softmax", "torch.zeros(2, 3, dtype=torch.bool)", "torch.ones(2, 3, dtype=torch.bool)",
           "masked = torch.ones(2, 3).masked_fill(x, float('-inf'))\nlp = masked.log_softmax(-1)  # origin\ndel masked", "lp"),
    *_pair("cross_entropy_all_ignored", "cross_entropy", "torch.tensor([0, 1])", "torch.tensor([-100, -100])",
           "loss = F.cross_entropy(torch.ones(2, 3), x)  # origin", "loss"),
    *_pair("norm_overflow", "norm", "torch.ones(3, 3)", "torch.full((3, 3), 3e38)", "n = torch.linalg.norm(x)  # origin\nu = x / n * n", "n u"),
    *_pair("absorbed_before", "div", "torch.ones(3)", "torch.zeros(3)", """
        harmless = torch.nan_to_num(torch.log(x - 1), neginf=0.0)
        bound = torch.where(x > 0, torch.log(x), torch.zeros(3))
        y = bound.sum() / x.sum()  # origin
        """, "y"),
    *_pair("item_to_python", "mean", "torch.ones(2)", "torch.ones(0)", "m = x.mean()  # origin\nvalue = m.item()\nlater = value * 2", "m value"),
    *_pair("two_independent", "log", "torch.ones(3)", "torch.zeros(3)", "a = x.log()  # origin\nb = torch.sqrt(x - 0.5).sum()", "a"),
    *_pair("raises_afterwards", "log", "torch.ones(3)", "torch.zeros(3)", "y = x.log()  # origin\nassert torch.isfinite(y).all(), 'diverged'", "y"),
    *_pair("custom_function_forward", "div", "torch.ones(3)", "torch.zeros(3)", "y = Scale.apply(x)", "y", setup="""
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x / x.max()  # origin

            @staticmethod
            def backward(ctx, g):
                return g
        """, where="other cell"),
)  # fmt: skip

_LAYERS = (
    *_pair("layer_divides_by_spread", "div", "torch.arange(6.0).view(2, 3)", _ONES, "y = model(x)\nloss = y.sum()", "y loss", setup="""
        class Standardise(nn.Module):
            def forward(self, x):
                centred = x - x.mean(-1, keepdim=True)
                return centred / centred.norm(dim=-1, keepdim=True)  # origin

        model = Standardise()
        """, where="layer"),
    *_pair("layer_linear_overflow", "matmul", _ONES, _HUGE, "y = model(x)", "y", setup="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.proj = nn.Linear(3, 2)
                nn.init.constant_(self.proj.weight, 2.0)

            def forward(self, x):
                h = self.proj(x)  # origin
                return torch.tanh(h) + 0 * h

        model = Net()
        """, where="layer"),
    *_pair("layer_norm_overflow", "layer_norm", _ONES, _HUGE, "y = model(x)", "y", setup="""
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.LayerNorm(3)

            def forward(self, x):
                return self.norm(x)  # origin

        model = Block()
        """, where="layer"),
    *_pair("layer_attention_all_padded", "softmax", "torch.zeros(1, 2, dtype=torch.bool)", "torch.ones(1, 2, dtype=torch.bool)",
           "y = model(torch.ones(1, 2, 4), x)", "y", setup="""
        class Attend(nn.Module):
            def __init__(self):
                super().__init__()
                self.heads = nn.MultiheadAttention(4, 2, batch_first=True)

            def forward(self, h, padding):
                out, _ = self.heads(h, h, h, key_padding_mask=padding)  # origin
                return out

        model = Attend()
        """, where="layer"),
    *_pair("layer_gaussian_nll", "log", "torch.ones(3)", "-torch.ones(3)", "loss = model(torch.ones(3), x)", "loss", setup="""
        class Likelihood(nn.Module):
            def forward(self, target, variance):
                return (0.5 * torch.log(variance) + target ** 2 / (2 * variance)).mean()  # origin

        model = Likelihood()
        """, where="layer"),
    *_pair("layer_sqrt_gradient", "sqrt", "torch.ones(2)", "torch.zeros(2)", "model.zero_grad()\nmodel(x).backward()", "model",
           phase="backward", setup="""
        class Distance(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(2))

            def forward(self, x):
                return torch.sqrt((self.scale * x) ** 2).sum()  # origin

        model = Distance()
        """, where="layer"),
)  # fmt: skip

_BACKWARD = (
    *_pair("sqrt_gradient_at_zero", "sqrt", _GOOD, _ZERO, "loss = x.sqrt().sum()  # origin\nloss.backward()", "x", phase="backward"),
    *_pair("norm_gradient_of_root", "pow", _GOOD, _ZERO, "loss = (x ** 0.5).mean()  # origin\nloss.backward()", "x", phase="backward"),
    *_pair("where_trap", "div", _GOOD, _ZERO, "r = 1 / x  # origin\nloss = torch.where(x > 0, r, x).sum()\ndel r\nloss.backward()", "x"),
    *_pair("where_trap_square_root", "sqrt", _GOOD, _ZERO,
           "root = torch.sqrt(x)  # origin\nloss = torch.where(x > 0, root, torch.zeros(2)).sum()\nloss.backward()", "x", phase="backward"),
    *_pair("autograd_grad", "acos", f"torch.zeros(2){_LEAF}", f"torch.ones(2){_LEAF}",
           "y = torch.acos(x)  # origin\ng, = torch.autograd.grad(y.sum(), x)", "g", phase="backward"),
    *_pair("double_backward", "pow", _GOOD, _ZERO, """
        y = (x ** 1.5).sum()  # origin
        g, = torch.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
        """, "x", phase="backward"),
    *_pair("custom_function_backward", "div", _GOOD, _ZERO, "y = Root.apply(x)\ny.sum().backward()", "x", phase="backward", setup="""
        class Root(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                y = x.sqrt()
                ctx.save_for_backward(y)
                return y

            @staticmethod
            def backward(ctx, g):
                y, = ctx.saved_tensors
                return g / (2 * y)  # origin
        """, where="other cell"),
    *_pair("checkpointed", "sqrt", _GOOD, _ZERO, "y = checkpoint(block, x, use_reentrant=False)\ny.sum().backward()", "x", phase="backward",
           setup="""
        from torch.utils.checkpoint import checkpoint

        def block(h):
            return (h * 3).sqrt()  # origin
        """, where="other cell"),
)  # fmt: skip

_STEP = "opt.zero_grad()\n(w * x).sum().backward()\nopt.step()  # origin"
_UPDATE = (
    *_pair("sgd_step_overflow", "update", "torch.zeros(3)", "torch.full((3,), 1e20)", _STEP, "w opt", phase="update",
           before="w = nn.Parameter(torch.ones(3))\nopt = torch.optim.SGD([w], lr=1e20)"),
    *_pair("adam_second_moment", "update", "torch.ones(3)", "torch.full((3,), 1e25)", _STEP, "opt w", phase="update",
           before="w = nn.Parameter(torch.ones(3))\nopt = torch.optim.Adam([w])"),
    *_pair("adamw_fused", "update", "torch.ones(3)", "torch.full((3,), 1e25)", _STEP, "opt w", phase="update",
           before="w = nn.Parameter(torch.ones(3))\nopt = torch.optim.AdamW([w], fused=True)"),
    *_pair("hand_written_step", "mul", "torch.zeros(3)", "torch.full((3,), 1e30)", """
        w.grad = None
        (w * x).sum().backward()
        with torch.no_grad():
            w -= 1e20 * w.grad  # origin
        """, "w", before="w = torch.ones(3, requires_grad=True)"),
    *_pair("hand_written_alpha", "sub", "torch.zeros(3)", "torch.full((3,), 1e30)", """
        w.grad = None
        (w * x).sum().backward()
        with torch.no_grad():
            w.sub_(w.grad, alpha=1e20)  # origin
        """, "w", phase="update", before="w = torch.ones(3, requires_grad=True)"),
)  # fmt: skip

_ELSEWHERE = (
    *_pair("function_of_another_cell", "log", "torch.ones(3)", "torch.zeros(3)", "loss = entropy(x)", "loss", setup="""
        def entropy(p):
            return -(p * torch.log(p)).sum()  # origin
        """, where="other cell"),
    *_pair("file_cosine", "div", "torch.ones(3)", "torch.zeros(3)", "c = similarity(x, torch.ones(3))", "c", setup="from tools_a import similarity",
           files={"tools_a.py": """
        def similarity(a, b):
            dot = (a * b).sum()
            return dot / (a.norm() * b.norm())  # origin
        """}, where="file"),
    *_pair("file_layer", "log", "torch.zeros(3)", "-torch.ones(3)", "y = model(x)", "y", setup="from tools_b import Shift\nmodel = Shift()", files={"tools_b.py": """
        import torch

        class Shift(torch.nn.Module):
            def forward(self, x):
                shifted = x + 0.5
                return shifted.log()  # origin
        """}, where="file"),
    *_pair("file_gradient", "sqrt", _GOOD, _ZERO, "penalty(x).backward()", "x", phase="backward",
           setup="from tools_c import penalty", files={"tools_c.py": """
        def penalty(x):
            length = x.sqrt()  # origin
            return length.sum()
        """}, where="file"),
)  # fmt: skip

_DATA = (
    Program("nan_literal", "torch", "data", "data", (_IMPORTS, "x = torch.tensor([1.0, float('nan')])  # origin\ny = x * 2"), ("x", "y"), kind="introduced"),
    Program("nan_before_the_cell", "torch", "data", "data",
            (_IMPORTS + "table = torch.tensor([[1.0, float('nan')]])  # origin", "y = table.sum()\nz = y + 1"), ("y", "z", "table"), kind="introduced"),
    Program("nan_set_by_index", "torch", "data", "data", (_IMPORTS, "x = torch.ones(3)\nx[1] = float('nan')  # origin\nm = x.mean()"),
            ("x", "m"), kind="introduced"),
)  # fmt: skip

_SILENT = (
    _silent("mask_into_softmax", """
        mask = torch.triu(torch.full((4, 4), float("-inf")), diagonal=1)
        p = torch.softmax(torch.ones(4, 4) + mask, dim=-1)
        """),
    _silent("best_so_far", "best = float('inf')\nfor step in range(5):\n    best = min(best, torch.ones(3).sum().item())"),
    _silent("absorbed_log", "x = torch.zeros(3)\ny = torch.where(x > 0, x.log(), torch.zeros(3))\nz = torch.nan_to_num(x / x)"),
    _silent("empty_then_filled", "buffer = torch.empty(64, 64)\nfor i in range(64):\n    buffer[i] = float(i)\ntotal = buffer.sum()"),
    _silent("healthy_training", """
        model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2))
        opt = torch.optim.Adam(model.parameters())
        for step in range(5):
            loss = F.cross_entropy(model(torch.ones(2, 3)), torch.tensor([0, 1]))
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
        """),
)  # fmt: skip

PROGRAMS: tuple[Program, ...] = (*_FORWARD, *_LAYERS, *_BACKWARD, *_UPDATE, *_ELSEWHERE, *_DATA, *_SILENT)
