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

Nothing is registered: `load_rewrites` walks the folder.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from . import rewrites as _folder
from .matching import METAVARIABLE, Match, Reader, offsets, text_of
from .model import Edit, Framework, LineagePath, SourceStatement
from .terms import Term, full_name, parse, term_of

_MODULES: dict[Framework, str] = {"torch": "torch", "tensorflow": "tensorflow", "numpy": "numpy"}


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


@dataclass(frozen=True, slots=True)
class Part:
    """One replaced expression of a proposal, as text: what stood there, what shall stand there, what the names are."""

    rewrite: Rewrite
    form: Form
    before: str
    after: str
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rewritten statement that was not run yet.

    Attributes:
        statement: What is rewritten; `source` is its new text.
        aliases: The user's names of modules and functions.
        edits: Empty where the code is not in a cell.
    """

    statement: SourceStatement
    source: str
    parts: tuple[Part, ...]
    edits: tuple[Edit, ...]
    aliases: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What running a proposal showed; see `verify.py`. A refuted one was run and does not hold: it is not shown."""

    verified: bool
    note: str
    refuted: bool = False


VerifyRun = Callable[[Proposal], Verdict]


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
        tuple(module.BENIGN),
        tuple(module.STRESS),
        getattr(module, "NEIGHBOURHOOD", ""),
        getattr(module, "SAME_MATHEMATICS", True),
        getattr(module, "DTYPE", None),
        getattr(module, "HAS_GRADIENT", True),
    )


def _read_form(before: Callable[..., Any], after: Callable[..., Any], guarded: Callable[..., Any] | None) -> Form:
    framework: Framework = next(f for f in _MODULES if before.__name__.split("_")[1] == f)
    signature = inspect.signature(before)
    module, *parameters = signature.parameters
    optional = frozenset(p for p in parameters if signature.parameters[p].default is not inspect.Parameter.empty)
    pattern = term_of(_returned(before), {module: _MODULES[framework]})
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


def propose(path: LineagePath, rewrites: Sequence[Rewrite], code: str) -> list[Proposal]:
    """The rewritten statements that would cure what rule `code` found; the same mathematics before guards.

    A proposal replaces the failing expression, and in the same statement every other expression to which a rewrite for
    the same rule applies (`t*log(p) + (1-t)*log(1-p)` has two).
    """
    origin = path.origin
    if origin is None or not path.statements:
        return []
    reader = Reader(path)
    chosen = [r for r in rewrites if code in r.fixes]
    failing = {id(t.node) for t in reader.guilty()}
    out: list[Proposal] = []
    for home in range(reader.failing, -1, -1):
        found = [
            (rewrite, form, match)
            for term in reader.terms(home)
            for rewrite in chosen
            for form in rewrite.forms
            if (match := reader.match(form.pattern, term)) is not None and _speaks(form, match, path.framework)
        ]
        guilty = [hit for hit in found if any(id(t.node) in failing for t in hit[2].used)]
        for first in sorted(guilty, key=lambda hit: not hit[0].same_mathematics):
            others = [hit for hit in found if hit[0].same_mathematics == first[0].same_mathematics]
            # A guard changes values: it is first put where it is needed only.
            for also in [others] if first[0].same_mathematics else [[], others]:
                proposal = _proposal(reader, home, first, also)
                if proposal is not None and all(proposal.source != p.source for p in out):
                    out.append(proposal)
    return sorted(out, key=lambda p: not p.parts[0].rewrite.same_mathematics)


_Hit = tuple[Rewrite, Form, Match]


def _speaks(form: Form, match: Match, framework: Framework | None) -> bool:
    """Whether the matched operations are of the form's framework; operators and methods follow the origin's."""
    spoken = {t.framework for t in match.used if t.framework is not None}
    return spoken == {form.framework} if spoken else framework == form.framework


def _proposal(reader: Reader, home: int, first: _Hit, also: Sequence[_Hit]) -> Proposal | None:
    statement = reader.sequence[home]
    placed: list[tuple[int, int, _Hit]] = []
    for hit in (first, *also):
        start, end = offsets(hit[2].root.node, statement)
        if all(end <= s or e <= start for s, e, _ in placed):
            placed.append((start, end, hit))
    source, parts = statement.source, []
    for start, end, (rewrite, form, match) in sorted(placed, key=lambda p: -p[0]):
        after = render(form, match, reader)
        if after is None:
            return None
        before = statement.source[start:end]
        bindings = tuple(
            (name.removeprefix("optional_"), text_of(term, reader)) for name, term in sorted(match.bindings.items())
        )
        parts.append(Part(rewrite, form, before, after, bindings))
        source = source[:start] + _bracket(after, match.root.node, statement) + source[end:]
    if parse(source) is None:
        return None
    edits: tuple[Edit, ...] = ()
    if statement.execution is not None:
        edits = (Edit(statement.execution, statement.line, statement.end_line, statement.source, source),)
    return Proposal(statement, source, tuple(reversed(parts)), edits, tuple(reader.aliases.items()))


def render(form: Form, match: Match, reader: Reader) -> str | None:
    """The `after` expression with the user's names; None where a module that it needs has no name in the notebook."""
    texts = {
        name.removeprefix("optional_"): (text_of(term, reader), term.node) for name, term in match.bindings.items()
    }
    try:
        tree = _Fill(form, texts, reader.aliases).visit(ast.parse(ast.unparse(form.result), mode="eval").body)
    except KeyError:
        return None
    return ast.unparse(tree)


_ATOMS = (ast.Constant, ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Tuple)


class _Fill(ast.NodeTransformer):
    """Puts the user's own text where the metavariables stand; `ast.unparse` writes a name's id as it is."""

    def __init__(self, form: Form, texts: dict[str, tuple[str, ast.expr]], aliases: dict[str, str]) -> None:
        self.form = form
        self.texts = texts
        self.aliases = aliases

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = full_name(node, {self.form.module: _MODULES[self.form.framework]})
        if name is not None:
            return ast.Name(_in_users_words(name, self.aliases), ast.Load())
        if isinstance(node.value, ast.Name) and isinstance(self.texts.get(node.value.id, ("", node))[1], ast.Constant):
            node.value = ast.Name(f"({self.texts[node.value.id][0]})", ast.Load())  # `1.float()` is not Python
            return node
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if not self._is_absent(k.value)]
        node.func = self.visit(node.func)
        # Between the commas of a call the user's text needs no brackets.
        node.args = [self._bare(a) for a in node.args if not self._is_absent(a)]
        for keyword in node.keywords:
            keyword.value = self._bare(keyword.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.texts:
            return node
        text, written = self.texts[node.id]
        return ast.Name(text if isinstance(written, _ATOMS) else f"({text})", ast.Load())

    def _bare(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name) and node.id in self.texts:
            return ast.Name(self.texts[node.id][0], ast.Load())
        filled: ast.expr = self.visit(node)
        return filled

    def _is_absent(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.form.optional and node.id not in self.texts


def _in_users_words(name: str, aliases: dict[str, str]) -> str:
    """The shortest way to write a full dotted name; KeyError where none of its modules has a name."""
    ways = [
        alias + name[len(target) :]
        for alias, target in aliases.items()
        if name == target or name.startswith(target + ".")
    ]
    if not ways:
        raise KeyError(name)
    return min(ways, key=lambda way: (len(way), way))


def _bracket(after: str, replaced: ast.expr, statement: SourceStatement) -> str:
    """Brackets around an operator that comes into another expression."""
    start, end = offsets(replaced, statement)
    bracketed = statement.source[:start].endswith("(") and statement.source[end:].startswith(")")
    if bracketed or isinstance(ast.parse(f"({after})", mode="eval").body, _ATOMS):
        return after
    parsed = parse(statement.source)
    for stmt in parsed.body if parsed is not None else ():
        for parent in ast.walk(stmt):
            if replaced in ast.iter_child_nodes(parent):
                calls = isinstance(parent, ast.Call) and replaced is not parent.func
                return after if calls or isinstance(parent, ast.stmt) else f"({after})"
    return f"({after})"
