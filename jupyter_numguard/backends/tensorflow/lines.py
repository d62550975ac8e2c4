"""The user's line of an operation while its graph is built, and what kind of code builds it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import CodeType, FrameType
from typing import Any

from ...frames import is_user_file
from ...opevents import Scope
from .graph import GraphPlace, Line
from .places import is_update_frame, is_wrapper, local

# AutoGraph converts equal functions once: of a cell that is run again the generated code still names the first run. Its
# frames that call generated code hold the function that is really running, under these names.
_CONVERTERS = {"converted_call": "f", "autograph_handler": "original_func"}


def place_of(op: Any, frame: FrameType | None) -> tuple[GraphPlace, Any, list[Any]]:
    """Where a graph operation comes from, and for gradients the forward operation in its graph and the tape's targets.

    Cost: one formatted traceback, once per operation of the source.
    """
    forward: Any = None
    forward_op = api = ""
    is_update = is_user = is_own_gradient = False
    real: CodeType | None = None
    scope: Scope | None = None
    targets: list[Any] = []
    while frame is not None:
        code = frame.f_code
        if (
            code.co_name == "_gradient_function"
            and not forward_op
            and not is_user
            and code.co_filename.endswith("backprop.py")
        ):
            forward_op = str(local(frame, "op_name"))
            known = [*(local(frame, "outputs") or ()), *(local(frame, "inputs") or ())]
            forward = next((t.op for t in known if hasattr(t, "op")), None)
        elif code.co_name == "_GradientsHelper" and not forward_op:
            other = local(frame, "op")
            if other is not None:
                forward_op, forward = other.type, other
        elif code.co_name == "gradient" and not targets and code.co_filename.endswith("backprop.py"):
            target = local(frame, "target")
            targets = list(target) if isinstance(target, (list, tuple)) else [target]
            is_own_gradient = is_user
        if is_user and real is None and code.co_name in _CONVERTERS and is_wrapper(code):
            real = getattr(inspect.unwrap(local(frame, _CONVERTERS[code.co_name])), "__code__", None)
        is_update |= is_update_frame(code)
        if not is_user:
            is_user = "__autograph_generated_file" in code.co_filename or is_user_file(code.co_filename)
            if is_user:
                scope = Scope(dict(frame.f_locals), frame.f_globals)
            elif not is_wrapper(code):
                api = code.co_name
        frame = frame.f_back
    line = line_of(op)
    if line is not None and real is not None and line.function == real.co_name:
        line = replace(line, file=real.co_filename)
    forward_line = line_of(forward) if forward is not None else None
    place = GraphPlace(line, forward_line, forward_op, "" if forward_op else api, is_update, scope, is_own_gradient)
    return place, forward, targets


def line_of(op: Any) -> Line | None:
    """The innermost user's line of an operation; TensorFlow has mapped autograph's generated files back already."""
    for entry in reversed(op.traceback):
        if is_user_file(entry.filename):
            return Line(entry.filename, entry.lineno, entry.name)
    return None
