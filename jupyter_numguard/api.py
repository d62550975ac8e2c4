"""numguard in plain scripts, tests and libraries: the same check and the same trace, without a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .errors import NumguardError
from .model import Finding, Report
from .render import render_text
from .session import Session, TraceOptions

_session: Session | None = None
_last: Report | None = None


class PendingReport:
    """Stands for the report of a `with trace()` block: all its attributes, from the end of the block on."""

    def __init__(self) -> None:
        self._report: Report | None = None

    def __getattr__(self, name: str) -> Any:
        report = self.__dict__.get("_report")
        if report is None:
            raise NumguardError("the report is made when the `with trace()` block ends; read it after the block")
        return getattr(report, name)

    def __repr__(self) -> str:
        return "<report pending>" if self._report is None else repr(self._report)

    def __str__(self) -> str:
        """The report as text, as under a cell."""
        return repr(self) if self._report is None else render_text(self._report)


def use_session(session: Session | None) -> None:
    """The notebook's session, while the extension is loaded: `last_report` then answers from it."""
    global _session
    _session = session


@contextmanager
def trace(*, stop: bool = False) -> Iterator[Any]:
    """Record every operation of the block and report what is non-finite after it.

        with jupyter_numguard.trace() as report:
            loss = train_step(batch)
        assert report.verdict == "finite", str(report)

    The report covers the variables of the calling function and of its module. An exception of the block passes on; the
    report is complete then too. Works on the thread that runs the block only.

    Args:
        stop: Raise `NonFiniteError` at the first operation that makes a NaN or an Inf.

    Yields:
        The report; its attributes can be read once the block has ended.
    """
    global _last
    caller = sys._getframe(2)  # contextlib's __enter__ stands between
    session = Session(namespace=_Scope(caller))
    pending = PendingReport()
    session.start_block(caller, TraceOptions(stop=stop, quiet=True))
    error: BaseException | None = None
    try:
        yield pending
    except BaseException as e:
        error = e
        raise
    finally:
        pending._report = _last = session.end_block(error)
        del error, caller


def check(obj: object, name: str = "value") -> tuple[Finding, ...]:
    """Exact finite check of `obj` and of every tensor reachable from it.

    Args:
        obj: A tensor, number, container, module, optimizer, data frame, ...
        name: How the findings call it.

    Returns:
        One finding per non-finite memory; empty if all is finite. What cannot be checked is not in here: see
        `Report.checked.skipped` of a trace.
    """
    return Session(namespace={name: obj}).check_now()


def last_report() -> Report | None:
    """The last report: of the notebook if the extension is loaded, else of the last `trace()` block; None without one."""
    return _session.report() if _session is not None and _session.reports else _last


class _Scope(Mapping[str, object]):
    """The names of a running function and of its module, as they are now."""

    def __init__(self, frame: FrameType) -> None:
        self._frame = frame

    def _names(self) -> dict[str, object]:
        return {**self._frame.f_globals, **self._frame.f_locals}

    def __getitem__(self, name: str) -> object:
        return self._names()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())
