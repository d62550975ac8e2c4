"""The catalogue of rewrites, and how one is laid over the user's source.

A rewrite is one module in `rewrites/`: a docstring `name: Sentence.`, `FIXES` (codes of rules), `BENIGN` and `STRESS`
operands, and per framework two real functions whose first parameter is the framework's module and whose others are
metavariables; both return one expression. A metavariable with a default may be absent in the user's code. A form that
needs other arguments is a second pair with a suffix (`before_torch_all`, `after_torch_all`). Optional:

    guarded_<framework>(module, *metavariables) -> mask    the elements where the two forms may differ (default: none)
    NEIGHBOURHOOD = "where the softmax underflows"          the same in words, for the note
    DTYPE = "float16"                                       dtype of the operands in BENIGN and STRESS
    HAS_GRADIENT = False                                    the cure is of the value alone
    SAME_MATHEMATICS = False                                a guard that changes values near the singular point
    GENERAL = True                                          it applies to much: tried after those that know the pattern

A cure that is no pattern (see `change.py`) is a function `locate(reader, framework)` that yields each `Change`, and
`EXAMPLES`: per framework, statements that it cures.

Nothing is registered: `load_rewrites` walks the folder.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from . import rewrites as _folder
from .change import Change
from .matching import METAVARIABLE, Reader
from .model import Edit, Framework, SourceStatement
from .terms import Term, term_of

MODULES: dict[Framework, str] = {"torch": "torch", "tensorflow": "tensorflow", "numpy": "numpy"}


@dataclass(frozen=True, slots=True)
class Form:
    """One before/after pair of a rewrite.

    Attributes:
        parameters: Metavariables, in order; `optional` are those that may be absent.
        before, after: The functions themselves, for running; `guarded` marks the elements that may differ.
        pattern: Term of the `before` expression; `result` the expression that `after` returns.
        module: The first parameter's name in `after`.
    """

    framework: Framework
    parameters: tuple[str, ...]
    optional: frozenset[str]
    before: Callable[..., Any]
    after: Callable[..., Any]
    guarded: Callable[..., Any] | None
    pattern: Term
    result: ast.expr
    module: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One entry of the catalogue; see the module's docstring."""

    name: str
    summary: str
    fixes: frozenset[str]
    forms: tuple[Form, ...]
    benign: tuple[Any, ...]
    stress: tuple[Any, ...]
    neighbourhood: str
    same_mathematics: bool
    dtype: str | None
    has_gradient: bool
    general: bool
    locate: Callable[[Reader, Framework], Iterable[Change]] | None
    examples: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """One replaced expression of a proposal, as text.

    Attributes:
        form: The pattern that matched; None where the rewrite found the place itself.
        before, after: What stood there, what shall stand there.
        bindings: Metavariable of the form -> the user's text.
        compared: Without a form: two expressions that are run and must agree, but where the expression `guard` is true,
            to `rtol`. Both empty: there is nothing to run them on.
        remark: What else is to be said of the run.
        where: Where it may differ, in words; empty: the rewrite's `neighbourhood`.
        wide: Without a form: it takes float64 as well.
        same: With a form: what must be the form's `before` on the copies; empty where it is not comparable.
    """

    rewrite: Rewrite
    framework: Framework
    form: Form | None
    before: str
    after: str
    bindings: tuple[tuple[str, str], ...] = ()
    compared: tuple[str, str] = ("", "")
    guard: str = ""
    same: str = ""
    rtol: float = 1e-4
    remark: str = ""
    where: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rewritten statement that was not run yet.

    Attributes:
        statement: What is rewritten; `source` is its new text.
        changed: All statements that change, in their order, with their new texts: also those above which a name is bound.
        aliases: The user's names of modules and functions.
        edits: Empty where the code is not in a cell.
        given: The new names with what they stand for.
        later: The statements after it that its value reaches, oldest first.
        rebound: A name that holds another value because a statement before `statement` changes, and that value as text.
        covers: The code of further statements that this cures.
        between: The statements between the failing one and `statement`, where that stands after it, oldest first.
        is_underflow: What fails is the logarithm of what exponentials or a product became: 0 is not its value.
    """

    statement: SourceStatement
    source: str
    changed: tuple[tuple[SourceStatement, str], ...]
    parts: tuple[Part, ...]
    edits: tuple[Edit, ...]
    aliases: tuple[tuple[str, str], ...]
    given: tuple[tuple[str, str], ...] = ()
    later: tuple[SourceStatement, ...] = ()
    is_underflow: bool = False
    rebound: tuple[str, str] = ("", "")
    covers: tuple[str, ...] = ()
    between: tuple[SourceStatement, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What running a proposal showed; see `verify.py`.

    Attributes:
        refuted: It was run and does not hold: it is not shown.
        fault: The later statement that is not finite all the same.
    """

    verified: bool
    note: str
    refuted: bool = False
    fault: SourceStatement | None = None


VerifyRun = Callable[[Proposal], Verdict]
CellRun = Callable[[Proposal], tuple[bool, str] | None]
"""Whether the whole cell is finite with the proposal in it, and a sentence for the note; None: not known (`edited_cell.py`)."""


@cache
def load_rewrites() -> tuple[Rewrite, ...]:
    """The whole catalogue, in the order of the file names."""
    names = sorted(m.name for m in pkgutil.iter_modules(_folder.__path__) if not m.name.startswith("_"))
    return tuple(read_rewrite(importlib.import_module(f"{_folder.__name__}.{name}")) for name in names)


def read_rewrite(module: ModuleType) -> Rewrite:
    """The rewrite that a module defines."""
    name, _, summary = (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").partition(": ")
    forms = [
        _read_form(
            function, getattr(module, "after_" + suffix), getattr(module, "guarded_" + suffix.split("_")[0], None)
        )
        for attribute, function in vars(module).items()
        if attribute.startswith("before_")
        for suffix in [attribute.removeprefix("before_")]
    ]
    return Rewrite(
        name,
        summary,
        frozenset(module.FIXES),
        tuple(forms),
        tuple(getattr(module, "BENIGN", ())),
        tuple(getattr(module, "STRESS", ())),
        getattr(module, "NEIGHBOURHOOD", ""),
        getattr(module, "SAME_MATHEMATICS", True),
        getattr(module, "DTYPE", None),
        getattr(module, "HAS_GRADIENT", True),
        getattr(module, "GENERAL", False),
        getattr(module, "locate", None),
        getattr(module, "EXAMPLES", {}),
    )


def _read_form(before: Callable[..., Any], after: Callable[..., Any], guarded: Callable[..., Any] | None) -> Form:
    framework: Framework = next(f for f in MODULES if before.__name__.split("_")[1] == f)
    signature = inspect.signature(before)
    module, *parameters = signature.parameters
    optional = frozenset(p for p in parameters if signature.parameters[p].default is not inspect.Parameter.empty)
    pattern = term_of(_returned(before), {module: MODULES[framework], "scipy": "scipy"})
    return Form(
        framework=framework,
        parameters=tuple(parameters),
        optional=optional,
        before=before,
        after=after,
        guarded=guarded,
        pattern=_with_metavariables(pattern, parameters, optional),
        result=_returned(after),
        module=next(iter(inspect.signature(after).parameters)),
    )


def _returned(function: Callable[..., Any]) -> ast.expr:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    last = tree.body[-1]
    assert isinstance(last, ast.Return), f"{function.__name__} must return one expression"
    assert last.value is not None
    return last.value


def _with_metavariables(term: Term, parameters: Sequence[str], optional: frozenset[str]) -> Term:
    if isinstance(term.node, ast.Name) and term.node.id in parameters:
        name = ("optional_" if term.node.id in optional else "") + term.node.id
        return Term(METAVARIABLE, (), ast.Name(name, ast.Load()), 0)
    arguments = tuple((slot, _with_metavariables(t, parameters, optional)) for slot, t in term.arguments)
    return Term(term.op, arguments, term.node, term.home, term.framework)
