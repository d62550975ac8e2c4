"""Every noun of the report contract, as frozen dataclasses; plain data, no framework and no notebook.

A `Report` is what every surface shows. Its JSON (see `report.py`) has exactly these field names; fields may be added,
never renamed. Lines are 1-based as the user sees them, columns 0-based in characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

SCHEMA_VERSION = 1

Mode = Literal["watch", "trace"]
Verdict = Literal["finite", "nonfinite"]
Status = Literal["ok", "error", "interrupted"]
Framework = Literal["python", "numpy", "torch", "tensorflow"]
Phase = Literal["data", "forward", "backward", "update"]
Confidence = Literal["exact", "likely"]
OriginKind = Literal["op", "introduced", "external", "unknown"]
StepEvent = Literal["bound", "mutated", "read", "introduced", "external"]
StepState = Literal["finite", "nonfinite", "unknown"]
Measured = Literal["at_op", "after", "sample"]


class NonFiniteState(NamedTuple):
    """Which kinds of non-finite values a tensor holds.

    Attributes:
        nan: It holds at least one NaN.
        inf: It holds at least one +Inf or -Inf.
    """

    nan: bool
    inf: bool


FINITE = NonFiniteState(False, False)


@dataclass(frozen=True, slots=True)
class ExecutionRef:
    """One run of a cell.

    Attributes:
        count: The number in `In [count]`; None where the front end keeps no history.
        cell_id: The front end's opaque cell id; None where it sends none (console, nbclient).
    """

    count: int | None
    cell_id: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The guilty expression inside a source, as `code.co_positions()` gives it.

    Attributes:
        text: The expression itself, as it stands there; empty where it is not known. A view marks it in the statement,
            which it shows without the indentation that the columns count.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A statement of the user's code.

    Attributes:
        execution: The execution whose source holds `line`; None only where `file` is given.
        file: Path of the file where the code is not in a cell.
        line: 1-based, in that cell as the user sees it, or in that file.
        code: The whole statement; of a compound statement its header.
        function: Name of the enclosing function, None at the top level.
        span: The guilty expression, where known.
    """

    execution: ExecutionRef | None
    file: str | None
    line: int
    code: str
    function: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a tensor is. `device` is spelled as its framework spells it ("cpu", "cuda:0", "/GPU:0")."""

    framework: Framework
    dtype: str
    shape: tuple[int, ...]
    device: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many elements a tensor has and how many are non-finite. A complex element counts once, NaN first."""

    size: int
    nan: int
    posinf: int
    neginf: int

    @property
    def num_nonfinite(self) -> int:
        """Number of elements that are not finite."""
        return self.nan + self.posinf + self.neginf


@dataclass(frozen=True, slots=True)
class ExponentHistogram:
    """Histogram of the binary exponents (floor(log2 |x|)) of the finite non-zero values.

    Attributes:
        first: Exponent of the first bin.
        counts: One count per exponent, from `first` upward.
    """

    first: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """Measured facts of an operand or a result; each number is None where it could not be measured.

    Attributes:
        variable: The user's name for it, where it has one.
        min: Smallest finite value; `max` the largest, `absmax` the largest magnitude among the finite values.
        zeros: Number of elements that are exactly zero.
        measured: "at_op" when the operation ran, "after" it (the value may have moved on), "sample" of a slice.
    """

    variable: str | None
    dtype: str
    shape: tuple[int, ...]
    device: str
    size: int | None = None
    min: float | None = None
    max: float | None = None
    absmax: float | None = None
    zeros: int | None = None
    nan: int | None = None
    posinf: int | None = None
    neginf: int | None = None
    measured: Measured = "at_op"
    exponents: ExponentHistogram | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of `called_from`: a user frame between the running cell and the failing line."""

    execution: ExecutionRef | None
    file: str | None
    line: int
    code: str
    function: str | None


@dataclass(frozen=True, slots=True)
class BackwardPlace:
    """The statement that asked for the gradient."""

    execution: ExecutionRef | None
    file: str | None
    line: int
    code: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a non-finite value came from: the first creation on its ancestry.

    Attributes:
        op: Canonical name (`opnames.py`); of a backward creation, that of the forward operation.
        native_op: What failed, in the framework's words ("aten::log", "SqrtBackward0 / aten::div", "numpy.log").
        occurrence: The how-many-th execution of this line; in a training loop the step. 0 where it is not known.
        backward: For phase "backward" the statement that asked for the gradient; `line` is then the forward line.
        run_again: The cell was only watched: this is what its statements did when numguard ran them again on copies.
    """

    kind: OriginKind
    confidence: Confidence
    execution: ExecutionRef | None
    file: str | None
    line: int
    code: str
    span: Span | None
    function: str | None
    called_from: tuple[Frame, ...]
    op: str
    native_op: str
    phase: Phase
    backward: BackwardPlace | None
    occurrence: int
    operands: tuple[TensorSummary, ...]
    result: TensorSummary | None
    run_again: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a lineage: what one statement did to one variable, and the variable's state after it."""

    execution: ExecutionRef | None
    file: str | None
    line: int
    code: str
    variable: str
    event: StepEvent
    state: StepState
    counts: Counts | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `before` (the exact source text of the lines) by `after` in the cell of `execution`."""

    execution: ExecutionRef
    line: int
    end_line: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RewriteAdvice:
    """What to write instead.

    Attributes:
        edits: Exact source replacements, the last first; applying them in this order gives a program that runs.
        verified: It was run on the operands that failed and is finite, value and gradient.
        note: The guarded neighbourhood and the largest change, or why it was not run.
    """

    edits: tuple[Edit, ...]
    before: str
    after: str
    verified: bool
    note: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A rule that matched, with the numbers that prove it."""

    category: str
    category_name: str
    rule: str
    rule_name: str
    evidence: str
    advice: str
    rewrite: RewriteAdvice | None
    confidence: float
    docs: str


@dataclass(frozen=True, slots=True)
class History:
    """How a variable grew before: largest magnitude per step, at most 200 points."""

    variable: str
    step: tuple[int, ...]
    absmax: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One non-finite variable.

    Attributes:
        variable: The path as the user would type it.
        scope: "local" for a variable of a function that no notebook variable holds; `function` is then its name.
        aliases: Other paths to the same memory.
        intended: Why this is most likely meant; such a finding is shown folded and raises no alarm.
        more: How many further elements of the same list of numbers are non-finite.
    """

    variable: str
    scope: Literal["notebook", "local"]
    function: str | None
    aliases: tuple[str, ...]
    tensor: TensorInfo
    counts: Counts
    first_index: tuple[int, ...]
    intended: str | None = None
    origin: Origin | None = None
    lineage: tuple[Step, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    history: History | None = None
    more: int = 0


@dataclass(frozen=True, slots=True)
class NotTraced:
    """Something that the trace could not see, and why. The same triple form serves `Skipped`."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A variable that could not be checked, and why: never reported as finite."""

    variable: str
    reason: str


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution that a report is about; `source` is the text as the user sees it, magic line included."""

    count: int | None
    cell_id: str | None
    source: str
    status: Status = "ok"
    not_traced: tuple[NotTraced, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check looked at. `bytes` is the memory read, shared memory counted once."""

    tensors: int
    bytes: int
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall-clock seconds: the user's cell, and what numguard did after it."""

    cell: float
    numguard: float


@dataclass(frozen=True, slots=True)
class Report:
    """What one execution left behind; findings are ordered, most useful first."""

    mode: Mode
    verdict: Verdict
    execution: Execution
    checked: Checked
    seconds: Seconds
    findings: tuple[Finding, ...] = ()
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that are not intended."""
        return tuple(f for f in self.findings if f.intended is None)


# --- code, as the stages hand it to one another ----------------------------------------------------------------------
NAN_WORDS = frozenset({"nan", "NaN", "NAN", "NA"})
INF_WORDS = frozenset({"inf", "Inf", "infty", "PINF", "NINF", "Infinity"})


@dataclass(frozen=True, slots=True)
class Written:
    """What a piece of code writes down itself: literals and the words of the libraries ("np.nan", `float("-inf")`).

    Attributes:
        nan_span, inf_span: Place of the first such literal; line 0 where it is known by a function's constants only.
    """

    nan_span: Span | None = None
    inf_span: Span | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a source.

    Attributes:
        line, end_line: 1-based in the text as the user sees it.
        code: The whole statement; of a compound statement its header, up to the colon.
        text: The full lines, indentation and body included.
        reads: Names it may read with the value they had before it, those of nested expressions and bodies included (not
            of function bodies it defines).
        binds: Names it may bind at its own level.
        calls: Last parts of the names of what it calls, in source order ("read_csv", "backward").
        operators: Canonical names of the arithmetic operators it holds, in source order.
    """

    line: int
    end_line: int
    code: str
    text: str
    reads: frozenset[str]
    binds: frozenset[str]
    calls: tuple[str, ...]
    operators: tuple[str, ...]
    written: Written
    is_loop: bool


class Category(Enum):
    """The nine families of root causes; the first digit of a rule's code is its family's number."""

    C1 = "operand outside the domain"
    C2 = "unstable formula"
    C3 = "singular gradient"
    C4 = "degenerate reduction or mask"
    C5 = "precision or dtype"
    C6 = "non-finite data or labels"
    C7 = "training divergence"
    C8 = "initialisation"
    C9 = "misuse of an API, or a fault below it"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a rule answers when it applies.

    Attributes:
        text: The measured facts, in one sentence; only numbers of the origin or the history.
        confidence: 0 to 1; at least 0.9 only where the source and the numbers both prove the pattern.
    """

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class SourceStatement:
    """A statement on the way to the failing one.

    Attributes:
        line, end_line: The whole lines it stands on, 1-based.
        source: Exact text of those lines, indentation included, without the last line end.
        function: The enclosing function; names of different functions are different variables.
    """

    execution: ExecutionRef | None
    line: int
    end_line: int
    source: str
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """How one value that has to do with a finding changed from step to step.

    Attributes:
        role: "parameter" and "gradient" of an optimizer or of an update in place, "loss" that a gradient was asked of,
            "result" of an operation of the user's.
    """

    role: Literal["parameter", "gradient", "loss", "result"]
    history: History


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer of the notebook: its class's name, its largest learning rate, its smallest eps (None: it has none)."""

    name: str
    learning_rate: float
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a variable is non-finite, and where first."""

    variable: str
    counts: Counts
    first_index: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CallingScope:
    """Where the function of the failing statement was called from.

    Attributes:
        call: The statement that called it.
        earlier: Those that bound what `call` reads, newest first; of the outermost scope also those of earlier cells.
        source: The whole text of the cell.
    """

    call: SourceStatement
    earlier: tuple[SourceStatement, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class LineagePath:
    """All that rules and rewrites may know of one non-finite variable; no tensor, no framework.

    Attributes:
        variable: Path of the variable as the user would type it.
        steps: Newest first.
        statements: The failing statement, then the earlier ones whose targets it reads, transitively, newest first.
        later: The statements after the failing one, up to the last that its value reaches, oldest first.
        aliases: The user's name -> full dotted name, for modules and framework functions: ("F", "torch.nn.functional").
            Empty: the usual names are assumed.
        framework: Whose operation failed; None where that is not known.
        trends: How the losses, parameters and results around it changed, the closest first.
        named: Measured at the failure: the tensors that the failing statement, and those that bound its names, name.
        numbers: The Python numbers that these statements name, with their values.
        optimizers: The optimizers of the notebook.
        source: The whole text of the cell or file that holds the failing statement.
        held: What the variable that the failing statement bound holds after the cell; None where it was not counted.
        taken: All names of the notebook: a rewrite that needs a new one takes none of them.
        others: Where else on the way to the variable a non-finite value was made that owes nothing to the origin.
        callers: The scopes around the failing function, the nearest first; none at the top level of a cell.
    """

    variable: str
    origin: Origin | None
    steps: tuple[Step, ...] = ()
    history: History | None = None
    statements: tuple[SourceStatement, ...] = ()
    later: tuple[SourceStatement, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    framework: Framework | None = None
    trends: tuple[Trend, ...] = ()
    named: tuple[TensorSummary, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    optimizers: tuple[Optimizer, ...] = ()
    source: str = ""
    held: Held | None = None
    taken: frozenset[str] = frozenset()
    others: tuple[Place, ...] = ()
    callers: tuple[CallingScope, ...] = ()
