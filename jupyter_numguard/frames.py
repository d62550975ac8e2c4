"""Which frame is the user's: the innermost one outside the frameworks, the standard library and site-packages."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from types import CodeType, FrameType

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _library_roots() -> tuple[str, ...]:
    """Folders whose code is never the user's, each with a closing separator."""
    paths = sysconfig.get_paths()
    roots = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots.update(site.getsitepackages() if hasattr(site, "getsitepackages") else ())
    roots.add(site.getusersitepackages())
    roots.add(os.path.dirname(os.__file__))
    roots.update(p for p in sys.path if p.rstrip(os.sep).endswith(("site-packages", "dist-packages")))
    return (*(os.path.abspath(r).rstrip(os.sep) + os.sep for r in roots), _HERE)


_LIBRARY = _library_roots()
# `<string>` is what exec() and generated methods carry: the caller's line is what the user sees. Except in `python -c`.
_SHOWN = ("<ipython-input", "<stdin", *(("<string",) if sys.argv[:1] == ["-c"] else ()))
STAND_IN = "<numguard call>"  # no function can be named so
"""The name of code of ours that carries the user's file and line, for the warnings of what it calls."""

_user_by_file: dict[str, bool] = {}


def is_user_file(filename: str) -> bool:
    """Whether code of this file name is the user's: a cell, a script or an imported file of their own.

    Generated code (`<frozen …>`, `<__array_function__ internals>`, autograph's temporary files) is not.
    """
    known = _user_by_file.get(filename)
    if known is None:
        known = _user_by_file[filename] = not (
            filename.startswith(_LIBRARY)
            or (filename.startswith("<") and not filename.startswith(_SHOWN))
            or "__autograph_generated_file" in filename
        )
    return known


def is_user_code(code: CodeType) -> bool:
    """Whether what runs is the user's: code of a file of theirs that is no stand-in of ours."""
    return is_user_file(code.co_filename) and code.co_name != STAND_IN


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost user frame at or outside `frame`; None if the whole stack is library code.

    Cost: one dictionary look-up per frame passed.
    """
    known = _user_by_file
    while frame is not None:
        filename = frame.f_code.co_filename
        user = known.get(filename)
        if (user if user is not None else is_user_file(filename)) and frame.f_code.co_name != STAND_IN:
            return frame
        frame = frame.f_back
    return None


def user_stack(frame: FrameType | None, limit: int = 16) -> list[tuple[CodeType, int, int]]:
    """The user frames outside `frame` (exclusive): (code, last instruction, line), innermost first, at most `limit`."""
    out: list[tuple[CodeType, int, int]] = []
    frame = frame.f_back if frame is not None else None
    while frame is not None and len(out) < limit:
        if is_user_code(frame.f_code):
            out.append((frame.f_code, frame.f_lasti, frame.f_lineno))
        frame = frame.f_back
    return out
