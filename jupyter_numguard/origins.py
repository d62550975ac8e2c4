"""An `Origin` from what is known of it: a recorded operation, a statement that was only watched, or nobody's statement."""

from __future__ import annotations

from collections.abc import Callable

from .model import BackwardPlace, Frame, Origin, OriginKind, Phase, Place, Span, Statement
from .opevents import OpEvent, Site
from .opnames import canonical_op, is_known
from .statements import StatementRun

PlaceOf = Callable[[Site], Place]

_NUMBERS = frozenset({"float", "int", "complex", "bool"})  # `float("inf")` is a literal, not a cast
# Calls that bring values in from outside: a non-finite result was introduced, not created. Reason: they read or wrap.
_LOADERS = frozenset(
    "read_csv read_table read_excel read_json read_parquet read_feather read_hdf read_pickle read_sql read_html read_fwf "
    "read_stata read_sas read_spss loadtxt genfromtxt load loads fromfile fromstring frombuffer loadmat imread "
    "open_dataset DataFrame Series fetch_openml load_dataset from_pandas from_dict from_records to_numeric".split()
)
# Operations that can make a non-finite value of finite ones, most likely culprit first; where a watched statement holds
# several, the first of this list is named and the origin says "likely".
_RISKY = tuple(
    "log log2 log10 logit sqrt rsqrt div pow exp atanh acos asin xlogy inverse solve cholesky svd std var mean median "
    "norm cross_entropy ctc_loss log_softmax softmax layer_norm expm1 log1p prod cumprod cast sum matmul mul add "
    "sub".split()
)


def culprit(statement: Statement | None) -> tuple[OriginKind, str]:
    """What a watched statement most likely did to make a non-finite value of finite ones: (kind, canonical operation)."""
    calls = statement.calls if statement is not None else ()
    operators = statement.operators if statement is not None else ()
    if not _LOADERS.isdisjoint(calls):
        return "introduced", "data"
    if statement is not None and not {"backward", "gradient"}.isdisjoint(calls):
        # The gradient may be of any operation of the forward pass. In a training loop forward and update count as well.
        return ("unknown", "unknown") if statement.is_loop else ("op", "backward")
    ops = [*(canonical_op(c) for c in calls if c not in _NUMBERS), *operators]
    risky = [op for op in _RISKY if op in ops]
    if risky:
        return "op", risky[0]
    known = [op for op in ops if is_known(op)]  # not the user's own `range`, `forward`, `train_step`
    return ("introduced", "data") if "data" in ops else ("unknown", known[0] if known else "unknown")


class OriginMaker:
    """Knows the places of recorded operations; see the module's docstring."""

    def __init__(self, place_of: PlaceOf, writer_of: Callable[[str], Place | None]) -> None:
        self._place_of = place_of
        self._writer_of = writer_of

    def of_event(self, e: OpEvent, kind: OriginKind, op: str | None = None) -> Origin:
        """Of a recorded operation; `op` replaces its canonical name."""
        assert e.site is not None
        place = self._place_of(e.site)
        back = self._place_of(e.backward_site) if e.backward_site is not None else None
        return Origin(
            kind=kind, confidence=e.confidence, execution=place.execution, file=place.file, line=place.line,
            code=place.code, span=place.span, function=place.function, called_from=self._called_from(e), op=op or e.op,
            native_op=e.native_op, phase=e.phase if kind == "op" else "data",
            backward=BackwardPlace(back.execution, back.file, back.line, back.code) if back is not None else None,
            occurrence=e.occurrence, operands=e.operands, result=e.result,
        )  # fmt: skip

    def _called_from(self, e: OpEvent) -> tuple[Frame, ...]:
        """User frames from the running cell (or script) inward; none if the operation stands at its top level itself."""
        assert e.site is not None
        asked = e.backward_site or e.site
        if self._place_of(asked).function is None:
            return ()
        frames: list[Frame] = []
        for code, lasti, line in e.called_from:
            place = self._place_of(Site(code, lasti, line, "", code.co_filename, code.co_name))
            frame = Frame(place.execution, place.file, place.line, place.code, place.function)
            if not frames or _line(frames[-1]) != _line(frame):  # a comprehension is a frame of its own
                frames.append(frame)
            if place.function is None:
                break  # the top level: what is outside is IPython's
        return tuple(reversed(frames))

    @staticmethod
    def of_statement(run: StatementRun, kind: OriginKind, op: str, span: Span | None = None) -> Origin:
        """Of a statement that was only watched: likely, at its own line or at that of `span`."""
        calls = run.statement.calls if run.statement is not None else ()
        backward = "backward" in calls or "gradient" in calls
        phase: Phase = "data" if kind == "introduced" else "backward" if backward else "forward"
        is_loop = run.statement is not None and run.statement.is_loop
        return _likely(run, kind, op, phase, span, 0 if is_loop else 1)

    def outside(self, run: StatementRun, name: str) -> Origin:
        """Of what nobody's statement did to a variable: the code that most likely did it, else where it was noticed."""
        return _likely(run, "external", "data", "data", None, 0, self._writer_of(name))


def _line(frame: Frame) -> tuple[object, ...]:
    return frame.execution, frame.file, frame.line


def _likely(
    run: StatementRun,
    kind: OriginKind,
    op: str,
    phase: Phase,
    span: Span | None,
    occurrence: int,
    at: Place | None = None,
) -> Origin:
    place = at or run.place
    return Origin(
        kind=kind, confidence="likely", execution=place.execution, file=place.file,
        line=span.line if span is not None and span.line else place.line, code=place.code, span=span,
        function=place.function, called_from=(), op=op, native_op=op, phase=phase, backward=None,
        occurrence=occurrence, operands=(), result=None,
    )  # fmt: skip
