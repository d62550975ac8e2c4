"""Tracebacks as they would be without numguard: our frames, and the detours they cause, are cut out in place.

Three kinds of frames of ours stand in a user's traceback: numpy's log object where `simplefilter("error")` turns its
warning into an error (innermost), the handlers through which torch and TensorFlow run an operation that fails (in the
middle), and the recorder that raises for `%%numguard --stop` (innermost).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import CodeType, TracebackType

from .frames import STAND_IN

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TORCH_DETOUR = os.path.join("torch", "overrides.py")  # handle_torch_function: not entered without a function mode


def trim(error: BaseException) -> None:
    """Cut our frames out of the tracebacks of `error`, its causes, contexts and grouped exceptions.

    The traceback objects themselves are relinked, so that every holder (`sys.last_traceback`, `%debug`) sees the same.
    Cost: one pass over the frames.
    """
    for each in _related(error):
        tb = each.__traceback__
        kept = _user_links(tb)
        if not kept:  # never raised, or an error of ours
            continue
        for link, following in zip(kept, [*kept[1:], None], strict=True):
            if link.tb_next is not following:
                link.tb_next = following
        if kept[0] is not tb:
            each.__traceback__ = kept[0]


def _related(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that is printed with it, once each."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        todo += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_OURS) or code.co_name == STAND_IN


def _user_links(tb: TracebackType | None) -> list[TracebackType]:
    """The links to keep. Empty if all are ours: then the error is ours and stays as it is."""
    links: list[TracebackType] = []
    while tb is not None:
        links.append(tb)
        tb = tb.tb_next
    kept: list[TracebackType] = []
    detour = False
    for link in links:
        if _is_ours(link.tb_frame.f_code):
            if kept and kept[-1].tb_frame.f_code.co_filename.endswith(_TORCH_DETOUR):
                kept.pop()
                detour = True
            continue
        # `F.softmax` -> overrides.py -> ours -> `F.softmax`: the first visit only asked whether a mode is active
        if detour and kept and kept[-1].tb_frame.f_code is link.tb_frame.f_code:
            kept.pop()
        detour = False
        kept.append(link)
    return kept
