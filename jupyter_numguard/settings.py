"""A setting of training and the statements that it changes: the rate, its sign, a clipped gradient, gradients cleared.

    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)     lr=(0.5) * 0.1
    w -= rate * gradient                                      w -= (rate * gradient) * 0.1
    optimizer.step()                                          clip before it, zero_grad after it

The statements are copies that live in a closed world (`training_again.py`); the user's text is not touched.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .closed_world import Plain
from .rules._updates import parts_of, rate_of
from .terms import full_name

Kind = Literal["rate", "sign", "clip", "clear"]
_RATE = re.compile(r"lr|learning_rate|rate|alpha|eta|step_size|stepsize|gamma", re.IGNORECASE)
CLIP, NOTE = "__numguard_clip__", "__numguard_note__"
_OPTIMIZERS = ("torch.optim.", "keras.", "tensorflow.keras.optimizers.")


RATE = "rate "  # before the name of a rate, where its values are noted


@dataclass(frozen=True, slots=True)
class Setting:
    """One change: the rates times `value`, the update's sign turned, gradients clipped to the norm `value`, or cleared."""

    kind: Kind
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class Knob:
    """A rate in the source: its text, its number where it is written there, and where it stands ("lr=", an update)."""

    text: str
    number: float | None
    where: str


class Changed(Plain):
    """Statements as they are run with a setting; None changes nothing. Scalars bound under `noted` names are noted."""

    def __init__(self, setting: Setting | None, modules: Mapping[str, str], noted: frozenset[str]) -> None:
        """`modules`: the user's names for modules and library functions -> full dotted names."""
        self._setting = setting
        self._modules = modules
        self._noted = noted
        self._rates: list[str] = []  # names in the statement at hand whose values are noted before it
        self.knobs: list[Knob] = []
        self.steps = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """An optimizer that is made, an update by a method."""
        self.generic_visit(node)
        made = full_name(node.func, self._modules) or ""
        if made.startswith(_OPTIMIZERS) and ("optim" in made) and made.rsplit(".", 1)[-1][:1].isupper():
            at = next((k for k in node.keywords if k.arg in ("lr", "learning_rate")), None)
            position = 1 if made.startswith("torch.") else 0
            if at is not None:
                at.value = self._turned(at.value, f"{at.arg}=")
            elif len(node.args) > position:
                node.args[position] = self._turned(node.args[position], "lr=" if position else "learning_rate=")
        elif (parts := parts_of(node)) is not None:
            target, change, _ = parts
            if change is node.args[0]:
                node.args[0] = self._change(change, target)
            elif isinstance(node.args[0], ast.BinOp):
                node.args[0].right = self._change(change, target)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        """`w -= rate * gradient`."""
        self._rates.clear()
        self.generic_visit(node)
        if (parts := parts_of(node)) is not None:
            node.value = self._change(node.value, parts[0])
        return self._with_note(node, [node.target])

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """`w = w - rate * gradient`."""
        self._rates.clear()
        self.generic_visit(node)
        value = node.value
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub | ast.Add):
            parts, rate = parts_of(node), rate_of(value.right)
            if parts is not None or (isinstance(rate, ast.Name) and _RATE.fullmatch(rate.id)):  # `v = mu * v - lr * g`
                value.right = self._change(value.right, ast.unparse(node.targets[0]))
        return self._with_note(node, node.targets)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:  # type: ignore[override]
        """A step of an optimizer."""
        self._rates.clear()
        out = super().visit_Expr(node)
        call = node.value
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "step"
            and isinstance(call.func.value, ast.Name)
            and not call.args
        ):
            return self._with_note(out, []) if isinstance(out, ast.stmt) else out
        self.steps += 1
        assert isinstance(out, ast.Expr)
        name = call.func.value.id
        match self._setting:
            case Setting("clip", limit):
                return [_statement(f"{CLIP}({name}, {limit!r})", node), out]
            case Setting("clear"):
                return [out, _statement(f"{name}.zero_grad()", node)]
            case _:
                return out

    def _ticking(self, node: ast.For | ast.While | ast.FunctionDef) -> ast.AST:
        if isinstance(node, ast.FunctionDef):  # only `tf.function` was let in: what it computes is the same without
            node.decorator_list = []
        return super()._ticking(node)

    visit_For = visit_While = visit_FunctionDef = _ticking

    def _with_note(self, node: ast.stmt, targets: list[ast.expr]) -> ast.AST | list[ast.stmt]:
        names = [t.id for t in targets if isinstance(t, ast.Name) and t.id in self._noted]
        before = [_statement(f"{NOTE}({RATE + name!r}, 0, {name})", node) for name in self._rates]
        self._rates.clear()
        after = [_statement(f"{NOTE}({name!r}, {node.lineno}, {name})", node) for name in names]
        return [*before, node, *after] if before or after else node

    def _change(self, change: ast.expr, target: str) -> ast.expr:
        """The change of an update times the setting's factor."""
        rate = rate_of(change)
        if rate is None:  # no learning rate: `i -= 1`, `x -= mean`
            return change
        factor = self._factor()
        number = rate.value if isinstance(rate, ast.Constant) else None
        if isinstance(rate, ast.Name):
            self._rates.append(rate.id)
        self.knobs.append(Knob(ast.unparse(rate), number, target))  # type: ignore[arg-type]
        return change if factor is None else _times(change, factor)

    def _turned(self, rate: ast.expr, where: str) -> ast.expr:
        factor = self._factor()
        number = float(rate.value) if isinstance(rate, ast.Constant) and isinstance(rate.value, int | float) else None
        if isinstance(rate, ast.Name):
            self._rates.append(rate.id)
        self.knobs.append(Knob(ast.unparse(rate), number, where))
        return rate if factor is None or factor < 0 else _times(rate, factor)

    def _factor(self) -> float | None:
        match self._setting:
            case Setting("rate", factor):
                return factor
            case Setting("sign"):
                return -1.0
            case _:
                return None


def _times(node: ast.expr, factor: float) -> ast.expr:
    value: ast.expr = ast.Constant(abs(factor))
    if factor < 0:
        value = ast.UnaryOp(ast.USub(), value)
    return ast.fix_missing_locations(ast.copy_location(ast.BinOp(node, ast.Mult(), value), node))


def _statement(text: str, like: ast.stmt) -> ast.stmt:
    node = ast.parse(text).body[0]
    for n in ast.walk(node):
        ast.copy_location(n, like)
    return node
