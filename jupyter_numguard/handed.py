"""Where a value that a function was handed is made: of `sample(mu, logvar)` by `mu, logvar = self.encode(x)` in its caller.

Through plain arguments only, and through as many calls as are known (`LineagePath.callers`). Nothing is executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .matching import Reader, offsets
from .model import SourceStatement
from .terms import Parsed, parse, targets

_MAGIC = re.compile(r"(?m)^([ \t]*)[%!].*$")


@dataclass(frozen=True, slots=True)
class Made:
    """The statement that makes a value.

    Attributes:
        name: What the value is called there; empty where it is an argument that has no name.
        node: The expression that is the value, a node of `statement`; None where it is one of several results of a call.
        names: All names that it goes by, from the function that was handed it up to here.
    """

    statement: SourceStatement
    name: str
    node: ast.expr | None
    names: frozenset[str]

    def with_value(self, form: str) -> str | None:
        """The statement's text with the value in the place of `{}` in `form`; None where it cannot be put there."""
        source = self.statement.source
        if self.node is not None:
            start, end = offsets(self.node, self.statement)
            return source[:start] + form.format(source[start:end]) + source[end:]
        parsed = parse(source)
        if parsed is None or len(parsed.body) != 1:
            return None
        pad = source[: len(source) - len(source.lstrip())]
        return f"{source}\n{pad}{self.name} = {form.format(self.name)}"


def made_of(reader: Reader, name: str) -> Made | None:
    """Where the value of a name in the failing statement is made; None where that is not plain."""
    origin, path = reader.path.origin, reader.path
    if origin is None or not path.statements:
        return None
    home = path.statements[0]
    earlier = [s for s in path.statements[1:] if s.function == home.function]
    found = _binder(earlier, name, frozenset({name}))
    if found is not None or origin.function is None:
        return found
    names, function, source, line = {name}, origin.function, path.source, origin.line
    for scope in path.callers:
        argument = _argument(source, line, function, name, scope.call)
        if argument is None:
            return None
        if not isinstance(argument, ast.Name):
            return Made(scope.call, "", argument, frozenset(names))
        name = argument.id
        names.add(name)
        found = _binder([s for s in scope.earlier if s.function == scope.call.function], name, frozenset(names))
        if found is not None or scope.call.function is None:
            return found
        function, source, line = scope.call.function, scope.source, scope.call.line
    return None


def _binder(earlier: Sequence[SourceStatement], name: str, names: frozenset[str]) -> Made | None:
    """The nearest earlier statement that binds the name, if it does so plainly."""
    for statement in earlier:
        if name not in targets(statement):
            continue
        parsed = parse(statement.source)
        bound = parsed.body[0] if parsed is not None and len(parsed.body) == 1 else None
        match bound:
            case (
                ast.Assign(targets=[ast.Name()], value=value)
                | ast.AnnAssign(target=ast.Name(), value=ast.expr() as value)
            ):
                return Made(statement, name, value, names)
            case ast.Assign(targets=[ast.Tuple(elts=into)], value=value):
                at = [i for i, t in enumerate(into) if isinstance(t, ast.Name) and t.id == name]
                if len(at) != 1 or any(isinstance(t, ast.Starred) for t in into):
                    return None
                several = isinstance(value, ast.Tuple) and len(value.elts) == len(into)
                return Made(statement, name, value.elts[at[0]] if several else None, names)  # type: ignore[attr-defined]
        return None
    return None


def _argument(source: str, line: int, function: str, parameter: str, call: SourceStatement) -> ast.expr | None:
    """What the call in a statement gives for a parameter of the function that holds `line` of `source`."""
    names = next((n for n in _parameters(source, line, function) if parameter in n), None)
    parsed = parse(call.source)
    if names is None or parsed is None:
        return None
    calls = [
        n
        for s in parsed.body
        for n in ast.walk(s)
        if isinstance(n, ast.Call) and getattr(n.func, "attr", getattr(n.func, "id", "")) == function
    ]
    if len(calls) != 1 or any(isinstance(a, ast.Starred) for a in calls[0].args):
        return None
    named = next((k.value for k in calls[0].keywords if k.arg == parameter), None)
    at = names.index(parameter) - (names[:1] == ["self"])
    return named if named is not None else calls[0].args[at] if 0 <= at < len(calls[0].args) else None


def parsed_cell(text: str) -> Parsed | None:
    """The statements of a whole cell, its magics left out."""
    return parse(_MAGIC.sub(r"\1pass", text))


def _parameters(source: str, line: int, function: str) -> Iterator[list[str]]:
    parsed = parsed_cell(source)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name == function
            and node.lineno <= line <= (node.end_lineno or 0)
        ):
            yield [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
