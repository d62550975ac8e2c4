"""What to do with each function that torch hands to a function mode: decided once per function, from its name.

Each table says why its rows are there. What no table holds is an operation: its float results are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional

from ...opnames import canonical_op

Kind = Literal[
    "skip", "op", "move", "inplace", "setitem", "copy", "reset", "empty", "escape", "composite", "backward", "retain"
]

# Asks or switches something; no values are made.
_SKIPPED = frozenset(
    "__get__ __set__ __delete__ size dim ndimension numel nelement stride data_ptr storage_offset storage untyped_storage "
    "_typed_storage get_device element_size __len__ __bool__ __hash__ __dir__ __contains__ _is_view has_names manual_seed "
    "requires_grad_ register_hook register_post_accumulate_grad_hook _backward_hooks share_memory_ __deepcopy__ "
    "__reduce_ex__ __setstate__ type_as_dtype result_type can_cast broadcast_shapes iinfo finfo seed get_rng_state "
    "set_rng_state backward_hooks names refine_names rename is_floating_point set_grad_enabled _set_grad_enabled "
    "dim_order itemsize nbytes argmax argmin argsort equal allclose isfinite isnan isinf".split()
)
# Memory before its first write.
_EMPTY = frozenset(
    "empty empty_like empty_strided new_empty new_empty_strided empty_permuted resize_ resize_as_".split()
)
# A tensor becomes a Python number, a text or a numpy array.
_ESCAPES = frozenset(
    "item __float__ __complex__ __int__ tolist numpy __array__ __format__ __repr__ __str__ _local_scalar_dense".split()
)
# Values are handed on as they are, or some of them are left out or set to 0: finite in, finite out, forward and backward.
MOVES = frozenset(
    "view reshape transpose t permute flatten unflatten squeeze unsqueeze chunk split tensor_split hsplit vsplit unbind "
    "detach contiguous clone neg __neg__ negative abs relu hardtanh relu6 __getitem__ select narrow cat concat concatenate "
    "stack hstack vstack view_as reshape_as movedim moveaxis swapaxes swapdims adjoint mT alias max_pool1d max_pool2d "
    "max_pool3d adaptive_max_pool2d expand expand_as repeat tile roll flip diagonal index_select masked_select gather take "
    "sort topk unfold pixel_shuffle cpu cuda pin_memory real imag view_as_real view_as_complex positive __pos__ "
    "dropout_ alpha_dropout_ tril triu clamp_min_ relu_ detach_ t_ transpose_ squeeze_ unsqueeze_ neg_ abs_".split()
)
# Overwrites the whole target with finite numbers: the memory is no longer what it was.
_RESETS = frozenset(
    "zero_ normal_ uniform_ random_ bernoulli_ exponential_ geometric_ log_normal_ cauchy_ eye_ zeros_ ones_".split()
)
_INPLACE_DUNDERS = frozenset(
    "__iadd__ __isub__ __imul__ __itruediv__ __idiv__ __ifloordiv__ __imod__ __ipow__ __imatmul__".split()
)
# Several operations in one Python function of torch, of which one may be guilty while the others are not.
_COMPOSITES = {
    getattr(functional, name)
    for name in (
        "multi_head_attention_forward",  # softmax over a fully masked row inside many finite projections
        "normalize",  # norm, clamp, division
        "gumbel_softmax",  # logs of random numbers, softmax
        "gaussian_nll_loss",  # log and division by the variance
        "triplet_margin_with_distance_loss",  # a distance of the user's own
        "local_response_norm",  # power and division
        "lp_pool1d",  # power, pooling, root
        "lp_pool2d",
    )
    if hasattr(functional, name)
}
_BACKWARD = {torch.Tensor.backward, torch.autograd.grad, torch.autograd.backward}
# Binary operations in which a plain number is an operand like a tensor: x / 0 is to be told from x / 2.
_ARITHMETIC = frozenset("add sub mul div mod pow atan2 xlogy logaddexp".split())


@dataclass(slots=True, eq=False)
class Plan:
    """How one function is treated.

    Attributes:
        name: As the framework names it, without underscores around it: "log", "iadd", "rtruediv".
        native: "aten::log".
        op: Canonical name.
        takes_numbers: Whether plain numbers among its arguments are operands.
        is_reflected: Its first argument is the right operand (`1 / x`).
    """

    kind: Kind
    name: str
    native: str
    op: str
    takes_numbers: bool
    is_reflected: bool


def plan_of(func: Callable[..., Any]) -> Plan:
    """Decide; call once per function."""
    raw = (getattr(func, "__name__", None) or str(func)).split(".")[0]  # "add.Tensor" of torch.ops
    name = raw.strip("_") or raw
    op = canonical_op("aten::" + name)
    return Plan(
        _kind_of(func, raw), name, f"aten::{name}", op, op in _ARITHMETIC, raw.startswith("__r") and op in _ARITHMETIC
    )


def _kind_of(func: Callable[..., Any], raw: str) -> Kind:
    if func in _BACKWARD:
        return "backward"
    if func in _COMPOSITES:
        return "composite"
    if raw in _ESCAPES:
        return "escape"
    if raw == "retain_grad":
        return "retain"
    if raw in _EMPTY:
        return "empty"
    if raw in _SKIPPED or raw.startswith(("is_", "_is_", "has_", "get_", "_has_", "register_")):
        return "skip"
    if raw in _RESETS:
        return "reset"
    if raw == "__setitem__":
        return "setitem"
    if raw in ("copy_", "fill_"):
        return "copy"
    if raw in MOVES:
        return "move"
    if raw in _INPLACE_DUNDERS or (raw.endswith("_") and not raw.endswith("__")):
        return "inplace"
    return "op"
