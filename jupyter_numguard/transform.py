"""`%%numguard` on top of a cell becomes one line of Python; the body stays the user's own cell.

    %%numguard --stop                 get_ipython().run_line_magic('numguard', 'cell --stop')
    loss = f(x)            ->         loss = f(x)
    loss                              loss

Running the body any other way (a nested `run_cell`, an own `exec`) changes display, errors, line numbers or `await`.
Two transformers, both pure: IPython runs them more than once per cell, and other magics run them on their bodies.

- `open_cell` (cleanup stage, first: others' transformers then see plain Python, as without the magic);
- `open_magics` (line stage, first) for the cell magics next to ours. It keeps their bodies untouched:

    %%numguard                        get_ipython().run_line_magic('numguard', 'cell')
    %%timeit               ->         get_ipython().run_cell_magic('timeit', '', 'f(x)\\n')
    f(x)

    %%time                            get_ipython().run_line_magic('numguard', 'cell'); get_ipython().run_cell_magic(
    %%numguard             ->             'time', '', '#\\nf(x)\\n')
    f(x)

Above a magic whose body is not Python there is nothing to guard: the line says so (`skip`) instead of tracing.
"""

from __future__ import annotations

import re

from IPython.core.inputtransformer2 import cell_magic

_HEAD = re.compile(r"([ \t]*)%%numguard(?:[ \t]+(.*))?$")
_CALL = "get_ipython().run_line_magic('numguard', "

# Cell magics that run their body as this kernel's Python. Only below these is a `%%numguard` known to be ours: the
# body of any other magic it may be text (`%%writefile`) or that magic's own business.
_PYTHON_BODY = frozenset({
    "time", "timeit", "capture", "prun",  # IPython
    "memit", "mprun", "mprofile", "snakeviz", "scalene", "heat", "pyinstrument", "lprun",  # profilers
})  # fmt: skip

# Cell magics whose body is not run as this kernel's Python. Any other magic is traced: at worst nothing is seen.
_OTHER_BODY = frozenset({
    "bash", "sh", "script", "system", "sx", "!", "cmd", "powershell", "writefile", "file",  # shell and files
    "html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "css", "mermaid",  # display
    "perl", "ruby", "pypy", "python", "python2", "python3", "R", "julia", "octave", "sql", "bigquery",  # elsewhere
    "px", "ai",  # other processes
})  # fmt: skip


def call_of(command: str) -> str:
    """The Python that stands in place of the magic line."""
    return f"{_CALL}{command!r})"


def is_call(constants: tuple[object, ...]) -> bool:
    """Whether the code object with these constants is the line that `open_cell` made."""
    return "numguard" in constants and any(
        isinstance(c, str) and c.split(" ")[0] in ("cell", "skip") for c in constants
    )


def open_cell(lines: list[str]) -> list[str]:
    """Replace a `%%numguard` on top of the cell by its call; the number of lines stays."""
    top = _first_text(lines)
    head = _HEAD.match(lines[top].rstrip()) if top is not None else None
    if top is None or head is None:
        return lines
    below = _first_text(lines, top + 1)
    command = f"cell {head[2] or ''}".strip()
    if below is None:
        command = "skip"
    elif (inner := _magic_name(lines[below])) in _OTHER_BODY:
        command = f"skip %%{inner}"
    return [*lines[:top], f"{head[1]}{call_of(command)}\n", *lines[top + 1 :]]


def open_magics(lines: list[str]) -> list[str]:
    """Make a statement of its own of a cell magic below ours, and lift ours out of the Python magics above it."""
    if not lines:
        return lines
    if lines[0].startswith(_CALL):
        below = _first_text(lines, 1)
        return lines if below is None else [*lines[:below], *_call_magic(lines[below:])]
    for i, line in enumerate(lines):
        head = _HEAD.match(line.rstrip())
        if head and i:
            # A comment holds the place, so that the lines of the body keep their numbers; not above another cell
            # magic, which must stand first in the body.
            held = [] if i + 1 < len(lines) and _magic_name(lines[i + 1]) else ["#\n"]
            [outer] = _call_magic([*lines[:i], *held, *lines[i + 1 :]])
            return [f"{call_of(f'cell {head[2] or str()}'.strip())}; {outer}"]
        if _magic_name(line) not in _PYTHON_BODY:
            break
    return lines


# IPython reads this name as "do not run me to find out whether the input is complete". Ours have none, but a terminal
# must wait for the lines below `%%numguard` as it does below every other cell magic.
open_cell.has_side_effects = True  # type: ignore[attr-defined]
open_magics.has_side_effects = True  # type: ignore[attr-defined]


def _call_magic(lines: list[str]) -> list[str]:
    """What IPython makes of a cell magic on top of `lines`."""
    called: list[str] = cell_magic(lines)  # type: ignore[no-untyped-call]
    return called


def _first_text(lines: list[str], start: int = 0) -> int | None:
    """Index of the first line from `start` on that is not blank."""
    return next((i for i in range(start, len(lines)) if lines[i].strip()), None)


def _magic_name(line: str) -> str | None:
    """Name of the cell magic that this line calls, None if it calls none."""
    found = re.match(r"%%(!|[^\s?!]+)", line)
    return found[1] if found else None
