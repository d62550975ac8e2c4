"""Copies of what trains: modules of the library and of the user's classes, optimizers, schedulers, loaders, generators.

A copy is made only of what holds tensors, numbers and texts, and no hook; tensors become the twins that the caller makes, so
that an optimizer's parameters are the copied model's. Nothing of the user's classes runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
)

_PLAIN = (int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size, slice)
_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)  # fmt: skip
_OPTIMIZER_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
# Code of a class of the user's that making a copy would run.
_RUNS = frozenset(
    "__deepcopy__ __copy__ __reduce__ __reduce_ex__ __getstate__ __setstate__ __setattr__ __getattribute__ __getattr__ __new__ "
    "__del__ __init_subclass__ __class_getitem__".split()
)

Twin = Callable[[Any], Any]


def twin_of(value: Any, twin: Twin) -> Any | None:
    """The copy, None of what is none of these or not plain enough.

    Args:
        twin: The twin of a tensor; raises where there is none.
    """
    cls = type(value)
    if isinstance(value, torch.nn.Module):
        return _module(value, twin)
    if isinstance(value, torch.optim.Optimizer):
        return _optimizer(value, twin) if cls.__module__.startswith("torch.optim") else None
    if isinstance(value, LRScheduler):
        return _scheduler(value, twin)
    if cls is DataLoader:
        return value if _only_reads(value) else None  # its batches are new tensors
    if cls is torch.Generator:
        out = torch.Generator(device=value.device)
        out.set_state(value.get_state())
        return out
    return None


def modules_of(value: Any) -> Iterator[Any]:
    """A module and all inside of it."""
    if isinstance(value, torch.nn.Module):
        yield from value.modules()


def _module(module: Any, twin: Twin) -> Any | None:
    if not all(_is_plain_module(m) for m in module.modules()):
        return None
    memo: dict[int, Any] = {}
    for m in module.modules():
        for t in (*m._parameters.values(), *m._buffers.values(), *_loose_tensors(m)):
            if t is not None and id(t) not in memo:
                memo[id(t)] = twin(t)
    return copy.deepcopy(module, memo)


def _is_plain_module(module: Any) -> bool:
    cls = type(module)
    if any(getattr(module, name, None) for name in _HOOKS):
        return False
    for base in cls.__mro__:
        if not base.__module__.startswith("torch.") and base is not object and _RUNS & vars(base).keys():
            return False
    return all(_is_plain(v) for name, v in vars(module).items() if not name.startswith("_") or name not in _known())


def _known() -> frozenset[str]:
    return frozenset(vars(torch.nn.Module()))


def _is_plain(value: Any) -> bool:
    if isinstance(value, _PLAIN) or type(value) is torch.Tensor:
        return True
    if isinstance(value, torch.nn.Module):
        return False  # in no place where torch looks for layers
    if type(value) in (list, tuple, set):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    name = getattr(value, "__name__", "")  # `self.act = torch.relu`
    return bool(name) and value in (
        vars(torch.nn.functional).get(name),
        getattr(torch._C._VariableFunctions, name, None),
    )


def _loose_tensors(module: Any) -> Iterator[Any]:
    for value in vars(module).values():
        if type(value) is torch.Tensor:
            yield value


def _optimizer(optimizer: Any, twin: Twin) -> Any | None:
    if any(getattr(optimizer, name, None) for name in _OPTIMIZER_HOOKS):
        return None
    memo = {id(p): twin(p) for group in optimizer.param_groups for p in group["params"]}
    if len({id(p) for p in optimizer.state} - memo.keys()):
        return None
    return copy.deepcopy(optimizer, memo)


def _scheduler(scheduler: Any, twin: Twin) -> Any | None:
    """One whose settings are numbers; the caller's twin of its optimizer takes the optimizer's place."""
    values = {name: v for name, v in vars(scheduler).items() if name != "optimizer"}
    if type(scheduler).__module__ != "torch.optim.lr_scheduler" or not all(map(_is_setting, values.values())):
        return None
    return copy.deepcopy(scheduler, {id(scheduler.optimizer): twin(scheduler.optimizer)})


def _is_setting(value: Any) -> bool:
    if isinstance(value, dict):  # a Counter of milestones
        return all(map(_is_setting, (*value.keys(), *value.values())))
    return isinstance(value, _PLAIN) or (type(value) in (list, tuple) and all(map(_is_setting, value)))


def _only_reads(loader: Any) -> bool:
    """A loader without workers over tensors, whose samplers and collation are the library's."""
    data = loader.dataset
    while type(data) is Subset:
        data = data.dataset
    samplers = (type(loader.sampler), type(loader.batch_sampler))
    return (
        type(data) is TensorDataset
        and loader.num_workers == 0
        and loader.collate_fn is default_collate
        and loader.generator is None
        and samplers[0] in (RandomSampler, SequentialSampler)
        and samplers[1] in (BatchSampler, type(None))
        and getattr(loader.sampler, "generator", None) is None
    )


def keep_draws() -> Callable[[], None]:
    """A function that puts the generators of the host, and of devices in use, back to where they are now."""
    state = torch.random.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def back() -> None:
        torch.random.set_rng_state(state)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    return back


def scale_rate(trained: Any, factor: float) -> None:
    """Multiply the learning rates of an optimizer, or those that a scheduler starts from; both are copies."""
    if isinstance(trained, LRScheduler):
        trained.base_lrs = [rate * factor for rate in trained.base_lrs]
        return
    for group in trained.param_groups:
        group["lr"] = group["lr"] * factor
        if "initial_lr" in group:
            group["initial_lr"] = group["initial_lr"] * factor


def clip(optimizer: Any, limit: float) -> None:
    """Scale the gradients of what a copied optimizer trains to a norm of at most `limit`."""
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], limit)
