"""numpy's error state, disguised: it tells us of every division by zero, overflow and invalid value, unseen.

numpy signals *creations* only, for free, through a context variable that says per kind what to do (`np.seterr`).
While a `Listening` is on, the kinds that the user has at "warn" or "ignore" stand at "log" with a `_Disguise` of ours
as the log object. It knows what the user set, hands the signal on, and then does what numpy would have done: warn
(same text, file, line and registry, and no frame of ours in the traceback when a filter turns it into an error), or
nothing.

Everything in numpy that reads or sets the state (`seterr`, `geterr`, `seterrcall`, `geterrcall`, `setbufsize`,
`errstate` as context and as decorator, also where they were imported by name) goes through two functions of
`numpy._core._ufunc_config`: `_get_extobj_dict` and `_make_extobj`. Only these are wrapped, so all of them show and
take the user's own settings.

Left alone: the kinds at "raise", "print"; and a state in which the user has an own "call" or "log" object, for numpy
has one slot for it (numpy.linalg does so inside). Underflow makes nothing non-finite. numpy before 2.0 keeps the
state elsewhere: `is_supported` says so."""

from __future__ import annotations

import _warnings  # the C functions: numpy's own warnings do not pass through a replaced `warnings.warn` either
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

try:
    from numpy._core import _ufunc_config as _config
    from numpy._core.umath import _extobj_contextvar

    _get: Callable[[], dict[str, Any]] = getattr(_config, "_get_extobj_dict")  # noqa: B009  not in numpy's stubs
    _make: Callable[..., Any] = getattr(_config, "_make_extobj")  # noqa: B009
    is_supported = True
except (ImportError, AttributeError):  # numpy < 2
    is_supported = False

KINDS = frozenset({"divide", "over", "invalid"})
"""The kinds that make something non-finite."""
# By the first letter of the message: divide by zero, overflow, invalid value, underflow.
_KIND_OF = {"d": "divide", "o": "over", "i": "invalid", "u": "under"}
_ALL_KINDS = ("divide", "over", "under", "invalid")
_PREFIX = len("Warning: ")

Hear = Callable[[str, FrameType], None]
"""Takes the message ("divide by zero encountered in log") and the frame that ran the operation."""


class _Local(threading.local):
    arguments: tuple[str, type[Warning]] = ("", RuntimeWarning)


_local = _Local()


class _Write:
    """What numpy calls as `log_object.write(message)`: hear, and then warn *without a Python frame of ours on the stack*.

    `__new__` is Python and has returned before `__init__` runs, and `__init__` is C all the way to the warning. So a
    warning that a filter turns into an error has the same traceback as without us, and `stacklevel` is numpy's own.
    """

    def __new__(cls, message: str) -> Any:
        disguise = _get()["call"]
        warns = isinstance(disguise, _Disguise) and disguise.hear(message, sys._getframe(1))
        return super().__new__(cls) if warns else None

    # next() draws from starmap, which asks for the arguments (Python, returns) and then calls the C warn itself. The
    # message that __init__ gets is only the default of next(), never used: the source has no end.
    __init__ = staticmethod(
        functools.partial(next, itertools.starmap(_warnings.warn, iter(lambda: _local.arguments, None)))
    )


class _Disguise:
    """The log object of one error state: what the user set in it, and who listens."""

    __slots__ = ("call", "listening", "modes")
    write = _Write

    def __init__(self, modes: dict[str, str], call: Any, listening: Listening) -> None:
        self.modes = modes
        self.call = call
        self.listening = listening

    def hear(self, message: str, frame: FrameType) -> bool:
        """Hand the signal on; whether the user is to be warned."""
        text = message[_PREFIX:].rstrip("\n")
        listening = self.listening
        if listening.is_on and listening.thread == threading.get_ident():
            listening.hear(text, frame)
        elif not listening.is_on:  # a context copied while we listened (an asyncio task) has outlived us
            _extobj_contextvar.set(_plain(_user_view()))
        if self.modes[_KIND_OF[text[0]]] != "warn":
            return False
        _local.arguments = (text, RuntimeWarning)
        return True


class Listening:
    """Hear numpy's signals on this thread, from `start` to `stop`. May be nested: the innermost hears."""

    def __init__(self, hear: Hear) -> None:
        self.hear = hear
        self.thread = threading.get_ident()
        self.is_on = False
        self._outer: Listening | None = None

    def start(self) -> None:
        """Put the disguise on. Cost: about 10 µs."""
        current = _get()["call"]
        if isinstance(current, _Disguise) and current.listening.is_on and current.listening is not self:
            self._outer = current.listening
        self.is_on = True
        _wrap(+1)
        self.resume()

    def resume(self) -> None:
        """Put the disguise on again where it is missing: another context (a cell with `await` runs in a task), or a state
        that the user set while an own object was in numpy's slot. Cost: under 1 µs where it is on."""
        current = _get()["call"]
        if not isinstance(current, _Disguise) or current.listening is not self:
            _extobj_contextvar.set(_disguised(_user_view(), self))

    @property
    def hears(self) -> bool:
        """False while the user's own "call" or "log" object has numpy's slot."""
        return isinstance(_get()["call"], _Disguise)

    def stop(self) -> None:
        """Take it off; the user's state, as the cell left it, stays."""
        if not self.is_on:
            return
        self.is_on = False
        current = _get()["call"]
        if isinstance(current, _Disguise) and current.listening is self:
            view, outer = _user_view(), self._outer
            _extobj_contextvar.set(_disguised(view, outer) if outer is not None and outer.is_on else _plain(view))
        _wrap(-1)


@contextmanager
def silence() -> Iterator[None]:
    """numpy makes no signal and no warning inside: for our own arithmetic. Does not touch `warnings`."""
    if not is_supported:
        with np.errstate(all="ignore"):
            yield
        return
    token = _extobj_contextvar.set(_make(all="ignore", call=None))
    try:
        yield
    finally:
        _extobj_contextvar.reset(token)


# --- the two functions of numpy ---------------------------------------------------------------------------------------------
def _user_view() -> dict[str, Any]:
    """The state as the user set it: four modes, "call" and "bufsize"."""
    return _undisguised(_get())


def _undisguised(state: dict[str, Any]) -> dict[str, Any]:
    disguise = state["call"]
    if isinstance(disguise, _Disguise):
        for kind, mode in disguise.modes.items():
            if state[kind] == "log":
                state[kind] = mode
        state["call"] = disguise.call
    return state


def _plain(view: dict[str, Any]) -> Any:
    return _make(**view)


def _disguised(view: dict[str, Any], listening: Listening) -> Any:
    raw, modes = dict(view), {k: view[k] for k in _ALL_KINDS}
    for kind, mode in modes.items():
        if mode in ("log", "call"):  # their own object has to be in the slot
            return _make(**view)
        if mode in ("warn", "ignore") and kind in KINDS:
            raw[kind] = "log"
    raw["call"] = _Disguise(modes, view["call"], listening)
    return _make(**raw)


def _make_as_seen(**changes: Any) -> Any:
    """`_make_extobj` over the user's view: the state that numpy would make, disguised if the present one is."""
    state = _get()
    disguise = state["call"]
    if not isinstance(disguise, _Disguise) or not disguise.listening.is_on:
        return _make(**changes)
    view = _undisguised(state)
    every = changes.get("all")
    if every is not None:
        view.update(divide=every, over=every, under=every, invalid=every)
    for name, value in changes.items():
        if name == "call" or (value is not None and name != "all"):
            view[name] = value
    try:
        if "call" in changes:
            _make(call=changes["call"])  # hidden in the disguise numpy would not look at it
        return _disguised(view, disguise.listening)
    except (TypeError, ValueError):
        _make(**changes)  # numpy's own words for what it does not accept
        raise


_num_listening = 0
_lock = threading.Lock()


def _wrap(change: int) -> None:
    """Count listeners; wrap numpy's functions at the first, restore them after the last; another's on top stay."""
    global _num_listening
    with _lock:
        before, _num_listening = _num_listening, _num_listening + change
        for name, theirs, ours in (("_get_extobj_dict", _get, _user_view), ("_make_extobj", _make, _make_as_seen)):
            if not before and getattr(_config, name) is theirs:
                setattr(_config, name, ours)
            elif not _num_listening and getattr(_config, name) is ours:
                setattr(_config, name, theirs)
