"""What the person was told already: news is what became non-finite since, and is not muted."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from .errors import UsageError
from .findings import marked
from .lineage import is_below
from .model import ExecutionRef, Finding, NonFiniteState, Origin
from .nonfinite import NonFinite
from .opevents import Key
from .oplog import OpLog
from .outputs import is_output
from .steps import root_of

MAX_DISPLAYED = 50  # outputs that are known to be non-finite


@dataclass(frozen=True, slots=True)
class Known:
    """A variable that was non-finite at the last check; `alive` as in `Backend.alive`."""

    key: Key
    state: NonFiniteState
    alive: Callable[[], bool] | None
    origin: Origin | None = None
    intended: str | None = None


class News:
    """One session's; the session replaces `known` (by path) after every check."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._displayed: dict[str, Known] = {}  # outputs: a later cell may read `_` or `Out[7]`
        self._told: dict[str, Finding] = {}  # of what is known: the finding that was reported
        self._muted: set[str] = set()

    @property
    def known(self) -> dict[str, Known]:
        """What was non-finite at the last check."""
        return self._known

    @known.setter
    def known(self, known: dict[str, Known]) -> None:
        self._known = known
        displayed = self._displayed | {p: k for p, k in known.items() if is_output(root_of(p))}
        alive = [(p, k) for p, k in displayed.items() if k.alive is None or k.alive()]
        self._displayed = dict(alive[-MAX_DISPLAYED:])

    def _old(self, path: str) -> Known | None:
        return self._known.get(path) or self._displayed.get(path)

    # --- around a check ---------------------------------------------------------------------------------------------
    def is_news(self, n: NonFinite, bound: frozenset[str] = frozenset()) -> bool:
        """Whether a report tells of it: not of what merely stays so.

        Args:
            bound: Names that the cell bound anew.
        """
        old = self._old(n.path)
        is_news = old is None or old.key != n.key or n.root in bound or (n.state.nan and not old.state.nan)
        return is_news and not self._is_muted(n.path)

    def stays(self, n: NonFinite, bound: frozenset[str]) -> Known | None:
        """What is known of a variable that merely stays so, with its state of now; None of news and of what is muted."""
        old = self._old(n.path)
        if old is None or self.is_news(n, bound) or self._is_muted(n.path):
            return None
        return dataclasses.replace(old, state=n.state)

    def is_other(self, n: NonFinite) -> bool:
        """Whether nothing, or other memory, was known to be non-finite there."""
        old = self._old(n.path)
        return old is None or old.key != n.key

    def unread(self, names: Collection[str] | None) -> dict[str, Known]:
        """What is known of variables that a check did not read; `names` are those that it read, None if it read all."""
        return {p: k for p, k in self.known.items() if names is not None and base_of(p) not in names}

    def mark(self, log: OpLog) -> None:
        """Tell the recorders what was non-finite before the cell."""
        for known in (self._displayed | self._known).values():
            log.mark([known.key], log.carry(known.origin, known.state, known.intended), known.alive)

    def findings_now(
        self, new: Sequence[Finding], stale_refs: Callable[[], Collection[ExecutionRef]]
    ) -> tuple[Finding, ...]:
        """What is non-finite now: `new` findings, then earlier ones that still hold."""
        self._told |= {f.variable: f for f in new if f.scope == "notebook"}
        self._told = {path: f for path, f in self._told.items() if path in self.known}
        names = {f.variable for f in new}
        old = [f for path, f in self._told.items() if path not in names and not self._is_muted(path)]
        stale = stale_refs() if old else set()
        return (*new, *(marked(f, stale) for f in old))

    # --- what the person asks ---------------------------------------------------------------------------------------
    @property
    def alarming(self) -> list[str]:
        """Paths of what is non-finite and not meant."""
        return [p for p, k in self.known.items() if k.intended is None]

    @property
    def muted(self) -> list[str]:
        """Variables that raise no alarm."""
        return sorted(self._muted)

    def mute(self, variable: str, roots: Iterable[str]) -> None:
        """No alarm for this variable or anything below it, until `unmute` or `forget`.

        Raises:
            UsageError: no such variable among the `roots`; the message lists close names.
        """
        root = re.split(r"[.\[]", variable)[0]
        names = list(roots)
        if root not in names:
            close = difflib.get_close_matches(root, names, n=5) or sorted(names)[:10]
            raise UsageError(
                f"there is no variable {root!r}; did you mean: {', '.join(close) or '(the notebook is empty)'}?"
            )
        self._muted.add(variable)

    def unmute(self, variable: str) -> None:
        """Undo `mute`.

        Raises:
            UsageError: it was not muted; the message lists what is.
        """
        if variable not in self._muted:
            raise UsageError(f"{variable!r} is not muted; muted: {', '.join(self.muted) or 'nothing'}")
        self._muted.discard(variable)

    def forget(self, found: Iterable[NonFinite]) -> None:
        """Forget findings and mutes; what is non-finite now is taken as known, so that nothing is said of it."""
        self._told.clear()
        self._muted.clear()
        self._displayed.clear()
        self.known = {n.path: known_as(n) for n in found}

    def _is_muted(self, path: str) -> bool:
        return any(is_below(path, m) for m in self._muted)


def known_as(n: NonFinite, finding: Finding | None = None) -> Known:
    """What is known of it from now on; `finding` says why it is non-finite."""
    origin, intended = (finding.origin, finding.intended) if finding is not None else (None, None)
    return Known(n.key, n.state, alive(n), origin, intended)


def alive(n: NonFinite) -> Callable[[], bool] | None:
    """As `Backend.alive`; None where the tensor is gone."""
    tensor = n.reference()
    return n.backend.alive(tensor) if tensor is not None else None


def base_of(path: str) -> str:
    """The name that a path starts from: "seen" of "list(seen)[2].grad"."""
    return root_of(re.sub(r"^((list|vars)\()+", "", path)).rstrip(")")
