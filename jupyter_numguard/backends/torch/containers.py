"""What is inside torch's own containers, with the suffix that the user would type after the container's path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from ..base import spell_attribute, spell_index
from .dense import PLAIN_TYPES

# What every module has for its own bookkeeping: no tensor of the user's, but hooks whose closures hold activations.
_BOOKKEEPING = frozenset(vars(nn.Module())) - {"training"} | {"_is_full_backward_hook", "_keys", "_size"}
_TABLES = ("_parameters", "_buffers", "_modules")
_module_of = type.__dict__["__module__"].__get__  # a metaclass may have its own idea of `__module__`


def children(value: object) -> Iterable[tuple[str, object]] | None:
    """(suffix, object) pairs of a module, an optimizer or a tensor; None for anything else.

    Only instance dictionaries are read: no property and no `__getattr__` of the user runs.
    """
    cls = type(value)
    if issubclass(cls, torch._C.TensorBase):
        return _of_tensor(value)
    if issubclass(cls, nn.Module):
        return _of_module(value)
    if issubclass(cls, torch.optim.Optimizer):
        return _of_optimizer(value)
    return None


def _instance_dict(value: object) -> dict[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_tensor(t: Any) -> Iterable[tuple[str, object]]:
    is_plain = type(t) in PLAIN_TYPES
    with torch._C.DisableTorchFunction():
        try:
            grad = (t.grad if t.is_leaf or t.retains_grad else None) if is_plain else _grad_of(t)
        except Exception:  # a wrapper that has no such thing
            grad = None
    found = () if grad is None else ((".grad", grad),)
    return found if is_plain and not t.__dict__ else (*found, *_attributes(t, frozenset()))


def _grad_of(t: Any) -> Any:
    # Of other tensors `.grad` warns; a subclass may have its own idea of any of these.
    has_grad = torch.Tensor.is_leaf.__get__(t) or torch.Tensor.retains_grad.__get__(t)
    return torch.Tensor.grad.__get__(t) if has_grad else None


def _of_module(module: Any) -> Iterator[tuple[str, object]]:
    """Parameters, buffers and submodules under their short names, then the module's other attributes."""
    own = _instance_dict(module)
    if str(_module_of(type(module))).startswith("torch._dynamo"):  # `torch.compile(model)`: attributes are the model's
        yield from _of_module(own["_modules"]["_orig_mod"])
        return
    for kind in _TABLES:
        table = own.get(kind)
        if table is None:
            continue
        # A ScriptModule has tables of its own, which are no dict.
        items = dict.items(table) if isinstance(table, dict) else table.items()
        for position, (name, child) in enumerate(list(items)):
            if child is not None:
                yield _suffix(module, kind, name, position), child
    left_out = _BOOKKEEPING
    if issubclass(type(module), nn.ParameterList):  # what is no parameter is kept as an attribute named by its index
        left_out |= {name for name in own if name.isdigit()}
        yield from ((f"[{name}]", child) for name, child in list(own.items()) if name.isdigit())
    elif issubclass(type(module), nn.ParameterDict):
        keys = own.get("_keys") or {}
        yield from ((f"[{spell_index(name)}]", own[name]) for name in list(keys) if name in own)
        return
    yield from _attributes(module, left_out)


def bookkeeping(module: Any) -> list[str]:
    """Names of a module's attributes that are its own bookkeeping: its tables, and no hooks."""
    own = _instance_dict(module)
    return [
        name
        for name, value in list(own.items())
        if name in _TABLES or (name in _BOOKKEEPING and not (issubclass(type(value), dict) and dict.__len__(value)))
    ]


def _suffix(module: Any, kind: str, name: str, position: int) -> str:
    if issubclass(type(module), (nn.ModuleDict, nn.ParameterDict)):
        return f"[{spell_index(name)}]"
    attribute = spell_attribute(name)
    if attribute[0] == ".":
        return attribute
    if issubclass(type(module), (nn.Sequential, nn.ModuleList, nn.ParameterList)):
        return f"[{position}]"
    return f".{kind}[{spell_index(name)}]"


def _of_optimizer(optimizer: Any) -> Iterator[tuple[str, object]]:
    """The state as `state_dict()` numbers it, then the parameters and options of the groups."""
    own = _instance_dict(optimizer)
    groups = own.get("param_groups") or []
    number: dict[int, int] = {}
    for group in groups:
        for parameter in group["params"]:
            number.setdefault(id(parameter), len(number))
    for position, (parameter, state) in enumerate(list((own.get("state") or {}).items())):
        at = number.get(id(parameter))
        if at is not None:
            yield f'.state_dict()["state"][{at}]', state
        elif isinstance(parameter, str):
            yield f".state[{spell_index(parameter)}]", state
        else:  # of a parameter that left its group: `state_dict()` has no number for it
            yield f".state.<value {position}>", state
    yield ".param_groups", groups
    yield from _attributes(optimizer, frozenset({"state", "param_groups", "defaults", "_zero_grad_profile_name"}))


def _attributes(value: object, left_out: frozenset[str]) -> Iterator[tuple[str, object]]:
    """Instance attributes that are not bookkeeping, hooks or patched methods."""
    for name, attribute in list(dict.items(_instance_dict(value))):
        if type(name) is str and name not in left_out and not name.endswith("_hooks"):
            yield spell_attribute(name), attribute
