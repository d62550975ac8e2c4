"""Run a function on private copies under its framework, value and gradient, and hand back float64 ndarrays.

No framework is imported: what the user did not import has no sample either. Nothing global is changed: torch's gradient
mode, numpy's error state and the warning filters are set for the call only, random state is not touched.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from .model import Framework


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value and its gradients for each float operand (None for the others), as float64 ndarrays."""

    value: Any
    gradients: tuple[Any, ...]

    def is_finite(self) -> bool:
        """Value and gradients hold neither NaN nor Inf."""
        import numpy

        return all(bool(numpy.isfinite(a).all()) for a in (self.value, *self.gradients) if a is not None)


@contextmanager
def unheard() -> Iterator[None]:
    """Inside, nothing is warned about, and numpy's signals reach no handler: the user's own run has told already.

    `warnings.catch_warnings` would make Python forget which lines have warned: the user would hear them a second time.
    """
    filters = warnings.filters
    warnings.filters = [("ignore", None, Warning, None, 0)]
    numpy = sys.modules.get("numpy")
    try:
        with numpy.errstate(all="ignore") if numpy is not None else nullcontext():
            yield
    finally:
        warnings.filters = filters


def is_tensor(value: object, framework: Framework) -> bool:
    """Whether the value is a tensor of this framework."""
    module = sys.modules.get(framework)
    if module is None:
        return False
    kind = module.ndarray | module.generic if framework == "numpy" else (
        module.Tensor if framework == "torch" else module.Tensor | module.Variable
    )  # fmt: skip
    return isinstance(value, kind)


def is_float_tensor(value: object, framework: Framework) -> bool:
    """Whether the value is a tensor of real floating point numbers."""
    if not is_tensor(value, framework):
        return False
    tensor: Any = value
    if framework == "torch":
        return bool(tensor.is_floating_point())
    return bool(tensor.dtype.is_floating) if framework == "tensorflow" else tensor.dtype.kind == "f"


def widened(value: Any, framework: Framework) -> Any:
    """A float tensor, or a layer, as float64; anything else as it is."""
    if framework == "torch" and isinstance(value, sys.modules["torch"].nn.Module):
        return copy.deepcopy(value).double()
    if not is_float_tensor(value, framework):
        return value
    if framework == "torch":
        return value.detach().double().requires_grad_(value.requires_grad)
    return sys.modules["tensorflow"].cast(value, "float64") if framework == "tensorflow" else value.astype("float64")


def array(value: Any, framework: Framework) -> Any:
    """A result of the framework as an ndarray of float64 (booleans as they are)."""
    import numpy

    if isinstance(value, tuple):  # several results (a layer that hands back its weights as well) are one long one
        parts = [array(v, framework).ravel() for v in value if is_tensor(v, framework)]
        return numpy.concatenate(parts) if parts else numpy.zeros(0)
    if framework == "torch" and is_tensor(value, framework):
        value = value.detach()
        value = value.numpy() if value.dtype is sys.modules["torch"].bool else value.double().numpy()
    elif framework == "tensorflow" and is_tensor(value, framework):
        value = value.numpy()
    out = numpy.asarray(value)
    return out if out.dtype == bool else out.astype("float64")


def evaluate(function: Callable[..., Any], values: Sequence[Any], framework: Framework, *, gradient: bool) -> Outcome:
    """Call `function(*values)`; the gradient is that of a weighted sum of the result.

    The weights differ from element to element, so that gradients that cancel in a plain sum (softmax) are seen.

    Raises:
        Exception: Whatever the framework raises.
    """
    if framework == "torch":
        return _evaluate_torch(function, values, gradient)
    if framework == "tensorflow":
        return _evaluate_tensorflow(function, values, gradient)
    import numpy

    with numpy.errstate(all="ignore"):
        return Outcome(array(function(*values), framework), ())


def _evaluate_torch(function: Callable[..., Any], values: Sequence[Any], gradient: bool) -> Outcome:
    torch = sys.modules["torch"]
    with torch.inference_mode(False), torch.enable_grad():
        floats = [v for v in values if is_float_tensor(v, "torch")]
        some = any(v.requires_grad for v in floats)  # then only those: a mask or a target has no gradient
        leaves = [
            v.detach().clone().requires_grad_(gradient and (v.requires_grad or not some))
            if is_float_tensor(v, "torch")
            else v
            for v in values
        ]
        result = function(*leaves)
        several = result if isinstance(result, tuple) else (result,)
        differentiable = [r for r in several if is_float_tensor(r, "torch") and r.requires_grad]
        wanted = [v for v in leaves if is_float_tensor(v, "torch") and v.requires_grad]
        gradients: list[Any] = [None] * len(leaves)
        if gradient and differentiable and wanted:
            total = sum((r * _weights(r, torch.linspace)).sum() for r in differentiable)
            answers = iter(torch.autograd.grad(total, wanted, allow_unused=True))
            gradients = [next(answers) if any(v is w for w in wanted) else None for v in leaves]
    return Outcome(array(result, "torch"), tuple(None if g is None else array(g, "torch") for g in gradients))


def _weights(result: Any, linspace: Callable[..., Any]) -> Any:
    return linspace(0.5, 1.5, result.numel(), device=result.device).reshape(result.shape).to(result.dtype)


def _evaluate_tensorflow(function: Callable[..., Any], values: Sequence[Any], gradient: bool) -> Outcome:
    tf = sys.modules["tensorflow"]
    leaves = [tf.convert_to_tensor(v) if is_float_tensor(v, "tensorflow") else v for v in values]
    wanted = [v for v in leaves if is_float_tensor(v, "tensorflow")]
    with tf.GradientTape() as tape:
        tape.watch(wanted)
        result = function(*leaves)
        total = None
        if is_float_tensor(result, "tensorflow"):
            weights = tf.reshape(tf.cast(tf.linspace(0.5, 1.5, tf.size(result)), result.dtype), tf.shape(result))
            total = tf.reduce_sum(result * weights)
    answers = iter(tape.gradient(total, wanted) if gradient and total is not None else [None] * len(wanted))
    gradients = [next(answers) if is_float_tensor(v, "tensorflow") else None for v in leaves]
    dense = (None if g is None else array(tf.convert_to_tensor(g), "tensorflow") for g in gradients)
    return Outcome(array(result, "tensorflow"), tuple(dense))
