"""What an autograd node saved in the forward pass: the operands that explain why its gradient is non-finite."""

from __future__ import annotations

from typing import Any

import torch

_ORDER = ("self", "input", "other", "exponent", "tensor1", "tensor2", "mat1", "mat2", "result")


def saved_operands(node: Any) -> list[Any] | None:
    """Saved tensors of `node`, the forward operation's first operand first; None if a hook of the user packed them.

    Call it in a post hook: the node lets go of them right after. Reading one that was changed in place since raises in
    torch; it is left out. Unpacking would run the user's code (checkpointing, offloading), so those are not touched,
    as in versions of torch that do not tell (`unpack_hook` is missing).
    """
    out = []
    is_packed = False
    names = [n.removeprefix("_raw_saved_") for n in dir(node) if n.startswith("_raw_saved_")]
    for name in sorted(names, key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER)):
        try:
            raw = getattr(node, "_raw_saved_" + name)
            if getattr(raw, "unpack_hook", raw) is not None:
                is_packed = True
                continue
            value = getattr(node, "_saved_" + name)
        except (RuntimeError, AttributeError):
            continue
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            out.append(value.detach())
    exponent = getattr(node, "_saved_exponent", None)
    if out and isinstance(exponent, (int, float)):  # of `x ** 0.5`: a number, no tensor
        out.insert(1, exponent)
    return None if is_packed and not out else out
