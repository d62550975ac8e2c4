"""Which line, operation and phase a non-finite result is told as: the running operation's, or its forward operation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ...model import Confidence, Phase
from ...opevents import Site
from ...opnames import canonical_op
from . import private
from .forward import ForwardSites
from .optables import LOADING, without_axes
from .places import COMPOSITES, Here, Places, local, tape_of


@dataclass(frozen=True, slots=True)
class Blame:
    """How one result is told.

    Attributes:
        op: Canonical name; of a gradient that of the forward operation.
        native: What ran: "Log", "tf.norm / Sqrt", "Log gradient / Mul".
        site, runs: The line, and the how-many-th execution of it.
        asked: For gradients, where they were asked for.
        frame: The user's frame that runs now.
        operands: The tensors that `op` got.
        targets: For gradients, the tensors whose gradient was asked for.
    """

    phase: Phase
    op: str
    native: str
    site: Site | None
    runs: int
    asked: Site | None
    frame: FrameType | None
    operands: Sequence[Any]
    targets: tuple[Any, ...]
    confidence: Confidence = "exact"


def blame(op: str, inputs: Sequence[Any], here: Here, places: Places, forward: ForwardSites) -> Blame:
    """How the results of the operation that runs at `here` are told. `inputs` are its operands."""
    if here.gradient is not None:
        return _blame_gradient(op, here, here.gradient, places, forward)
    if here.user is not None and (tape := tape_of(here.user)) is not None:
        return _blame_own_gradient(op, inputs, here, here.user, tape, places)
    if here.tape is not None:
        return _blame_sum(op, inputs, here, here.tape, places)
    name = "update" if here.is_update else "data" if op in LOADING else api_name(op, here.api)
    native = f"tf.{here.api.removesuffix('_v2')} / {op}" if here.api in COMPOSITES and not here.is_update else op
    phase: Phase = "update" if here.is_update else "data" if op in LOADING else "forward"
    site = places.site(here.user, op) if here.user is not None else None
    return Blame(phase, name, native, site, here.runs, None, here.user, without_axes(op, inputs), ())


def api_name(op: str, api: str) -> str:
    """Canonical name of an operation that ran as part of the library function `api`."""
    if op.startswith("__"):  # a graph function, called as one operation
        return "function"
    return canonical_op(api.removesuffix("_v2") if api in COMPOSITES else op)


def targets_of(tape: FrameType) -> tuple[Any, ...]:
    """The eager tensors whose gradient a `GradientTape.gradient` frame was asked for."""
    target = local(tape, "target")
    found = target if isinstance(target, (list, tuple)) else (target,)
    return tuple(t for t in found if type(t) is private.EagerTensor)


def _asked(tape: FrameType | None, places: Places) -> tuple[FrameType | None, Site | None]:
    frame = places.outer_user(tape)
    return frame, places.site(frame, "gradient") if frame is not None else None


def _blame_own_gradient(
    op: str, inputs: Sequence[Any], here: Here, user: FrameType, tape: FrameType, places: Places
) -> Blame:
    """The user's own gradient function (`tf.custom_gradient`): its line is to blame; the tape lies outside of it."""
    frame, asked = _asked(tape, places)
    site = places.site(user, op)
    return Blame("backward", api_name(op, here.api), op, site, here.runs, asked, frame, inputs, targets_of(tape))


def _blame_gradient(op: str, here: Here, gradient: FrameType, places: Places, forward: ForwardSites) -> Blame:
    """The gradient of one forward operation: that operation's line is to blame."""
    tape = tape_of(gradient)
    frame, asked = _asked(tape or gradient, places)
    targets = targets_of(tape) if tape is not None else ()
    name = str(local(gradient, "op_name"))
    native = f"{name} gradient / {op}"
    operands = without_axes(name, forward.operands(gradient))
    known = forward.of(gradient)
    if known is None:  # the forward operation ran before the trace began
        return Blame(
            "backward", api_name(name, ""), native, asked, here.runs, asked, frame, operands, targets, "likely"
        )
    return Blame("backward", api_name(name, known.api), native, known.site, known.runs, asked, frame, operands, targets)


def _blame_sum(op: str, inputs: Sequence[Any], here: Here, tape: FrameType, places: Places) -> Blame:
    """The sum of several gradients of one tensor, which belongs to no forward operation."""
    frame, asked = _asked(tape, places)
    return Blame("backward", "grad_accumulate", op, asked, here.runs, asked, frame, inputs, targets_of(tape))
