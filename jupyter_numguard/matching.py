"""Match a pattern term against the user's statements, also through variables that an earlier statement bound.

`p = softmax(z)` … `log(p)` matches `log(softmax(x))` with x = z, provided that nothing between the two statements
may have rebound `z`. What is not understood does not match.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .activations import Makers, activation, maker_of
from .inline import function_named, inlined, is_made, negated
from .model import LineagePath, SourceStatement, Span
from .opnames import canonical_op
from .purity import only_computes
from .repeatable import is_repeatable
from .terms import (
    CONSTANT,
    OPAQUE,
    Term,
    aliases_of,
    bound_value,
    expressions,
    in_users_words,
    layer_call,
    parse,
    targets,
    term_of,
    written_over_value,
)

METAVARIABLE = "metavariable"
_COMMUTATIVE = {"add", "mul", "logaddexp"}
_MAX_TEXT = 160  # a longer expression is no line that somebody would write
_MAX_DEPTH = 8  # how many bindings a name is followed through

Bindings = dict[str, Term]


def _pattern(op: str, *arguments: Term) -> Term:
    return Term(op, tuple(zip(("x", "y"), arguments, strict=False)), ast.Name(op), 0)


_ONE = Term(CONSTANT, (), ast.Constant(1), 0)
_X = Term(METAVARIABLE, (), ast.Name("x"), 0)
_SIGMOID = _pattern("div", _ONE, _pattern("add", _ONE, _pattern("exp", _pattern("neg", _X))))


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a pattern applies.

    Attributes:
        root: The whole matched expression; it is replaced.
        bindings: Metavariable -> the user's expression.
        used: Every operation of the user that took part.
    """

    root: Term
    bindings: Bindings
    used: tuple[Term, ...]


class Reader:
    """The statements of a lineage path, newest first, as terms.

    Attributes:
        sequence: `later` newest first, then `statements`.
        failing: Position of the failing statement in it.
    """

    def __init__(self, path: LineagePath) -> None:
        self.path = path
        self.sequence: tuple[SourceStatement, ...] = tuple(reversed(path.later)) + path.statements
        self.failing = len(path.later)
        self.aliases = aliases_of(path)
        self._targets = tuple(targets(s) for s in self.sequence)
        self._classes = tuple(
            (s, n)
            for s in self.sequence
            if s.source.lstrip().startswith(("class ", "@"))
            for n in getattr(parse(s.source), "body", ())
            if isinstance(n, ast.ClassDef)
        )

    def term(self, node: ast.expr, home: int) -> Term:
        """The canonical term of a node of statement `home`."""
        return self._layer(term_of(node, self.aliases, home))

    def _layer(self, term: Term) -> Term:
        """`soft(z)` as what it computes, where `soft` is a layer of one operation or a small function of the user's."""
        node = term.node
        if term.op != OPAQUE or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            return term
        ends_in = activation(node, self._makers(term.home), self.aliases, term.home)
        if ends_in is not None or not isinstance(node.func, ast.Name):
            return ends_in or term
        body = self._body(node, node.func.id)
        if body is not None:
            meant = term_of(body, self.aliases, term.home)
            return term if meant.op == CONSTANT else Term(meant.op, meant.arguments, node, term.home, meant.framework)
        made = self.definition(Term(OPAQUE, (), node.func, term.home))
        if made is None or not isinstance(made.node, ast.Call):
            return term
        return layer_call(node, (made.node, made.home), self.aliases, term.home) or term

    def maker(self, function: ast.expr, home: int) -> ast.Call | None:
        """The call that made what statement `home` calls: `nn.Linear(4, 3)` for `self.up`; None where that is not plain."""
        return maker_of(function, self._makers(home))

    def _makers(self, home: int) -> Makers:
        return Makers(lambda name: self._made(name, home), self._class_named, self._class_around(home))

    def _made(self, name: str, home: int) -> ast.Call | None:
        here = self.sequence[home].function
        for at in range(home + 1, len(self.sequence)):
            if name in self._targets[at] and self.sequence[at].function in (here, None):
                value = bound_value(self.sequence[at], name)
                return value if isinstance(value, ast.Call) else None
        return None

    def _class_named(self, name: str) -> ast.ClassDef | None:
        return next((c for _, c in self._classes if c.name == name), None)

    def _class_around(self, home: int) -> ast.ClassDef | None:
        here = self.sequence[home]
        return next(
            (
                c
                for s, c in self._classes
                if s.execution == here.execution and s.line < here.line <= s.end_line and here.function is not None
            ),
            None,
        )

    def _body(self, call: ast.Call, name: str) -> ast.expr | None:
        for statement, bound in zip(self.sequence, self._targets, strict=True):
            if name in bound and (statement.function is None or statement.source[:1] not in (" ", "\t")):
                function = function_named(name, parse(statement.source))
                return None if function is None else inlined(call, function)
        return None

    def terms(self, home: int) -> Iterator[Term]:
        """All operations written in one statement, outermost first."""
        for node in expressions(self.sequence[home]):
            term = self.term(node, home)
            if term.op not in (OPAQUE, CONSTANT):
                yield term

    def calls(self, home: int) -> Iterator[ast.Call]:
        """All calls written in one statement, understood or not, outermost first."""
        for node in expressions(self.sequence[home]):
            if isinstance(node, ast.Call):
                yield node

    def spelled(self, name: str) -> str | None:
        """A full dotted name in the user's words; None where the notebook has no name for any of its modules."""
        return in_users_words(name, self.aliases)

    def text(self, term: Term) -> str:
        """The user's text of a term."""
        return text_of(term, self)

    def bound_at(self, home: int) -> frozenset[str]:
        """Root names that one statement binds or may change."""
        return self._targets[home]

    def definition(self, term: Term) -> Term | None:
        """What an earlier statement bound to the name that `term` is; None where that is not plain."""
        if term.op != OPAQUE or not isinstance(term.node, ast.Name) or not self.sequence:
            return None
        name, function = term.node.id, self.sequence[term.home].function
        for home in range(term.home + 1, len(self.sequence)):
            statement = self.sequence[home]
            if statement.function != function:
                continue
            if name in self._targets[home]:
                value = bound_value(statement, name) or self._written_over(statement, name)
                return None if value is None else self.term(value, home)
        return None

    @staticmethod
    def _written_over(statement: SourceStatement, name: str) -> ast.expr | None:
        parsed = parse(statement.source)
        is_one = parsed is not None and len(parsed.body) == 1
        return written_over_value(parsed.body[0], name) if parsed is not None and is_one else None

    def said(self, term: Term, root: int) -> Term | None:
        """The term in words that mean at statement `root` what it meant where it stands; None where there are none.

        A name that holds something else by then (`x` after `x.exp_()`) is said as what it was bound to, if that only computes.
        """
        if self.is_stable(term, root):
            return term
        node = _Said(self, term.home, root).visit(copy.deepcopy(term.node)) if is_repeatable(term.node) else None
        if node is None or len(text := ast.unparse(node)) > _MAX_TEXT:
            return None
        made = ast.parse(text, mode="eval").body
        for child in ast.walk(made):
            child.numguard_made = True  # type: ignore[attr-defined]
        return Term(OPAQUE, (), made, root)

    def expansions(self, term: Term) -> Iterator[Term]:
        """The term itself, and what it stands for where it is a name."""
        seen: Term | None = self._layer(term)
        for _ in range(_MAX_DEPTH):
            if seen is None:
                return
            yield seen
            seen = self.definition(seen)

    def is_stable(self, term: Term, root: int) -> bool:
        """Whether `term`, written at statement `root`, means what it meant where it stands: names, and no new draw."""
        return term.home == root or (is_repeatable(term.node) and self.keeps_names(term, root))

    def keeps_names(self, term: Term, root: int) -> bool:
        """Whether the names in `term` still mean at statement `root` what they meant where `term` stands."""
        if term.home == root:
            return True
        names = {n.id for n in ast.walk(term.node) if isinstance(n, ast.Name)}
        return not any(names & self._targets[home] for home in range(root + 1, term.home + 1))

    def guilty(self) -> tuple[Term, ...]:
        """The failing operation in the failing statement; several candidates where the origin has no span.

        With a span: the innermost expression of the origin's operation on it; where the framework's name of the operation
        is not how the source says it, the innermost operation on it.
        """
        origin = self.path.origin
        if origin is None or not self.path.statements:
            return ()
        terms = list(self.terms(self.failing))
        named = [t for t in terms if canonical_op(t.op) == origin.op]
        if origin.span is None:
            return tuple(named)
        spanned = [t for t in named if self._covers(t.node, t.home, origin.span)] or [
            t for t in terms if self._covers(t.node, t.home, origin.span)
        ]
        return tuple(spanned[-1:] or named)

    def failing_call(self) -> ast.Call | None:
        """The innermost call on the origin's span, understood or not; None without a span."""
        span = self.path.origin.span if self.path.origin is not None else None
        if span is None or not self.path.statements:
            return None
        calls = [c for c in self.calls(self.failing) if self._covers(c, self.failing, span)]
        return calls[-1] if calls else None

    def _covers(self, node: ast.expr, home: int, span: Span) -> bool:
        statement = self.sequence[home]
        line, end_line = lines_of(node, statement)
        column, end_column = columns(node, statement)
        return (line, column) <= (span.line, span.column) and (span.end_line, span.end_column) <= (end_line, end_column)

    def match(self, pattern: Term, term: Term) -> Match | None:
        """The first way in which `term` (written out, not a name) is an instance of `pattern`."""
        for bindings, used in self._match(pattern, term, {}, ()):
            there = {
                name: t if self.keeps_names(t, term.home) else self.said(t, term.home) for name, t in bindings.items()
            }
            if all(t is not None for t in there.values()):
                return Match(term, {name: t for name, t in there.items() if t is not None}, used)
        return None

    def _match(
        self, pattern: Term, term: Term, bindings: Bindings, used: tuple[Term, ...]
    ) -> Iterator[tuple[Bindings, tuple[Term, ...]]]:
        if pattern.op == METAVARIABLE:
            assert isinstance(pattern.node, ast.Name)
            name = pattern.node.id
            if name not in bindings:
                yield {**bindings, name: term}, used
            elif self._same(bindings[name], term):
                yield bindings, used
            return
        if pattern.op == CONSTANT:
            if term.key == pattern.key:
                yield bindings, used
            return
        for seen in self.expansions(term):
            written, inner = self._meant(pattern.op, seen)
            if written.op != pattern.op or written.op == OPAQUE:
                continue
            for pairs in _pairings(pattern, written):
                yield from self._match_all(pairs, bindings, (*used, written, *inner))

    def _meant(self, op: str, term: Term) -> tuple[Term, tuple[Term, ...]]:
        """A term as the operation that a pattern asks for, where it is that one written out; and what it is made of then.

        `-k * x` is the negative of `k * x`, `1 / (1 + exp(-x))` the sigmoid of x.
        """
        if op == "neg" and term.op != op:
            inner = negated(term.node)
            if inner is not None:
                return Term(op, (("x", self.term(inner, term.home)),), term.node, term.home), ()
        if op == "sigmoid" and term.op == "div":
            for bindings, used in self._match(_SIGMOID, term, {}, ()):
                return Term(op, (("x", bindings["x"]),), term.node, term.home), used
        return term, ()

    def _match_all(
        self, pairs: tuple[tuple[Term, Term], ...], bindings: Bindings, used: tuple[Term, ...]
    ) -> Iterator[tuple[Bindings, tuple[Term, ...]]]:
        if not pairs:
            yield bindings, used
            return
        (pattern, term), *rest = pairs
        for b, u in self._match(pattern, term, bindings, used):
            yield from self._match_all(tuple(rest), b, u)

    def _same(self, a: Term, b: Term) -> bool:
        """Whether two expressions of the user are the same value: equally written where the same bindings hold."""
        if a.key != b.key:
            return False
        late, early = sorted((a, b), key=lambda t: t.home)
        return self.is_stable(early, late.home)


class _Said(ast.NodeTransformer):
    """Puts what they were bound to in the place of names that mean something else at `root`; None where that is not known."""

    def __init__(self, reader: Reader, home: int, root: int) -> None:
        self.reader, self.home, self.root = reader, home, root
        self.failed = False

    def visit(self, node: ast.AST) -> Any:
        made = super().visit(node)
        return None if self.failed else made

    def visit_Name(self, node: ast.Name) -> ast.AST | None:
        here = Term(OPAQUE, (), node, self.home)
        if self.reader.keeps_names(here, self.root):
            return node
        meant = self.reader.definition(here)
        if meant is None or not only_computes(meant.node, self.reader.aliases) or not is_repeatable(meant.node):
            self.failed = True
            return None
        inner = _Said(self.reader, meant.home, self.root)
        made: ast.AST | None = inner.visit(copy.deepcopy(meant.node))
        self.failed = made is None
        return made


def _pairings(pattern: Term, term: Term) -> Iterator[tuple[tuple[Term, Term], ...]]:
    """How the arguments of both may correspond. A metavariable of the pattern marked optional may go without."""
    wanted, given = dict(pattern.arguments), dict(term.arguments)
    if set(given) - set(wanted):
        return
    missing = [p for slot, p in wanted.items() if slot not in given]
    if any(p.op != METAVARIABLE or not is_optional(p) for p in missing):
        return
    yield tuple((p, given[slot]) for slot, p in wanted.items() if slot in given)
    if pattern.op in _COMMUTATIVE and set(given) == {"x", "y"}:
        yield (wanted["x"], given["y"]), (wanted["y"], given["x"])


def is_optional(metavariable: Term) -> bool:
    """A metavariable with a default in the pattern's signature; `rewrite.py` marks it so."""
    return isinstance(metavariable.node, ast.Name) and metavariable.node.id.startswith("optional_")


def lines_of(node: ast.expr, statement: SourceStatement) -> tuple[int, int]:
    """First and last line of the node in its cell or file."""
    parsed = parse(statement.source)
    shift = statement.line - 1 - (parsed.shift if parsed is not None else 0)
    return node.lineno + shift, (node.end_lineno or node.lineno) + shift


def columns(node: ast.expr, statement: SourceStatement) -> tuple[int, int]:
    """First and end column of the node, in characters (the syntax tree counts UTF-8 bytes)."""
    lines = statement.source.splitlines()
    first, last = (n - statement.line for n in lines_of(node, statement))
    start = len(lines[first].encode()[: node.col_offset].decode())
    return start, len(lines[last].encode()[: node.end_col_offset].decode())


def offsets(node: ast.expr, statement: SourceStatement) -> tuple[int, int]:
    """Where the node's text begins and ends in the statement's source."""
    starts = [0]
    for line in statement.source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    first, last = (n - statement.line for n in lines_of(node, statement))
    start, end = columns(node, statement)
    return starts[first] + start, starts[last] + end


def text_of(term: Term, reader: Reader) -> str:
    """The user's exact text of a term; of one that was inlined, text of the same meaning."""
    if is_made(term.node):
        return ast.unparse(term.node)
    statement = reader.sequence[term.home]
    start, end = offsets(term.node, statement)
    return statement.source[start:end]
