"""Runs cells statement by statement, as IPython does, and tells a chronicle: lineage without IPython."""

from __future__ import annotations

import ast
from typing import Any

from jupyter_numguard.chronicle import Chronicle
from jupyter_numguard.model import ExecutionRef
from jupyter_numguard.source import Source
from jupyter_numguard.statements import Opened


class Followed:
    """A namespace whose cells a chronicle follows. `space` is the namespace, `count` the number of the last cell."""

    def __init__(self, **space: Any) -> None:
        self.space: dict[str, Any] = dict(space)
        self.chronicle = Chronicle(
            lambda: {k: v for k, v in list(self.space.items()) if k != "__builtins__"}, lambda: self.space
        )
        self.count = 0

    def run(self, cell: str, cell_id: str | None = None) -> bool:
        """One cell; whether it ended normally."""
        self.count += 1
        ref = ExecutionRef(self.count, cell_id)
        self.chronicle.start_cell(cell, ref)
        source = Source(cell)
        body = source.tree.body if source.tree is not None else []
        ok = True
        for i, node in enumerate(body):
            statement = source.statement(node)
            self.chronicle.before_statement(
                Opened(i, node, statement, statement.reads, statement.line, is_last=node is body[-1])
            )
            ok = runs(node, self.space)
            self.chronicle.after_statement()
            if not ok:
                break
        self.chronicle.end_cell(ref, [], {}, ok=ok)
        return ok

    def slice(self, variable: str) -> list[int]:
        """The executions that a variable rests on."""
        return list(self.chronicle.lineage(variable).executions)


def runs(node: ast.stmt, space: dict[str, Any]) -> bool:
    """Execute one statement; whether it ended normally."""
    try:
        exec(compile(ast.Module([node], []), "<cell>", "exec"), space)
    except Exception:
        return False
    return True
