"""torch: every verb of `Backend`, for anything that is a `torch.Tensor`, on any device.

dense.py        from anything that torch calls a tensor to the plain strided tensor that holds its values
flags.py        exact finite flags of many tensors, one host read per device
values.py       state, identity and numbers of one tensor; statistics.py the numbers
containers.py   modules, optimizers, gradients, as the user would type them
recorder.py     operations while a cell runs
training.py     copies of modules, optimizers and loaders, to train once more
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from types import FunctionType
from typing import Any

import torch
from torch import overrides
from torch._C import DisableTorchFunction, _AutoDispatchBelowAutograd
from torch.nn.modules import module
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils import _python_dispatch

from ...frames import is_user_code
from ...model import Counts, TensorInfo, TensorSummary
from ...opevents import Key
from ...oplog import OpLog
from ..base import Backend, Probe, Shot
from ..digest import digest_at
from . import training, values
from .containers import bookkeeping, children
from .dense import hidden, is_alone, is_simple, ordinary, plain, values_of, why_unreadable
from .flags import collect, glance, launch, look


class TorchBackend(Backend):
    """torch's verbs; see `Backend`. Whatever it does is unseen by the user's modes, hooks and autograd graph."""

    framework_name = "torch"

    def owns(self, value: object) -> bool:
        """Any tensor, decided by its type alone."""
        return issubclass(type(value), torch._C.TensorBase)

    def children(self, value: object) -> Iterable[tuple[str, object]] | None:
        """Of a module, an optimizer or a tensor (its gradient, its attributes)."""
        return children(value)

    def bookkeeping(self, value: object) -> Collection[str]:
        """Of a module: the tables, whose elements are its attributes, and a dozen dictionaries of hooks while they are empty."""
        return bookkeeping(value) if issubclass(type(value), torch.nn.Module) else ()

    def key(self, tensor: Any) -> Key:
        """The address of the storage, shared by views and, on the host, by numpy."""
        return values.key(tensor)

    def alive(self, tensor: Any) -> Callable[[], bool]:
        """Whether the storage still lives at its address."""
        return values.alive(tensor)

    def fingerprint(self, tensor: Any) -> Hashable:
        """(id, version, address, shape, stride, dtype). Fused optimizers, `.data` and numpy leave no trace in it."""
        with DisableTorchFunction():
            if not is_simple(tensor):
                version = -1 if torch.Tensor.is_inference(tensor) else torch.Tensor._version.__get__(tensor)
                return id(tensor), version, self.key(tensor)
            try:
                return _fingerprint(tensor, tensor.data_ptr())
            except Exception:  # no storage: what is left still tells objects and versions apart
                return id(tensor), -1 if tensor.is_inference() else tensor._version

    def shots(self, tensors: Sequence[Any], limit: int) -> list[Shot]:
        """The digests of dense tensors on the host."""
        found: list[Shot] = []
        with DisableTorchFunction():
            for t in tensors:
                address = ordinary(t)
                if address is None:
                    found.append(self._shot(t, limit))
                    continue
                size = t.nbytes
                digest = digest_at(address, size) if size <= limit else None
                memory = ("mem", "cpu", t.untyped_storage().data_ptr())
                found.append(Shot(_fingerprint(t, address), memory, digest, t.requires_grad))
        return found

    def _shot(self, t: Any, limit: int) -> Shot:  # called with torch functions switched off
        takes_gradient = torch.Tensor.requires_grad.__get__(t)
        is_read = is_simple(t) and t.is_cpu and why_unreadable(t) is None
        if not is_read or self.nbytes(t) > limit:
            return Shot(self.fingerprint(t), self.key(t), None, takes_gradient)
        with hidden():
            flat = values_of(t).detach().contiguous()
            digest = digest_at(flat.data_ptr(), flat.numel() * flat.element_size())
        return Shot(self.fingerprint(t), self.key(t), digest, takes_gradient)

    def info(self, tensor: Any) -> TensorInfo:
        """Framework, dtype ("float32"), shape and device ("cuda:0")."""
        return values.info(tensor)

    def nbytes(self, tensor: Any) -> int:
        """Bytes of the values that are looked at; of what cannot be checked any number."""
        with DisableTorchFunction():
            if is_simple(tensor) and tensor.is_contiguous():
                return int(tensor.nbytes)
        with hidden():
            if why_unreadable(tensor) is not None:
                return 0
            found = values_of(tensor)
            return int(found.numel() * found.element_size())

    def why_unchecked(self, tensor: Any) -> str | None:
        """None, or "meta device: no data", "quantised", "tensor subclass Foo", "its storage was freed or shrunk", …"""
        with DisableTorchFunction():
            if is_simple(tensor):
                return why_unreadable(tensor)
        with hidden():
            return why_unreadable(tensor)

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Flags: known at once on the host, pending on devices. None are asked while a CUDA graph is captured."""
        with DisableTorchFunction():
            flags, large, others = glance(tensors)
        if large and is_alone():
            with DisableTorchFunction(), _AutoDispatchBelowAutograd():
                look(tensors, large, flags)
        else:
            others += large
        if not others:
            return Probe(flags, [])
        with hidden():
            found = launch([values_of(t) if flags[i] is None else None for i, t in enumerate(tensors)])
        found.flags = [known if known is not None else f for known, f in zip(flags, found.flags, strict=True)]
        return found

    def read(self, probes: Sequence[Probe]) -> None:
        """One host read per device."""
        with hidden():
            collect(probes)

    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """See `values.count`. Cost: about ten kernels per 64 MB, and a host read."""
        return values.count(tensor)

    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """See `values.summarize`. Cost: about thirty kernels per 16 MB, and several host reads."""
        return values.summarize(tensor, variable)

    def copy_sample(self, tensor: Any, max_bytes: int) -> Any | None:
        """A dense or sparse copy on the host, with the gradient flag of the original."""
        # In the user's inference mode or transform the copy could never take part in a graph of its own.
        with torch.inference_mode(False), hidden():
            if why_unreadable(tensor) is not None:
                return None
            found = plain(tensor)
            if found.is_nested or self.nbytes(tensor) > max_bytes:
                return None
            if found.layout is torch.strided and found.numel() * found.element_size() > max_bytes:
                return None  # dimensions that only repeat would be written out
            needs_grad = torch.Tensor.requires_grad.__get__(tensor)
            return found.detach().cpu().clone().requires_grad_(needs_grad)

    def twin(self, tensor: Any, max_bytes: int, *, with_gradient: bool) -> Any | None:
        """A leaf on the tensor's device, or on the host what fits nowhere else; of plain tensors and parameters only."""
        cls = type(tensor)
        if cls not in (torch.Tensor, torch.nn.Parameter) or not is_simple(tensor) or self.nbytes(tensor) > max_bytes:
            return None
        with torch.inference_mode(False), hidden():
            if tensor.numel() * tensor.element_size() > max_bytes:
                return None  # dimensions that only repeat would be written out
            out = tensor.detach().clone()
            out = torch.nn.Parameter(out, tensor.requires_grad) if cls is torch.nn.Parameter else out.requires_grad_(
                tensor.requires_grad
            )  # fmt: skip
            if with_gradient and tensor.is_leaf and tensor.grad is not None:
                out.grad = tensor.grad.detach().clone()
            return out

    def hangs_on_graph(self, tensor: Any) -> bool:
        """Whether it has a `grad_fn`."""
        with DisableTorchFunction():
            return torch.Tensor.grad_fn.__get__(tensor) is not None

    def is_listened_to(self) -> bool:
        """Function and dispatch modes but the default device's, hooks on all layers and optimizers, on saved tensors."""
        modes = [*overrides._get_current_function_mode_stack(), *_python_dispatch._get_current_dispatch_mode_stack()]
        hooks = [v for n, v in vars(module).items() if n.startswith("_global_") and "hooks" in n]
        methods = [m for m in vars(torch.Tensor).values() if isinstance(m, FunctionType)]
        return (
            any(type(m).__module__ != "torch.utils._device" for m in modes)
            or any([*hooks, _global_optimizer_pre_hooks, _global_optimizer_post_hooks])
            or torch._C._autograd._top_saved_tensors_default_hooks(True) is not None
            or any(is_user_code(m.__code__) for m in methods)
        )

    def copy_layer(self, layer: Any, max_bytes: int) -> Any | None:
        """A deep copy without gradients; the caller knows that the layer has no hooks and no state but its tensors."""
        if not isinstance(layer, torch.nn.Module):
            return None
        with torch.inference_mode(False), hidden():
            if sum(t.numel() * t.element_size() for t in (*layer.parameters(), *layer.buffers())) > max_bytes:
                return None
            memo: dict[int, Any] = {id(p): torch.nn.Parameter(p.detach().cpu().clone()) for p in layer.parameters()}
            return copy.deepcopy(layer, memo)

    def training_twin(self, value: Any, twin: Callable[[Any], Any]) -> Any | None:
        """Modules, optimizers, loaders over tensors, generators; see `training.py`."""
        with torch.inference_mode(False), hidden():
            return training.twin_of(value, twin)

    def inner_modules(self, value: Any) -> Iterable[Any]:
        """See `training.modules_of`."""
        return training.modules_of(value)

    def keep_draws(self) -> Callable[[], None] | None:
        """See `training.keep_draws`."""
        return training.keep_draws()

    def scale_rate(self, optimizer: Any, factor: float) -> bool:
        """The rates of all its groups; those that a scheduler starts from."""
        if not isinstance(optimizer, (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)):
            return False
        training.scale_rate(optimizer, factor)
        return True

    def clip_gradients(self, optimizer: Any, limit: float) -> bool:
        """See `training.clip`."""
        if not isinstance(optimizer, torch.optim.Optimizer):
            return False
        training.clip(optimizer, limit)
        return True

    def intercept(self, log: OpLog) -> AbstractContextManager[None] | None:
        """Records forward, backward and update operations of this thread."""
        from .recorder import TorchRecorder

        return TorchRecorder(log)


def _fingerprint(t: torch.Tensor, address: int) -> Hashable:
    version = -1 if t.is_inference() else t._version
    return id(t), version, address, t.shape, t.stride(), t.dtype
