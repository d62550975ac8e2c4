"""Read a text: its statements, and what each reads, binds, calls and writes down. Nothing is executed."""

from __future__ import annotations

import ast
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from .flow import bound_first
from .model import INF_WORDS, NAN_WORDS, Span, Statement, Written

_Compound = (
    ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OPERATORS = {
    ast.Div: "div", ast.FloorDiv: "div", ast.Mod: "mod", ast.Pow: "pow", ast.Mult: "mul", ast.Add: "add",
    ast.Sub: "sub", ast.MatMult: "matmul",
}  # fmt: skip


def _span(node: ast.expr | ast.stmt, offset: int) -> Span:
    return Span(
        node.lineno + offset, node.col_offset, (node.end_lineno or node.lineno) + offset, node.end_col_offset or 0
    )


def _walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """`ast.walk` in source order that does not enter the bodies of functions and classes defined inside."""
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        inner: Iterable[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    else:
        inner = ast.iter_child_nodes(node)
    for child in inner:
        yield from _walk_own(child)


def _written(nodes: Iterable[ast.AST], offset: int) -> Written:
    nan = inf = None
    for n in nodes:
        word = None
        if isinstance(n, ast.Attribute):
            word = n.attr
        elif isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
            word = n.id if n.id in {"nan", "NaN", "inf", "Inf"} else None
        elif isinstance(n, ast.Call) and len(n.args) == 1 and isinstance(n.args[0], ast.Constant):
            value = n.args[0].value
            if isinstance(value, str):
                word = {"nan": "nan", "inf": "inf", "infinity": "inf"}.get(value.strip().lstrip("+-").lower())
        elif isinstance(n, ast.Constant) and isinstance(n.value, float):
            word = "inf" if math.isinf(n.value) else None
        if word in NAN_WORDS:
            nan = nan or _span(n, offset)  # type: ignore[arg-type]
        elif word in INF_WORDS:
            inf = inf or _span(n, offset)  # type: ignore[arg-type]
    return Written(nan, inf)


def _first_line(node: ast.stmt) -> int:
    """First line, decorators included."""
    return node.decorator_list[0].lineno if isinstance(node, _Definition) and node.decorator_list else node.lineno


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _holds(node: ast.stmt, line: int, column: int) -> bool:
    """Whether a place (compiled line, byte column) lies inside a statement."""
    start, end = (_first_line(node), node.col_offset), (_last_line(node), node.end_col_offset or 0)
    return start <= (line, column) < end or (line != node.lineno and start[0] <= line <= end[0])


def _header_end(node: ast.stmt) -> int:
    """Last line of a simple statement, or of a compound one's header."""
    body: list[ast.stmt] | None = getattr(node, "body", None) if isinstance(node, _Compound) else None
    if body:
        return max(node.lineno, body[0].lineno - 1)
    return node.end_lineno or node.lineno


def _name_of_call(node: ast.Call) -> str:
    f = node.func
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


class Source:
    """A parsed text: of a cell as the user sees it, or of a file.

    Attributes:
        text: The text as the user sees it.
        offset: Line of the user's text = line in the compiled text + offset (IPython strips leading blank lines).
    """

    def __init__(self, text: str, compiled: str | None = None) -> None:
        self.text = text
        self.lines = text.split("\n")
        parsed = compiled if compiled is not None else text
        # Aligned at the end: transformers replace lines one for one, only leading lines can be missing.
        self.offset = max(0, len(text.rstrip("\n").split("\n")) - len(parsed.rstrip("\n").split("\n")))
        try:
            self.tree: ast.Module | None = ast.parse(parsed)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.tree = None

    @cached_property
    def statements(self) -> tuple[ast.stmt, ...]:
        """Every statement, simple and compound, in source order."""
        return tuple(n for n in ast.walk(self.tree) if isinstance(n, ast.stmt)) if self.tree is not None else ()

    def node_at(self, line: int, column: int | None = None) -> ast.stmt | None:
        """The innermost statement whose lines hold `line` (as the user sees it); a compound one only by its header.

        Args:
            column: Byte column of an expression, to tell apart several statements on one line.
        """
        line -= self.offset
        best: ast.stmt | None = None
        for n in self.statements:
            if not _first_line(n) <= line <= max(_header_end(n), n.lineno):
                continue
            if column is not None and not _holds(n, line, column):
                continue
            if best is None or n.lineno >= best.lineno:
                best = n
        return best if best is not None or column is None else self.node_at(line + self.offset)

    def lines_of(self, node: ast.stmt) -> tuple[int, int]:
        """First line, decorators included, and last line of a statement, as the user sees them."""
        return _first_line(node) + self.offset, _last_line(node) + self.offset

    def top_level_at(self, line: int, column: int) -> ast.stmt | None:
        """The top-level statement that holds a place of the compiled text."""
        body = self.tree.body if self.tree is not None else []
        end = start = bisect_right(self._first_lines, line)
        while start and _last_line(body[start - 1]) >= line:
            start -= 1
        there = body[start:end]
        return next((n for n in there if _holds(n, line, column)), there[0] if there else None)

    @cached_property
    def _first_lines(self) -> list[int]:
        """Where the top-level statements begin: found by bisection, since every statement of a traced cell is asked for."""
        return [_first_line(n) for n in self.tree.body] if self.tree is not None else []

    def is_last(self, node: ast.stmt | None) -> bool:
        """Whether `node` is the last top-level statement."""
        return self.tree is not None and bool(self.tree.body) and self.tree.body[-1] is node

    def statement(self, node: ast.stmt) -> Statement:
        """What a statement of this source does."""
        known = self._statements.get(id(node))
        if known is None:
            known = self._statements[id(node)] = self._read(node)
        return known

    @cached_property
    def _statements(self) -> dict[int, Statement]:
        return {}

    def _read(self, node: ast.stmt) -> Statement:
        first, last = node.lineno, node.end_lineno or node.lineno
        text = "\n".join(self.lines[first - 1 + self.offset : last + self.offset])
        code = self._code(node)
        own = list(_walk_own(node))
        names = [n for n in own if isinstance(n, ast.Name)]
        reads = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        binds = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
        for n in own:
            if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
                reads.add(n.target.id)
            elif isinstance(n, (ast.Import, ast.ImportFrom)):
                binds.update((a.asname or a.name).split(".")[0] for a in n.names)
            elif isinstance(n, _Definition) or (isinstance(n, ast.ExceptHandler) and n.name):
                binds.add(n.name)  # type: ignore[arg-type]
        return Statement(
            line=first + self.offset,
            end_line=last + self.offset,
            code=code,
            text=text,
            reads=frozenset(reads) - bound_first(node),
            binds=frozenset(binds),
            calls=tuple(_name_of_call(n) for n in own if isinstance(n, ast.Call)),
            operators=tuple(
                _OPERATORS[type(n.op)]
                for n in own
                if isinstance(n, (ast.BinOp, ast.AugAssign)) and type(n.op) in _OPERATORS
            ),
            written=_written(own, self.offset),
            is_loop=isinstance(node, (ast.For, ast.AsyncFor, ast.While)),
        )

    def text_at(self, line: int, column: int, end_line: int, end_column: int) -> str:
        """The text between two places (lines as the user sees them, columns in characters); empty if they are not there."""
        lines = self.lines[line - 1 : end_line]
        if line < 1 or len(lines) != end_line - line + 1:
            return ""
        lines[-1] = lines[-1][:end_column]
        lines[0] = lines[0][column:]
        return "\n".join(lines)

    def _code(self, node: ast.stmt) -> str:
        """A simple statement without its neighbours on the line; of a compound one the header."""
        first, last = node.lineno - 1 + self.offset, _header_end(node) + self.offset
        lines = [line.rstrip() for line in self.lines[first:last]]
        if lines and not isinstance(node, _Compound):
            lines[-1] = lines[-1].encode()[: node.end_col_offset].decode(errors="ignore")
            lines[0] = lines[0].encode()[node.col_offset :].decode(errors="ignore")
        return "\n".join(lines).strip()

    # --- inside one statement ---------------------------------------------------------------------------------------
    def paths_in(self, node: ast.stmt) -> tuple[str, ...]:
        """Names, attribute chains and constant indices that a statement loads, as source text."""
        found: dict[str, None] = {}
        for n in _walk_own(node):
            if isinstance(n, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(n.ctx, ast.Load) and _is_path(n):
                found[ast.unparse(n)] = None
        if isinstance(node, ast.AugAssign) and _is_path(node.target):
            found[ast.unparse(node.target)] = None
        return tuple(found)

    def target_of(self, node: ast.stmt, span: Span | None) -> str | None:
        """The path that an assignment binds, if its whole value is the expression at `span` (lines as compiled)."""
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and node.value is not None:
            target, value = node.target, node.value
        else:
            return None
        if not _is_path(target):
            return None
        where = (value.lineno, value.col_offset, value.end_lineno, value.end_col_offset)
        is_whole = (
            span is None
            or isinstance(node, ast.AugAssign)
            or where == (span.line, span.column, span.end_line, span.end_column)
        )
        return ast.unparse(target) if is_whole else None

    def binders(self, node: ast.stmt, later: Sequence[ast.stmt] = (), limit: int = 8) -> list[ast.stmt]:
        """Earlier statements of the same function (or cell) that bind what `node` reads, transitively, nearest first.

        Statements inside a loop count as earlier only if they stand before; the last binding of a name wins.

        Args:
            later: Statements after `node` that are of interest as well.
        """
        body = self._enclosing(node)
        wanted = set(self.statement(node).reads)
        for n in later:
            wanted |= self.statement(n).reads
        found: list[ast.stmt] = []
        for n in sorted(body, key=lambda n: -n.lineno):
            if n.lineno >= node.lineno or isinstance(n, _Compound) or len(found) >= limit:
                continue
            binds = (set(self.statement(n).binds) | _written_over(n)) & wanted
            if binds and isinstance(n, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)):
                found.append(n)
                if not isinstance(n, (ast.AugAssign, ast.Expr)):
                    wanted -= binds
                wanted |= set(self.statement(n).reads)
        return found

    def definitions(self, names: Iterable[str], line: int) -> list[ast.stmt]:
        """The functions, classes and made objects (`model = Net()`) of these names that the source binds at its top level.

        The classes that those call are among them, and the one around `line` (as the user sees it).
        """
        top = self.tree.body if isinstance(self.tree, ast.Module) else []
        around = [n.name for n in top if isinstance(n, ast.ClassDef) and n.lineno < line - self.offset <= _last_line(n)]
        out: dict[int, ast.stmt] = {}
        todo, seen = [*names, *around], set[str]()
        while todo:
            name = todo.pop()
            for n in top if name not in seen else ():
                if is_definition(n) and name in self.statement(n).binds:
                    out[n.lineno] = n
                    todo += called(n)
            seen.add(name)
        return [out[at] for at in sorted(out, reverse=True)]

    def following(self, node: ast.stmt) -> list[ast.stmt]:
        """The simple statements of the same function (or cell) after `node`, in order, up to the last that its value reaches.

        Those between are there as well: they may rebind what a rewrite of a later one would name.
        """
        carried = set(self.statement(node).binds) | _written_over(node)
        after = [n for n in self._enclosing(node) if n.lineno > node.lineno and not isinstance(n, _Compound)]
        out: list[ast.stmt] = []
        last = 0
        for n in sorted(after, key=lambda n: n.lineno):
            out.append(n)
            if not carried.isdisjoint(self.statement(n).reads):
                carried |= self.statement(n).binds | _written_over(n)
                last = len(out)
        return out[:last]

    def _enclosing(self, node: ast.stmt) -> list[ast.stmt]:
        """All statements of the innermost function around `node`, or those of the top level outside functions."""
        owner: ast.AST | None = self.tree
        for n in self.statements:
            if isinstance(n, _Definition) and n is not node and n.lineno <= node.lineno <= (n.end_lineno or n.lineno):
                owner = n
        if owner is None:
            return []
        out: list[ast.stmt] = []
        todo: list[ast.AST] = list(ast.iter_child_nodes(owner))
        while todo:
            child = todo.pop()
            if isinstance(child, ast.stmt):
                out.append(child)
            if not isinstance(child, (*_Definition, ast.Lambda)):
                todo += ast.iter_child_nodes(child)
        return out


def _written_over(node: ast.stmt) -> set[str]:
    """The name that a statement writes over by a method and nothing else: x of `x.exp_()`."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if method.endswith(
            "_"
        ) and not method.endswith("__"):
            return {name}
    return set()


def is_definition(node: ast.stmt) -> bool:
    """Whether a statement is a function or a class, or binds a name to what a call gives: `model = Net()`."""
    return isinstance(node, ast.FunctionDef | ast.ClassDef) or (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name)
    )


def called(node: ast.stmt) -> list[str]:
    """The plain names that a class or an assignment calls; of a function none: what it calls was not seen to matter."""
    if isinstance(node, ast.FunctionDef):
        return []
    return [c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)]


def _is_path(node: ast.expr) -> bool:
    """Whether an expression is a name with attributes and constant indices only."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return _is_path(node.value)
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _is_path(node.value)
