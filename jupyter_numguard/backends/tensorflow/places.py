"""Whose line runs now: one walk from an operation outward to the user's frame, and what is met on the way.

user's frame          the innermost one outside of the libraries: the line
its callee            one *execution* of the line's call: a training loop's step is the count of these
API function          `norm`, `reduce_std`: what the user called, where the operation is only a part of it
gradient frames       TensorFlow is computing a gradient, and of which forward operation
optimizer frames      an update of the parameters
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from ...frames import is_user_file
from ...opevents import Site
from ...oplog import OpLog

_LIBRARY, _USER, _TAPE, _OPTIMIZER, _WRAPPER = range(5)

# Files of TensorFlow and Keras that mean something on the way; a file's kind is looked up by its name's end, once.
_KINDS = (
    ("tensorflow/python/eager/backprop.py", _TAPE),
    ("keras/src/optimizers/", _OPTIMIZER),
    ("keras/src/backend/tensorflow/optimizer", _OPTIMIZER),
    ("tensorflow/python/training/", _OPTIMIZER),  # the optimizers of TensorFlow 1 that are still there
    ("tensorflow/python/util/", _WRAPPER),  # dispatch, deprecation and traceback decorators
    ("tensorflow/python/ops/weak_tensor_ops.py", _WRAPPER),
    ("tensorflow/python/profiler/", _WRAPPER),
    ("tensorflow/python/autograph/", _WRAPPER),  # converted calls
    ("keras/src/utils/traceback_utils.py", _WRAPPER),
)

_UPDATES = frozenset({"apply", "apply_gradients", "update_step", "minimize", "_backend_apply_gradients"})

COMPOSITES = {
    # what the user called -> reason that its name, not the inner operation's, is what the user knows
    "norm": "sqrt of a sum of squares",
    "norm_v2": "the name of tf.norm inside of TensorFlow 2",
    "reduce_std": "sqrt of a variance",
    "reduce_variance": "mean of squared differences",
    "reduce_logsumexp": "log of a sum of exponentials, shifted",
    "l2_normalize": "x times rsqrt of a sum of squares",
    "normalize": "x over its norm",
    "moments": "mean and variance",
}


class _Activation:
    """Marks one activation of a library function; it dies with the frame.

    Kept as the frame's `f_trace`: the one attribute of a frame that is free for others and lives exactly as long. It is
    used only while a debugger runs, and answers a debugger as a function that does not trace.
    """

    __slots__ = ("__weakref__",)

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        return None


@dataclass(slots=True, eq=False)
class _Runs:
    """How often one instruction of the user's code was executed."""

    code: CodeType
    count: int = 0
    last: weakref.ref[_Activation] | None = None


@dataclass(slots=True)
class Here:
    """What one walk found.

    Attributes:
        user: The user's frame, None if only libraries run.
        runs: The how-many-th execution of its instruction.
        api: Name of the outermost library function that is no mere wrapper.
        gradient: Frame of the function that computes the gradient of one forward operation.
        tape: Frame of `GradientTape.gradient`, if a tape is computing gradients.
        is_update: An optimizer is applying gradients.
    """

    user: FrameType | None
    runs: int
    api: str
    gradient: FrameType | None
    tape: FrameType | None
    is_update: bool


class Places:
    """The walks of one trace (see the module's docstring)."""

    def __init__(self, log: OpLog) -> None:
        """Sites go to `log`."""
        self._log = log
        self._kinds: dict[str, int] = {}
        self._runs: dict[tuple[int, int], _Runs] = {}

    def _kind_of(self, filename: str) -> int:
        self._kinds[filename] = kind = _USER if is_user_file(filename) else _library_kind(filename)
        return kind

    def here(self, frame: FrameType | None) -> Here:
        """Walk from `frame` outward. Cost: about 0.1 µs per frame."""
        kinds = self._kinds
        callee = frame
        api = ""
        gradient: FrameType | None = None
        tape: FrameType | None = None
        is_update = False
        while frame is not None:
            filename = frame.f_code.co_filename
            kind = kinds.get(filename)
            if kind is None:
                kind = self._kind_of(filename)
            if kind == _USER:
                break
            if kind == _LIBRARY:
                api = frame.f_code.co_name
            elif kind == _TAPE:
                if gradient is None and frame.f_code.co_name == "_gradient_function":
                    gradient = frame
                elif frame.f_code.co_name == "gradient":
                    tape = frame
            elif kind == _OPTIMIZER and frame.f_code.co_name in _UPDATES:
                is_update = True
            callee = frame
            frame = frame.f_back
        runs = self._count(frame, callee) if frame is not None else 0
        return Here(frame, runs, api, gradient, tape, is_update)

    def _count(self, user: FrameType, callee: FrameType | None) -> int:
        """The how-many-th execution of the user's instruction: another activation of its callee is another execution."""
        key = (id(user.f_code), user.f_lasti)
        runs = self._runs.get(key)
        if runs is None:
            runs = self._runs[key] = _Runs(user.f_code)
        if callee is None or callee is user:
            runs.count += 1
            return runs.count
        mark = callee.f_trace
        if runs.last is not None and mark is not None and runs.last() is mark:
            return runs.count
        runs.count += 1
        if mark is None:
            mark = callee.f_trace = _Activation()
        runs.last = weakref.ref(mark) if isinstance(mark, _Activation) else None  # a debugger owns this frame
        return runs.count

    def site(self, user: FrameType, op: str) -> Site:
        """The site of `op` at the user's instruction, counted once more."""
        code, lasti = user.f_code, user.f_lasti
        site = self._log.sites.get((id(code), lasti, op))
        if site is not None:
            site.count += 1
            return site
        return self._log.site_at(code, lasti, user.f_lineno, op)

    def outer_user(self, frame: FrameType | None) -> FrameType | None:
        """The innermost user's frame at or outside of `frame`."""
        while frame is not None and not is_user_file(frame.f_code.co_filename):
            frame = frame.f_back
        return frame


def _library_kind(filename: str) -> int:
    normal = filename.replace("\\", "/")
    return next((kind for part, kind in _KINDS if part in normal), _LIBRARY)


def is_update_frame(code: CodeType) -> bool:
    """Whether this is an optimizer applying gradients."""
    return code.co_name in _UPDATES and _library_kind(code.co_filename) == _OPTIMIZER


def is_wrapper(code: CodeType) -> bool:
    """Whether this is one of the libraries' decorators."""
    return _library_kind(code.co_filename) == _WRAPPER


def tape_of(frame: FrameType | None) -> FrameType | None:
    """The frame of `GradientTape.gradient` at or outside of `frame`."""
    while frame is not None:
        if frame.f_code.co_name == "gradient" and frame.f_code.co_filename.endswith("backprop.py"):
            return frame
        frame = frame.f_back
    return None


def local(frame: FrameType, name: str) -> Any:
    """A local variable of a library's frame."""
    return frame.f_locals.get(name)
