"""Keras 3: the way into models, layers, optimizers, metrics and histories, spelled as the user would type it.

Owns no tensor itself: inside every Keras variable is one of its backend framework's (tf.Variable, torch.nn.Parameter), which
that framework's backend takes. So nothing here depends on which framework Keras runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import keras

from ..model import Counts, TensorInfo, TensorSummary
from ..opevents import Key
from .base import Backend, Probe, spell_index

_TRACKING = "keras.src.utils.tracking"  # where Keras's own lists, dicts and sets are


class KerasBackend(Backend):
    """Only `children` has something to say (see the module's docstring)."""

    framework_name = "tensorflow"

    def owns(self, value: object) -> bool:
        """Nothing: a Keras variable is a container of its framework's variable."""
        return False

    def children(self, value: object) -> Iterable[tuple[str, object]] | None:
        """What a Keras object holds; None if it is none. No property of the user's is called."""
        cls = type(value)
        if issubclass(cls, keras.Variable):
            return [("", _inner(value))]
        if issubclass(cls, keras.optimizers.Optimizer):
            return [(f".variables[{i}]", _inner(v)) for i, v in enumerate(_attribute(value, "_variables") or ())]
        if issubclass(cls, keras.Model):
            return list(_of_model(value))
        if issubclass(cls, (keras.Layer, keras.metrics.Metric, keras.losses.Loss)):
            return list(_own(value))
        if issubclass(cls, keras.KerasTensor):
            return ()  # symbolic: it holds no values, and leads to the layers by a way that nobody types
        if issubclass(cls, keras.callbacks.History):
            return [(".history", _attribute(value, "history"))]
        if cls.__module__ == _TRACKING:
            return _of_tracked(value)
        return None

    def bookkeeping(self, value: object) -> Collection[str]:
        """The graph of layers, what is tracked for checkpoints, wrapped methods; of a variable all but its value."""
        cls = type(value)
        if issubclass(cls, (keras.Variable, keras.KerasTensor)):
            return tuple(getattr(value, "__dict__", ()))
        return ("tracker",) if cls.__module__ == _TRACKING else _BOOKKEEPING

    def training_twin(self, value: Any, twin: Callable[[Any], Any]) -> Any | None:
        """An optimizer of Keras's own that has taken no step: it holds nothing but its settings."""
        cls = type(value)
        if not _is_plain_optimizer(value) or value.built:
            return None
        return cls.from_config(value.get_config())

    def scale_rate(self, optimizer: Any, factor: float) -> bool:
        """Of a constant rate."""
        if not _is_plain_optimizer(optimizer):
            return False
        optimizer.learning_rate = float(optimizer.learning_rate) * factor
        return True

    # --- never called: nothing is owned -----------------------------------------------------------------------------
    def key(self, tensor: Any) -> Key:
        """Of the object."""
        return ("id", id(tensor))

    def fingerprint(self, tensor: Any) -> Hashable:
        """Of the object."""
        return id(tensor)

    def info(self, tensor: Any) -> TensorInfo:
        """Raises."""
        _refuse(tensor)

    def nbytes(self, tensor: Any) -> int:
        """Raises."""
        _refuse(tensor)

    def why_unchecked(self, tensor: Any) -> str | None:
        """Always: it is no tensor of this backend."""
        return "not a tensor"

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Raises unless empty."""
        for tensor in tensors:
            _refuse(tensor)
        return Probe([], [])

    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """Raises."""
        _refuse(tensor)

    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """Raises."""
        _refuse(tensor)


def _is_plain_optimizer(value: Any) -> bool:
    cls = type(value)
    return issubclass(cls, keras.optimizers.Optimizer) and cls.__module__.startswith("keras.src.optimizers.")


def _refuse(tensor: Any) -> NoReturn:
    raise TypeError(f"{type(tensor).__name__} is no tensor of Keras's own")


def _inner(variable: Any) -> Any:
    """The framework's variable inside of a Keras variable; None before it is built."""
    return _attribute(variable, "_value")


def _attribute(value: Any, name: str) -> Any:
    """A plain attribute, without calling properties or `__getattr__`."""
    return getattr(value, "__dict__", {}).get(name)


def _of_model(model: Any) -> Iterator[tuple[str, object]]:
    """Layers by position where the model has an order, by attribute where the user gave names; then training state."""
    seen: set[int] = set()
    if isinstance(model, keras.Sequential) or _attribute(model, "_functional") is not None or hasattr(model, "_nodes"):
        layers = _attribute(model, "_layers") or ()
        if isinstance(model, keras.Sequential) and layers and isinstance(layers[0], keras.layers.InputLayer):
            layers = layers[1:]  # as `Sequential.layers` shows them
        for i, layer in enumerate(layers):
            seen.add(id(layer))
            yield f".layers[{i}]", layer
    for suffix, child in _own(model):
        if id(child) not in seen:
            yield suffix, child
    for name, suffix in (("optimizer", ".optimizer"), ("_loss_tracker", ".metrics[0]")):
        child = _attribute(model, name)
        if child is not None and not isinstance(child, str):
            yield suffix, child


# What Keras keeps for itself: other names of the same things, or state without numbers.
_INTERNAL = frozenset(
    "_layers _functional _trainable_variables _non_trainable_variables _metrics _losses _loss_ids _variables _tracker "
    "optimizer _loss_tracker _compile_metrics _compile_loss _inbound_nodes _outbound_nodes _dtype_policy _seed_generators "
    "_nodes _nodes_by_depth _operations _operations_by_depth _inputs _outputs call_signature_parameters output_names "
    "input_names _inputs_struct _outputs_struct _call_context_args _self_setattr_tracking".split()
)


_BOOKKEEPING = frozenset(
    "_tracker _tracked _functional _inbound_nodes _outbound_nodes _nodes _nodes_by_depth _operations "
    "_operations_by_depth _keras_history _auto_config _call_context_args _call_has_context_arg call_signature_parameters "
    "_call_signature _build_shapes_dict _loss_ids _dtype_policy _inputs_struct _outputs_struct build quantize "
    "_self_setattr_tracking _self_unconditional_checkpoint_dependencies _self_unconditional_dependency_names "
    "_self_unconditional_deferred_dependencies _self_update_uid _self_name_based_restores _self_saveable_object_factories".split()
)


def _own(value: Any) -> Iterator[tuple[str, object]]:
    """Attributes that hold variables, layers, tensors or lists of them, each under the name that the user types."""
    cls = type(value)
    for name, child in list(getattr(value, "__dict__", {}).items()):
        is_part = isinstance(child, (keras.Layer, keras.metrics.Metric))
        if name in _INTERNAL or (callable(child) and not is_part):
            continue
        # `_kernel` with a property `kernel` is what the user calls `.kernel`.
        public = name[1:] if name.startswith("_") and isinstance(getattr(cls, name[1:], None), property) else name
        if isinstance(child, keras.Variable):
            yield f".{public}", _inner(child)
        elif is_part or (child is not None and not isinstance(child, (str, int, bool)) and not name.startswith("_")):
            yield f".{public}", child


def _of_tracked(value: Any) -> list[tuple[str, object]]:
    """Items of Keras's own lists, dicts and sets, which stand for the plain ones that the user assigned."""
    if isinstance(value, dict):
        return [(f"[{spell_index(k) or repr(k)}]", v) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"[{i}]", v) for i, v in enumerate(value)]
    return [("", v) for v in value] if isinstance(value, (set, frozenset)) else []
