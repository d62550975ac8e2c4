"""Where our function mode stands on torch's mode stack: below all of the user's, and gone without a trace.

The stack is per thread and the trace is no lexical block: it opens in one statement of a cell and closes after the last.
In between the user may leave a mode that an earlier cell entered (`mode.__exit__` pops whatever is on top), or enter one
and keep it. Standing at the bottom, nothing that the user pops is ours. The one exception is torch's own default-device
mode, which insists on the bottom where a version of torch puts it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

_length = torch._C._len_torch_function_stack
_push = torch._C._push_on_torch_function_stack
_pop = torch._C._pop_torch_function_stack
# Newer versions keep the default device's mode at the bottom and assert it; older ones push and pop it like any other.
_DEVICE_AT_BOTTOM = "_len_torch_function_stack" in DeviceContext.__exit__.__code__.co_names


def insert(mode: TorchFunctionMode) -> None:
    """Put `mode` under every mode of the user."""
    above = [_pop() for _ in range(_length())]
    if above and _DEVICE_AT_BOTTOM and isinstance(above[-1], DeviceContext):
        _push(above.pop())
    _push(mode)
    for other in reversed(above):
        _push(other)


def remove(mode: TorchFunctionMode) -> bool:
    """Take `mode` out, wherever it stands; others keep their order. Whether it was there."""
    modes = [_pop() for _ in range(_length())]
    for other in reversed(modes):
        if other is not mode:
            _push(other)
    return any(other is mode for other in modes)


@contextmanager
def without(mode: TorchFunctionMode) -> Iterator[None]:
    """Inside, the stack is as it would be untraced."""
    was_there = remove(mode)
    try:
        yield
    finally:
        if was_there:
            insert(mode)
