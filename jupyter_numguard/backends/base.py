"""The verbs a framework must offer so that numguard can check and trace it.

Requirements and their reasons:

- A backend is made only for a framework that the user imported (`loaded_backends` looks into `sys.modules`), so its file
  may import the framework at the top; nothing else in the package may.
- `probe` must never read from a device: the check of a cell reads once per device, at the end, through `read`.
- `count`, `summarize` and `copy_sample` may read: they run only for tensors that are known to be non-finite.
- No verb may write to a user's tensor, record a gradient, keep a tensor, or be seen by the user's own modes and hooks.
- Every verb may be handed anything that `owns` accepted: sparse, quantised, meta, subclasses that raise on access. What
  cannot be checked is named by `why_unchecked`; it is never reported as finite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from keyword import iskeyword
from typing import Any, NamedTuple
from unicodedata import normalize

from ..model import Counts, Framework, TensorInfo, TensorSummary
from ..opevents import Key
from ..oplog import OpLog


@dataclass(slots=True)
class Probe:
    """The finite flags of some tensors, perhaps not read from their devices yet.

    Attributes:
        flags: True where the tensor is non-finite, in the order of `Backend.probe`'s argument; entries whose device was
            not read yet are None.
        pending: Per device: (positions in `flags`, the device's flag tensor). Only the backend knows its type.
    """

    flags: list[bool | None]
    pending: list[tuple[tuple[int, ...], Any]]


class Shot(NamedTuple):
    """What one tensor looked like at one moment; plain data.

    Attributes:
        light: `Backend.fingerprint`.
        memory: `Backend.key`; None where nothing else can share it.
        digest: Of the values; None where they were not read.
        takes_gradient: A backward pass may write to it.
    """

    light: Hashable
    memory: Key | None
    digest: Hashable
    takes_gradient: bool


class Backend(ABC):
    """One framework's verbs (see the module's docstring). Stateless except for caches."""

    framework_name: Framework
    fingerprint_shows_writes: bool = True  # False where a write in place leaves `fingerprint` as it was (numpy)

    # --- values -----------------------------------------------------------------------------------------------------
    @abstractmethod
    def owns(self, value: object) -> bool:
        """Whether `value` is a tensor (or number) of this framework. Must not touch attributes that a subclass defines.

        The answer depends on the type alone (`snapshot.walk` remembers it by type), except for plain lists and tuples.
        """

    def children(self, value: object) -> Iterable[tuple[str, object]] | None:
        """What is inside one of the framework's own containers (module, optimizer, model, data frame) or beside a tensor
        (its gradient), as (suffix, object); the suffix is what the user would type after the container's path
        (".weight", "[0]", ".state[model.weight]" is not: use ".state[0]['exp_avg']"). None if it is not one.
        """
        return None

    def bookkeeping(self, value: object) -> Collection[str]:
        """Of an object that `children` opens: names of attributes in which the framework keeps track of itself or of what
        `children` shows: none holds anything else of the user's, and no change of one is worth telling."""
        return ()

    @abstractmethod
    def key(self, tensor: Any) -> Key:
        """Identity of the memory: equal for views and aliases. Never raises; falls back on `id`."""

    def alive(self, tensor: Any) -> Callable[[], bool] | None:
        """A function that answers whether `key(tensor)` is still the identity of that memory; it keeps nothing alive.

        None where the key is never given to other memory: an address is, once its tensor is gone.
        """
        return None

    @abstractmethod
    def fingerprint(self, tensor: Any) -> Hashable:
        """Cheap (about 1 µs, no read of the values) token that differs after most in-place changes; equality proves
        nothing (`.data`, numpy and fused optimizers write without a trace)."""

    @abstractmethod
    def info(self, tensor: Any) -> TensorInfo:
        """Framework, dtype, shape and device."""

    @abstractmethod
    def nbytes(self, tensor: Any) -> int:
        """Bytes that a check reads."""

    @abstractmethod
    def why_unchecked(self, tensor: Any) -> str | None:
        """None if the tensor can be checked (integers and booleans can: they are finite), else the reason in a few words
        ("quantised", "meta device: no data", "tensor subclass Foo")."""

    @abstractmethod
    def probe(self, tensors: Sequence[Any]) -> Probe:
        """Exact finite flags of checkable tensors: grouped and fused per device and dtype, no device read."""

    def read(self, probes: Sequence[Probe]) -> None:  # noqa: B027  on the host all flags are known: nothing to read
        """Fill in the flags that are still pending, with one host read per device over all probes."""

    @abstractmethod
    def count(self, tensor: Any) -> tuple[Counts, tuple[int, ...]]:
        """Counts of NaN, +Inf, -Inf, and the index of the first non-finite element (() for a scalar or a finite tensor)."""

    @abstractmethod
    def summarize(self, tensor: Any, variable: str | None = None) -> TensorSummary:
        """Statistics of the tensor now, measured="at_op"."""

    def content(self, value: object, limit: int) -> Mapping[str, Hashable] | None:
        """What tells whether values changed, read from the host's memory only: part's suffix ("": the whole) -> digest.

        For a tensor one digest, for a data frame one per column. None where there is nothing to read without a device.

        Args:
            limit: Bytes above which a part is left out (digest None).
        """
        return None

    def shots(self, tensors: Sequence[Any], limit: int) -> list[Shot]:
        """All that tells whether tensors changed, at once: of hundreds after each statement, the calls are the cost.

        Args:
            limit: As in `content`.
        """
        return [
            Shot(self.fingerprint(t), self.key(t), (self.content(t, limit) or {}).get(""), takes_gradient=False)
            for t in tensors
        ]

    def copy_sample(self, tensor: Any, max_bytes: int) -> Any | None:
        """A private copy on the host of at most `max_bytes`, as a tensor of the same framework (gradient flag kept), for
        running a rewrite; None if it does not fit or cannot be copied."""
        return None

    def twin(self, tensor: Any, max_bytes: int, *, with_gradient: bool) -> Any | None:
        """A private copy on which what the user's statement did to the tensor can be done again: a parameter is a parameter,
        a variable a variable, with its gradient if that is asked for. None if it does not fit or is of no class known exactly.
        """
        return self.copy_sample(tensor, max_bytes)

    def hangs_on_graph(self, tensor: Any) -> bool:
        """Whether a gradient would pass through the tensor to what it was made from: a copy would end it."""
        return False

    def is_listened_to(self) -> bool:
        """Whether code of the user's would notice operations of ours: modes, hooks on everything, replaced methods."""
        return False

    def copy_layer(self, layer: Any, max_bytes: int) -> Any | None:
        """A private copy of a layer with its parameters, at most `max_bytes`; None if it is none of the framework's."""
        return None

    def training_twin(self, value: Any, twin: Callable[[Any], Any]) -> Any | None:
        """A private copy of a module, an optimizer, a loader or a generator, in which the twins of its tensors take their place;
        None if it is none of the framework's, or holds more than tensors and plain values.

        Args:
            twin: Makes the twin of a tensor; raises where there is none.
        """
        return None

    def inner_modules(self, value: Any) -> Iterable[Any]:
        """A copied module and all inside of it; empty where it is none."""
        return ()

    def keep_draws(self) -> Callable[[], None] | None:
        """A function that puts the framework's random generators back to where they are now; None if it has none."""
        return None

    def scale_rate(self, optimizer: Any, factor: float) -> bool:
        """Multiply the learning rate of an optimizer that is a copy; False if it is none of the framework's."""
        return False

    def clip_gradients(self, optimizer: Any, limit: float) -> bool:
        """Scale the gradients of what a copied optimizer trains to a norm of at most `limit`; False if it cannot."""
        return False

    # --- operations -------------------------------------------------------------------------------------------------
    def intercept(self, log: OpLog) -> AbstractContextManager[None] | None:
        """A context manager that records the framework's operations of this thread into `log`; None if there is none.

        Leaves no mode, hook, wrapper or callback behind, whatever happened inside.
        """
        return None

    def keep_watch(self, log: OpLog) -> AbstractContextManager[None] | None:
        """What is free enough to run in watch mode too (numpy's error state); None if nothing is."""
        return None


@lru_cache(maxsize=4096)
def spell_attribute(name: str) -> str:
    """The suffix of an attribute as the user would type it: ".loss"; of a name that cannot follow a dot, the way into the
    instance dictionary, whose "{}" stands for the path (`snapshot.py`)."""
    # Python reads an identifier in its NFKC form: a name in another form is there, but not after a dot.
    plain = name.isidentifier() and not iskeyword(name) and (name.isascii() or normalize("NFKC", name) == name)
    return f".{name}" if plain else f"vars({{}})[{spell_index(name)}]"


def spell_index(key: object) -> str | None:
    """A dictionary key as the user would type it; None if it cannot be typed."""
    cls = type(key)
    if cls is str:
        return _spell_text(str(key))
    if cls is int or cls is bool or cls is bytes or key is None:
        return repr(key)
    if type(key) is float:
        return repr(key) if key - key == 0 else None
    if type(key) is tuple:
        parts = [spell_index(k) for k in key]
        return None if None in parts else f"({', '.join(str(p) for p in parts)}{',' if len(key) == 1 else ''})"
    return None


@lru_cache(maxsize=4096)
def _spell_text(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)
