"""What one traced execution did: sites with counts, and an event for each kind of non-finite result a site produced.

The frameworks' recorders write here; nothing in this file knows a framework. While all is finite a recorder only counts
sites. When it meets a non-finite result it asks `judge` what that result is, and `record`s it (`opevents.py`).
Events are aggregated by site, kind and phase, so memory is bounded by the source, not by the number of steps. No tensor
is kept: operands are summarised at once, and memory is known by `Key`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import CO_NEWLOCALS
from types import CodeType, FrameType
from typing import Any

from .errors import NonFiniteError
from .frames import user_frame, user_stack
from .growth import Series
from .model import Confidence, NonFiniteState, NotTraced, Origin, Phase, TensorSummary
from .opevents import EventKind, Key, Moment, OnCreation, OpEvent, Scope, Site

MAX_MARKS = 65_536  # non-finite memories known at once; a NaN run of a large model holds a few thousand
MAX_PARENTS = 8


class OpLog:
    """The record of one execution (see the module's docstring). One per traced execution, used from its thread only.

    Attributes:
        statement: Index of the top-level statement that runs now; the session sets it.
        stop: Raise `NonFiniteError` at the first creation (`%%numguard --stop`).
        on_creation: Called once per new created event with (event, scope, operands, results), while the operands
            are alive: `record.py` names them and copies what a rewrite needs.
        escaped: Non-finite values that left their framework (`.item()`, `float()`, printing), in order.
        parameters, gradients: How the parameters of optimizers and their gradients grew, by the parameter's memory.
    """

    def __init__(self, *, stop: bool = False, on_creation: OnCreation | None = None) -> None:
        self.sites: dict[tuple[int, int, str], Site] = {}
        self.events: list[OpEvent] = []
        self.escaped: list[OpEvent] = []
        self.parameters: dict[Key, Series] = {}
        self.gradients: dict[Key, Series] = {}
        self.statement = -1
        self.stop = stop
        self.on_creation = on_creation
        self._marks: dict[Key, tuple[OpEvent, Callable[[], bool] | None]] = {}
        self._order = 0
        self._not_traced: dict[str, NotTraced] = {}
        self._codes: list[CodeType] = []  # keeps ids in `sites` from being reused while the log lives

    # --- sites ------------------------------------------------------------------------------------------------------
    def site(self, op: str, frame: FrameType | None) -> Site | None:
        """The site of `op` at the innermost user frame from `frame` outward, counted once more; None without a user."""
        user = user_frame(frame)
        if user is None:
            return None
        site = self.sites.get((id(user.f_code), user.f_lasti, op))
        if site is None:  # only now: a frame works its line out anew each time it is asked
            return self.site_at(user.f_code, user.f_lasti, user.f_lineno, op)
        site.count += 1
        return site

    def site_at(self, code: CodeType, lasti: int, line: int, op: str) -> Site:
        """The site of `op` at a known instruction, counted once more."""
        key = (id(code), lasti, op)
        site = self.sites.get(key)
        if site is None:
            self._codes.append(code)
            site = self.sites[key] = Site(code, lasti, line, op, code.co_filename, code.co_name)
        site.count += 1
        return site

    def site_of_line(self, file: str, line: int, function: str, op: str) -> Site:
        """The site of `op` on a line whose code object is not known (graph functions), counted once more."""
        key = (hash((file, function)), -line, op)
        site = self.sites.get(key)
        if site is None:
            site = self.sites[key] = Site(None, -1, line, op, file, function)
        site.count += 1
        return site

    def adopt(self, site: Site) -> Site:
        """The place of an operation that an earlier execution recorded, as a site of this one; not counted."""
        key = (id(site.code) if site.code is not None else hash((site.file, site.function)), site.lasti, site.op)
        found = self.sites.get(key)
        if found is None:
            if site.code is not None:
                self._codes.append(site.code)
            found = self.sites[key] = Site(
                site.code, site.lasti, site.line, site.op, site.file, site.function, site.count
            )
        return found

    # --- marks: which memory is known to be non-finite, and why -----------------------------------------------------
    def mark(self, keys: Iterable[Key], event: OpEvent, alive: Callable[[], bool] | None = None) -> None:
        """Remember that the memories `keys` are non-finite because of `event`.

        Args:
            keys: Memory identities (`Backend.key`).
            event: Why.
            alive: Answers whether the memory still belongs to the tensor it was marked for; an address is reused after
                its tensor died. None if the key is never reused.
        """
        for key in keys:
            self._marks[key] = (event, alive)
        if len(self._marks) > MAX_MARKS:
            kept = [(k, m) for k, m in self._marks.items() if m[1] is None or m[1]()]
            self._marks = dict(kept[-MAX_MARKS // 2 :])

    def event_of(self, key: Key) -> OpEvent | None:
        """Why this memory is non-finite, if it is known."""
        found = self._marks.get(key)
        if found is None:
            return None
        event, alive = found
        if alive is not None and not alive():
            del self._marks[key]
            return None
        return event

    def forget(self, key: Key) -> None:
        """The memory was overwritten with finite values."""
        self._marks.pop(key, None)

    @property
    def has_marks(self) -> bool:
        """Whether anything non-finite is known: while not, passing values on needs no look."""
        return bool(self._marks)

    # --- events -----------------------------------------------------------------------------------------------------
    @staticmethod
    def judge(result: NonFiniteState, operands: Iterable[NonFiniteState], parents: Sequence[OpEvent]) -> EventKind:
        """What a non-finite result is, from its state, its operands' states (literals included) and their events.

        A NaN without a NaN operand is a creation even where an Inf went in: whether that Inf was computed (then *its*
        creation is the origin) or written on purpose (then this one is) is decided on the ancestry, by `lineage.py`.
        """
        nan_in = inf_in = False
        for state in operands:
            nan_in |= state.nan
            inf_in |= state.inf
        if (result.nan and not nan_in) or (result.inf and not nan_in and not inf_in):
            return "created"
        return "propagated" if parents else "written"

    def record(
        self,
        kind: EventKind,
        phase: Phase,
        site: Site | None,
        op: str,
        native_op: str,
        state: NonFiniteState,
        *,
        operands: Callable[[], tuple[TensorSummary, ...]] | None = None,
        result: Callable[[], TensorSummary | None] | None = None,
        parents: Sequence[OpEvent] = (),
        occurrence: int | None = None,
        backward_site: Site | None = None,
        frame: FrameType | None = None,
        confidence: Confidence = "exact",
        tensors: tuple[Sequence[Any], Sequence[Any]] = ((), ()),
        moment: Callable[[], Moment | None] | None = None,
    ) -> OpEvent:
        """The event of this result: the one that the site has already, or a new one.

        Args:
            operands, result: Called only for a new event: the summaries cost reductions and host reads.
            occurrence: The how-many-th run; default the site's count. In backward: of the forward line.
            frame: The frame that runs now; gives `called_from` and is handed to `on_creation`. Not kept.
            tensors: The live (operands, results), handed to `on_creation`. Not kept.
            moment: Where there is neither frame nor tensor any more: called for a new creation, gives them back.

        Raises:
            NonFiniteError: `stop` is set and this is a creation.
        """
        slot = (kind, phase, native_op)
        event = site.events.get(slot) if site is not None else None
        if event is not None and not (kind == "created" and not self._is_alive(event)):
            # A later value of the same site may come from elsewhere: keep every cause, bounded.
            for parent in parents:
                if parent not in event.parents and parent is not event and len(event.parents) < MAX_PARENTS:
                    event.parents += (parent,)
            return event
        user = user_frame(frame)
        if event is None:
            event = OpEvent(0, 0, kind, phase, site, op, native_op, 0, state)
            self.events.append(event)
            if site is not None:
                site.events[slot] = event
        # Else the earlier creation here was absorbed: nothing descends from it any more, and this one takes its place.
        self._order += 1
        event.order, event.statement, event.state = self._order, self.statement, state
        event.occurrence = occurrence if occurrence is not None else site.count if site is not None else 0
        event.operands = operands() if operands is not None else ()
        event.result = result() if result is not None else None
        event.parents = tuple(parents[:MAX_PARENTS])
        event.backward_site, event.confidence = backward_site, confidence
        event.called_from = tuple(user_stack(user))
        event.names = {}
        if kind == "created":
            if self.on_creation is not None:
                again = moment() if moment is not None else None
                scope = _scope(user, site) if user is not None else None
                if again is not None:
                    scope, tensors = again.scope, (again.operands, again.results)
                self.on_creation(event, scope, *tensors)
            if self.stop:
                raise NonFiniteError(f"{native_op} made {describe_state(state)}; stopped because of --stop")
        return event

    def _is_alive(self, event: OpEvent) -> bool:
        """Whether some memory that is known to be non-finite descends from `event`."""
        seen: set[int] = set()
        todo = [e for key in list(self._marks) if (e := self.event_of(key)) is not None]
        todo += self.escaped
        while todo:
            e = todo.pop()
            if e is event:
                return True
            if id(e) not in seen:
                seen.add(id(e))
                todo += e.parents
        return False

    def carry(self, origin: Origin | None, state: NonFiniteState, intended: str | None) -> OpEvent:
        """An event for memory that was non-finite before this execution; mark its keys with it."""
        phase: Phase = origin.phase if origin is not None else "data"
        op = origin.op if origin is not None else "data"
        return OpEvent(-1, -1, "carried", phase, None, op, "", 0, state, origin=origin, intended=intended)

    def escape(self, event: OpEvent) -> None:
        """A non-finite value left its framework as a Python number or text."""
        if not self.escaped or self.escaped[-1] is not event:
            self.escaped.append(event)

    def signals(self) -> list[OpEvent]:
        """Creations that a framework without tensor identity signalled (numpy) and that were not absorbed since."""
        found = [e for e in self.events if e.is_signal and e.kind == "created" and not e.is_absorbed]
        return sorted(found, key=lambda e: e.order)  # an absorbed one's place in the list is used again

    # --- blind spots --------------------------------------------------------------------------------------------------
    def add_not_traced(self, what: str, reason: str) -> None:
        """Something the trace cannot see; listed once each in the report."""
        self._not_traced.setdefault(what, NotTraced(what, reason))

    @property
    def not_traced(self) -> tuple[NotTraced, ...]:
        """What the trace could not see."""
        return tuple(self._not_traced.values())


def _scope(user: FrameType, site: Site | None) -> Scope:
    """The names that the failing code saw. In a backward pass its function has returned: only what is global is left."""
    code = site.code if site is not None else None
    if code is None or code is user.f_code or not code.co_flags & CO_NEWLOCALS:
        return Scope(user.f_locals, user.f_globals)
    own = frozenset((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    return Scope({}, user.f_globals, hidden=own)


def describe_state(state: NonFiniteState) -> str:
    """ "NaN", "Inf" or "NaN and Inf"."""
    return "NaN and Inf" if state.nan and state.inf else "NaN" if state.nan else "Inf"
