"""Reading code: statements, names, literals and spans, for texts as people write them."""

from __future__ import annotations

import ast
import math

from jupyter_numguard.codemap import Cell, CodeMap, first_position
from jupyter_numguard.model import ExecutionRef, Span
from jupyter_numguard.opevents import Site
from jupyter_numguard.reach import function_writes, reach
from jupyter_numguard.source import Source


def only(text: str) -> Source:
    """A source of this text."""
    return Source(text)


def test_a_statement_knows_what_it_reads_binds_and_calls() -> None:
    """Names of nested expressions count; names of the bodies of functions it defines do not."""
    s = only("loss[0], n = f(x)(y).mean(), k\n")
    one = s.statement(s.statements[0])

    assert {"f", "x", "y", "k", "loss"} == one.reads
    assert {"n"} == one.binds
    assert {"mean", "f", ""} == set(one.calls)


def test_an_augmented_assignment_reads_its_target() -> None:
    """`w -= lr * g` reads w."""
    s = only("w -= lr * g")
    one = s.statement(s.statements[0])

    assert ({"w", "lr", "g"}, {"w"}, ("sub", "mul")) == (set(one.reads), set(one.binds), one.operators)


def test_a_definition_binds_its_name_only() -> None:
    """The body of a function is read when it runs, not where it stands."""
    s = only("def f(a=start):\n    return a + hidden\n")
    one = s.statement(s.statements[0])

    assert ({"start"}, {"f"}) == (set(one.reads), set(one.binds))


def test_the_code_of_a_compound_statement_is_its_header() -> None:
    """A loop is shown by its first line."""
    s = only("for i in range(3):\n    x = i\n")

    assert "for i in range(3):" == s.statement(s.statements[0]).code


def test_the_innermost_statement_of_a_line_is_found() -> None:
    """A line inside a body belongs to the body's statement, a header's line to the compound one, a decorator to its function."""
    s = only("if a:\n    x = (1 +\n         2)\n\n@dec\ndef f():\n    pass\n")

    assert [ast.If, ast.Assign, ast.Assign, ast.FunctionDef, ast.FunctionDef, ast.Pass] == [
        type(s.node_at(line)) for line in (1, 2, 3, 5, 6, 7)
    ]


def test_written_values_are_found_in_every_spelling() -> None:
    """Literals of NaN and Inf, as numpy, math, torch and Python spell them."""
    for text in ("float('inf')", "-np.inf", "math.inf", "torch.inf", "float(' -INF ')", "1e999", "float('-infinity')"):
        written = only(f"x = {text}").statement(only(f"x = {text}").statements[0]).written
        assert (None, True) == (written.nan_span, written.inf_span is not None), text
    for text in ("float('nan')", "np.nan", "math.nan", "[1, np.nan]", "pd.NA"):
        s = only(f"x = {text}")
        written = s.statement(s.statements[0]).written
        assert (True, None) == (written.nan_span is not None, written.inf_span), text
    s = only("info = finite(nancy)")
    assert (None, None) == (
        s.statement(s.statements[0]).written.nan_span,
        s.statement(s.statements[0]).written.inf_span,
    )


def test_leading_blank_lines_do_not_move_the_lines() -> None:
    """IPython strips them before it compiles; the user counts them."""
    s = Source("\n\nx = 1\ny = 2\n", compiled="x = 1\ny = 2\n")

    assert (2, 4) == (s.offset, s.statement(s.statements[1]).line)


def test_text_that_does_not_parse_has_no_statements() -> None:
    """A syntax error is not ours to report."""
    assert () == only("x = = 1").statements


def test_the_statements_that_bind_what_a_line_reads() -> None:
    """Nearest first, transitively, inside the same function only; the last binding wins."""
    s = only("z = 0\ndef f(x):\n    z = x @ w\n    z = z / 2\n    p = soft(z)\n    q = 1\n    return log(p)\n")

    assert ["p = soft(z)", "z = z / 2", "z = x @ w"] == [
        s.statement(n).code
        for n in s.binders(s.node_at(7))  # type: ignore[arg-type]
    ]


def test_an_instruction_leads_to_its_expression() -> None:
    """`co_positions` gives the span, in characters although Python counts bytes."""
    text = "π = 2.0\nx = (1.0 + π / nothing)\n"
    code = compile(text, "<cell>", "exec")
    codes = CodeMap()
    codes.add(code, Cell(ExecutionRef(7), Source(text)))
    lasti = next(2 * i for i, p in enumerate(code.co_positions()) if p[0] == 2 and p[3] is not None and p[2] == 11)

    place = codes.place_of(Site(code, lasti, 2, "div", "<cell>", "<module>"))

    assert (7, 2, "x = (1.0 + π / nothing)", None) == (
        place.execution.count if place.execution else None,
        place.line,
        place.code,
        place.function,
    )
    assert Span(2, 11, 2, 22) == place.span or (
        place.span is not None and text.split("\n")[1][place.span.column] == "π"
    )


def test_two_cells_with_the_same_text_are_told_apart_by_their_code() -> None:
    """Equal code objects of equal file names, from two executions."""
    text = "def f():\n    return 1\n"
    first, second = (compile(text, "<same>", "exec") for _ in range(2))
    codes = CodeMap()
    for n, code in ((1, first), (2, second)):
        codes.add(code, Cell(ExecutionRef(n), Source(text)))

    assert [1, 2] == [codes.cell_of(c.co_consts[0], "<same>").ref.count for c in (first, second)]  # type: ignore[union-attr]


def test_the_first_line_of_a_statement_compiled_alone() -> None:
    """IPython compiles statement by statement; a module's own first line is always 1."""
    tree = ast.parse("\n\nx = 1\n")

    assert (3, 0) == first_position(compile(ast.Module(tree.body, []), "c", "exec"))


def test_code_reaches_globals_through_functions_methods_and_closures() -> None:
    """What a call may touch: globals of functions, of their inner functions, of methods of the notebook's classes."""
    space: dict[str, object] = {"__name__": "__main__"}
    exec(
        "w = 1\nv = 2\nu = 3\nunused = 4\n"
        "def inner(): return [w for _ in range(3)]\n"
        "def f(): return inner()\n"
        "class Net:\n    def run(self): return v\n"
        "net = Net()\n"
        "def make():\n    def g(): return u\n    return g\n"
        "g = make()\n",
        space,
    )

    names, functions = reach({"f", "net", "g"}, space)

    assert {"f", "inner", "w", "net", "v", "g", "u"} <= names
    assert "unused" not in names
    assert {"f", "inner", "run", "g"} <= {f.__name__ for f in functions}


def test_functions_that_write_inf_are_known_by_their_constants() -> None:
    """A mask builder of another cell holds the word."""

    def mask(x: float) -> float:
        return x if x > 0 else float("-inf")

    def plain(x: float) -> float:
        return x + 1

    assert (True, False) == (
        function_writes([mask]).inf_span is not None,
        function_writes([plain]).inf_span is not None,
    )
    assert math.isinf(mask(-1))
