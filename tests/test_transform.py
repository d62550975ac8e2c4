"""The input transformers: one line for one line, pure, and nothing but our own magic line is touched."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_numguard.transform import call_of, is_call, open_cell, open_magics

CELL = "get_ipython().run_line_magic('numguard', 'cell')"


def transformed(cell: str) -> str:
    """What IPython runs."""
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, open_cell)
    manager.line_transforms.insert(0, open_magics)
    return manager.transform_cell(cell)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%%numguard\nx = 1\nx", f"{CELL}\nx = 1\nx\n"),
        ("%%numguard --stop --quiet\nx", "get_ipython().run_line_magic('numguard', 'cell --stop --quiet')\nx\n"),
        ("%%numguard  \nx", f"{CELL}\nx\n"),
        ("\n\n%%numguard\nx", f"{CELL}\nx\n"),
        ("  %%numguard\n  x", f"{CELL}\nx\n"),
        ("%%numguard it's\nx", "get_ipython().run_line_magic('numguard', \"cell it's\")\nx\n"),
        ("%%numguard\n%time x", f"{CELL}\nget_ipython().run_line_magic('time', 'x')\n"),
        ("%%numguard\n!ls", f"{CELL}\nget_ipython().system('ls')\n"),
        ("%%numguard\n\n\n", "get_ipython().run_line_magic('numguard', 'skip')\n\n\n"),
        ("%%numguard", "get_ipython().run_line_magic('numguard', 'skip')\n"),
    ],
)
def test_magic_line_becomes_one_call(cell: str, expected: str) -> None:
    """The magic line becomes one line of Python with the options in it; the body is untouched, line by line."""
    assert expected == transformed(cell)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%%numguard\n%%time\nx", f"{CELL}\nget_ipython().run_cell_magic('time', '', 'x\\n')\n"),
        ("%%numguard\n\n%%timeit -n1\nx", f"{CELL}\n\nget_ipython().run_cell_magic('timeit', '-n1', 'x\\n')\n"),
        ("%%numguard\n%%mine a\nx", f"{CELL}\nget_ipython().run_cell_magic('mine', 'a', 'x\\n')\n"),
        ("%%time\n%%numguard\nx", f"{CELL}; get_ipython().run_cell_magic('time', '', '#\\nx\\n')\n"),
        ("%%time\n%%numguard\n%%capture\nx", f"{CELL}; get_ipython().run_cell_magic('time', '', '%%capture\\nx\\n')\n"),
        ("%%time\n%%capture\n%%numguard\nx", f"{CELL}; get_ipython().run_cell_magic('time', '', '%%capture\\n#\\nx\\n')\n"),
        ("%%numguard\n%%bash\nls", "get_ipython().run_line_magic('numguard', 'skip %%bash')\n"
         "get_ipython().run_cell_magic('bash', '', 'ls\\n')\n"),
        ("%%numguard\n%%!\nls", "get_ipython().run_line_magic('numguard', 'skip %%!')\n"
         "get_ipython().run_cell_magic('!', '', 'ls\\n')\n"),
    ],
)  # fmt: skip
def test_other_cell_magics(cell: str, expected: str) -> None:
    """Above and below magics that run Python; above others the call says that there is nothing to guard."""
    assert expected == transformed(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1\n%%numguard\n",
        "%%writefile f.py\n%%numguard\nx\n",
        "%%mine\n%%numguard\nx\n",
        "%%time\nx = '''\n%%numguard\n'''\n",
        "%%numguardian\nx\n",
        "%%numguard?\n",
        "x\n",
        "%%time\nx\n",
        "\n",
    ],
)
def test_what_is_not_ours_is_left_alone(cell: str) -> None:
    """A `%%numguard` that is text, the question mark, other magics and plain cells pass through unchanged."""
    assert TransformerManager().transform_cell(cell) == transformed(cell)


@pytest.mark.parametrize("cell", ["%%numguard\nx\n", "%%time\n%%numguard\nx\n", "%%numguard\n%%time\nx\n"])
def test_pure(cell: str) -> None:
    """Twice over, the same lines give the same lines, and the argument is not changed."""
    lines = cell.splitlines(keepends=True)
    for transform in (open_cell, open_magics):
        kept = lines[:]
        once = transform(lines)

        assert (kept, once, once) == (lines, transform(lines), transform(once))
        lines = once


def test_number_of_lines_stays() -> None:
    """A body of n lines below the magic line stays n lines, on the same numbers."""
    body = "".join(f"x{i} = {i}\n" for i in range(50))

    assert [f"x{i} = {i}" for i in range(50)] == transformed("%%numguard\n" + body).splitlines()[1:]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("%%numguard\n", "incomplete"), ("%%numguard\nfor i in x:\n", "incomplete"), ("%%numguard\nx\n\n", "complete")],
)
def test_terminal_waits_for_the_body(typed: str, expected: str) -> None:
    """A terminal asks for more lines below `%%numguard`, as below every cell magic."""
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, open_cell)
    manager.line_transforms.insert(0, open_magics)

    assert expected == manager.check_complete(typed.removesuffix("\n") if expected == "incomplete" else typed)[0]


def test_call_is_recognised() -> None:
    """The boundary hooks know our line from the user's `%numguard` lines."""
    compiled = [
        compile(call_of(c), "cell", "exec").co_consts
        for c in ("cell", "cell --stop", "skip %%bash", "report", "status")
    ]

    assert [True, True, True, False, False] == [is_call(c) for c in compiled]
