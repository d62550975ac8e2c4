"""Which cell, line and expression an instruction stands in: this session's code objects and their sources."""

from __future__ import annotations

import ast
import linecache
import weakref
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from .model import ExecutionRef, Place, Span
from .opevents import Site
from .source import Source

MAX_CELLS = 1_000  # sources of cells that are kept where no function of theirs is alive


@lru_cache(maxsize=64)
def _file_source(_file: str, text: str) -> Source:
    return Source(text)


@dataclass(slots=True, eq=False)
class Cell:
    """One execution and its source. `ref` is final only when the execution has ended."""

    ref: ExecutionRef
    source: Source


class CodeMap:
    """Which execution a code object came from.

    By identity, not by file name: two cells with the same text share a file name (IPython hashes the text). Graph
    functions know only file and line; they get the latest cell of that file name.
    """

    def __init__(self) -> None:
        self._by_code: dict[int, tuple[weakref.ref[CodeType], Cell]] = {}
        self._by_file: dict[str, Cell] = {}
        self._prune_at = MAX_CELLS

    def add(self, code: CodeType, cell: Cell) -> None:
        """Remember that `code`, and every function defined in it, stands in `cell`."""
        todo = [code]
        self._by_file.pop(code.co_filename, None)
        self._by_file[code.co_filename] = cell
        while len(self._by_file) > MAX_CELLS:
            del self._by_file[next(iter(self._by_file))]
        if len(self._by_code) > self._prune_at:
            self.prune()
            self._prune_at = 2 * len(self._by_code) + MAX_CELLS
        while todo:
            code = todo.pop()
            self._by_code[id(code)] = (weakref.ref(code), cell)
            todo += [c for c in code.co_consts if isinstance(c, CodeType)]

    def prune(self) -> None:
        """Drop code objects that died: their ids may be reused."""
        dead = [k for k, (ref, _) in self._by_code.items() if ref() is None]
        for k in dead:
            del self._by_code[k]

    def cell_of(self, code: CodeType | None, file: str) -> Cell | None:
        """The cell that holds this code, if it is a cell's."""
        if code is not None:
            found = self._by_code.get(id(code))
            if found is not None and found[0]() is code:
                return found[1]
        return self._by_file.get(file)

    def source_of(self, code: CodeType | None, file: str) -> Source | None:
        """The parsed source that holds this code: a cell's, or a file's as it is on disk (or in linecache)."""
        cell = self.cell_of(code, file)
        if cell is not None:
            return cell.source
        text = "".join(linecache.getlines(file))
        return _file_source(file, text) if text else None

    def definition_of(self, code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The `def` that made a function's code; None for a lambda, and where the source is not known."""
        source = self.source_of(code, code.co_filename)
        for node in source.statements if source is not None else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
                first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
                if code.co_firstlineno == first:
                    return node
        return None

    def source_of_execution(self, ref: ExecutionRef | None) -> Source | None:
        """The source that an execution ran, if it is still known."""
        cell = self.cell_of_execution(ref)
        return cell.source if cell is not None else None

    def cell_of_execution(self, ref: ExecutionRef | None) -> Cell | None:
        """The cell as an execution ran it, if it is still known."""
        return next((c for c in reversed(self._by_file.values()) if c.ref == ref), None)

    def home_of(self, statement: ast.stmt) -> tuple[Cell, int] | None:
        """The cell that a top-level statement stands in, and its position there; by identity."""
        for cell in reversed(self._by_file.values()):
            for at, node in enumerate(cell.source.tree.body if cell.source.tree is not None else ()):
                if node is statement:
                    return cell, at
        return None

    def file_of(self, cell: Cell) -> str:
        """The file name that the code of a known cell carries."""
        return next(file for file, c in self._by_file.items() if c is cell)

    def expression_at(self, site: Site) -> ast.AST | None:
        """The expression (or the augmented assignment) that a recorded site runs."""
        source = self.source_of(site.code, site.file)
        span = span_of(site.code, site.lasti) if site.code is not None else None
        if source is None or source.tree is None or span is None:
            return None
        wanted = (span.line, span.column, span.end_line, span.end_column)
        for n in ast.walk(source.tree):
            if not isinstance(n, ast.expr | ast.AugAssign):
                continue
            if (n.lineno, n.col_offset, n.end_lineno, n.end_col_offset) == wanted:
                return n
        return None

    def names_at(self, site: Site) -> tuple[tuple[str, ...], str | None]:
        """Paths that the failing statement loads, those that bind its names and its later readers; and the path that it binds."""
        source = self.source_of(site.code, site.file)
        span = span_of(site.code, site.lasti) if site.code is not None else None
        column = span.column if span is not None and span.line == site.line else None
        node = source.node_at(site.line + source.offset, column) if source is not None else None
        if source is None or node is None:
            return (), None
        paths = [p for n in (node, *source.binders(node), *source.following(node)) for p in source.paths_in(n)]
        return tuple(dict.fromkeys(paths)), source.target_of(node, span)

    def place_of(self, site: Site) -> Place:
        """The place of a recorded site."""
        return self.place(site.code, site.lasti, site.line, site.file, site.function)

    def place(self, code: CodeType | None, lasti: int, line: int, file: str, function: str) -> Place:
        """The statement and the expression of one instruction. `line` is the compiled line."""
        cell = self.cell_of(code, file)
        source = self.source_of(code, file)
        offset = source.offset if source is not None else 0
        span = span_of(code, lasti) if code is not None else None
        text, column = "", None
        if source is not None:
            column = span.column if span is not None and span.line == line else None
            if span is not None:
                first, last = span.line + offset, span.end_line + offset
                start, end = _chars(source, first, span.column), _chars(source, last, span.end_column)
                span = Span(first, start, last, end, source.text_at(first, start, last, end))
            node = source.node_at(line + offset, column)
            if node is not None:
                text = source.statement(node).code
            elif 0 < line + offset <= len(source.lines):
                text = source.lines[line + offset - 1].strip()
        is_top = function in ("", "<module>") or function.startswith("<cell line")
        return Place(
            execution=cell.ref if cell is not None else None,
            file=None if cell is not None else file,
            line=line + offset,
            code=text,
            function=None if is_top else function,
            span=span,
        )


def _chars(source: Source, line: int, column: int) -> int:
    """Character column of a UTF-8 byte column."""
    if not 0 < line <= len(source.lines):
        return column
    return len(source.lines[line - 1].encode()[:column].decode(errors="ignore"))


def span_of(code: CodeType, lasti: int) -> Span | None:
    """The expression that an instruction belongs to (byte columns, compiled lines); None where it is not recorded."""
    if lasti < 0:
        return None
    for i, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if i == lasti // 2:
            if line is None or end_line is None or column is None or end_column is None:
                return None
            return Span(line, column, end_line, end_column)
    return None


def first_position(code: CodeType) -> tuple[int, int]:
    """(line, byte column) of the first expression: a module's code object says line 1 whatever its statement's line is.

    Instructions without columns are the compiler's own (a coroutine's first one says line 1 too).
    """
    places = [(p[0], p[2]) for p in code.co_positions() if p[0] and p[2] is not None]
    return min(places) if places else (code.co_firstlineno, 0)
