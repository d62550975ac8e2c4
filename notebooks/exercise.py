"""Judge a repair in the exercises of the notebooks: finite where it failed, the same where it worked, nothing hidden.

A repair that hides its result (`nan_to_num`, `where(isfinite)`, `try`, `detach`) fails one of four measurements:

1. On the input that failed, value and gradient are finite.
2. On input that worked before, value and gradient are what they were.
3. A NaN that is put into the input still comes out: missing data must not turn into an ordinary number.
4. Where mathematics knows the answer for the input that failed, it is that answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Function = Callable[..., Any]


def judge(
    repaired: Function,
    broken: Function,
    *,
    failing: Sequence[Any],
    benign: Sequence[Any],
    truth: Any = None,
    tolerance: float = 1e-4,
) -> bool:
    """Say whether `repaired` is a repair of `broken`, and why not.

    Args:
        repaired: What the reader wrote; called as `repaired(*operands)`.
        broken: The function as it was.
        failing: Operands on which `broken` is not finite. The first is the one that gradients and NaNs are tried on.
        benign: Operands on which it is finite.
        truth: The right result on `failing`, NaN where any finite number will do; None where mathematics has none.
        tolerance: Largest relative difference that counts as the same.

    Returns:
        True if all four measurements hold; what it prints says the same.
    """
    complaint = _complaint(repaired, broken, list(failing), list(benign), truth, tolerance)
    print(
        f"Not yet: {complaint}" if complaint else "Repaired: finite, unchanged where it worked, and nothing is hidden."
    )
    return not complaint


def _complaint(
    repaired: Function, broken: Function, failing: list[Any], benign: list[Any], truth: Any, tolerance: float
) -> str:
    before = np.concatenate([part.ravel() for part in _value_and_gradient(broken, failing)])
    assert not np.isfinite(before).all(), "the exercise is wrong: what it calls broken is not"
    value, gradient = _value_and_gradient(repaired, failing)
    if not np.isfinite(value).all():
        return "on the input that failed, the result is still not finite."
    if not np.isfinite(gradient).all():
        return "the value is finite now, but its gradient is not."
    wanted, slope = _value_and_gradient(broken, benign)
    value_there, gradient_there = _value_and_gradient(repaired, benign)
    if not _same(value_there, wanted, tolerance):
        return "input that worked before has another result now."
    if not _same(gradient_there, slope, tolerance):
        return "input that worked before has another gradient now: it would learn something else."
    if truth is not None:
        right = np.asarray(truth, dtype=np.float64)
        known = np.isfinite(right)
        if not _same(value[known], right[known], tolerance):
            return f"the result is finite, but wrong: {value[known][:3]} where {right[known][:3]} is right."
    missing, _ = _value_and_gradient(repaired, [_with_nan(benign[0]), *benign[1:]])
    if np.isfinite(missing).all():
        return "a NaN in the input comes out as an ordinary number: that hides missing data."
    return ""


def _value_and_gradient(function: Function, operands: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The result, and the gradient of its sum for the first operand; numpy has none, so it is 0."""
    torch, tf = sys.modules.get("torch"), sys.modules.get("tensorflow")
    first, *others = operands
    if torch is not None and isinstance(first, torch.Tensor):
        leaf = first.detach().clone().requires_grad_()
        result = function(leaf, *others)
        total = result.sum()
        if total.requires_grad:
            total.backward()
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        return result.detach().double().numpy(), gradient.double().numpy()
    if tf is not None and isinstance(first, tf.Tensor):
        with tf.GradientTape() as tape:
            tape.watch(first)
            result = function(first, *others)
        gradient = tape.gradient(result, first)
        gradient = np.zeros(first.shape) if gradient is None else gradient.numpy()
        return np.asarray(result.numpy(), np.float64), np.asarray(gradient, np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(function(*operands), np.float64), np.zeros(1)


def _same(value: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    """Equal to within `tolerance` of the largest wanted number: cancellation may cost the small ones their digits."""
    largest = np.abs(wanted).max(initial=0)
    return value.shape == wanted.shape and bool((np.abs(value - wanted) <= tolerance * largest).all())


def _with_nan(operand: Any) -> Any:
    """A copy of `operand` whose first element is NaN, of the same framework and dtype."""
    if hasattr(operand, "detach"):
        copy = operand.detach().clone()
        copy.view(-1)[0] = float("nan")
        return copy
    copy = np.array(operand)
    copy.flat[0] = np.nan
    if isinstance(operand, np.ndarray):
        return copy
    return sys.modules["tensorflow"].constant(copy)
