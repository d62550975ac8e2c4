"""Copies of what a finding's statements read, taken after the cell, for running a rewrite on them.

What was copied while the operation ran comes first (`record.py`); these fill the gaps. Whoever runs a rewrite on them sees
whether a variable has moved on since.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from .backends import loaded_backends
from .model import LineagePath
from .record import MAX_SAMPLE_BYTES
from .terms import parse

# Words of code that asks TensorFlow for a gradient, directly or through Keras.
_TAPE = re.compile(r"Tape|gradient|\.fit\(|train|minimize|jacobian|optimi[sz]er")


def copies_of(path: LineagePath, roots: Mapping[str, object], cell: str) -> dict[str, object]:
    """Copies by the name that the statements use, as the values are now.

    Args:
        roots: The notebook's namespace.
        cell: What runs now: a parameter of the origin's function is copied from the name that it was given there, if the
            cell calls the function once.
    """
    names = {name for s in (*path.statements, *path.later) for name in re.findall(r"[^\W\d]\w*", s.source)}
    out: dict[str, object] = {}
    if path.origin is None or path.origin.function is None:
        given = {name: name for name in names & roots.keys()}
    else:
        given = {p: name for p, name in _parameters(path, cell) if p in names and name in roots}
    for name, root in sorted(given.items()):
        value = roots[root]
        owner = next((b for b in loaded_backends() if b.owns(value)), None)
        copy = owner.copy_sample(value, MAX_SAMPLE_BYTES) if owner is not None else None
        if copy is not None:
            out[name] = copy
        elif isinstance(value, (bool, int, str)):
            out[name] = value
    return out


def may_take_gradient(path: LineagePath, cell: str) -> bool:
    """Whether code around the origin asks for a gradient. torch's tensors say so themselves; TensorFlow's do not."""
    called = path.origin.called_from if path.origin is not None else ()
    sources: Iterable[str] = (cell, *(f"{f.function} {f.code}" for f in called), *(s.source for s in path.later))
    return any(_TAPE.search(source) for source in sources)


def _parameters(path: LineagePath, cell: str) -> Iterable[tuple[str, str]]:
    """(parameter, the notebook's name that was given for it) of the one call of the origin's function in a cell."""
    name = path.origin.function if path.origin is not None else None
    defined = parse(_without_magic(path.source))
    functions = [n for n in defined.body if isinstance(n, ast.FunctionDef)] if defined is not None else []
    function = next((n for n in functions if n.name == name), None)
    calling = parse(_without_magic(cell))
    if function is None or calling is None:
        return ()
    nodes = [n for statement in calling.body for n in ast.walk(statement) if isinstance(n, ast.Call)]
    calls = [n for n in nodes if isinstance(n.func, ast.Name) and n.func.id == function.name]
    if len(calls) != 1:
        return ()
    names = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
    given = [*zip(names, calls[0].args, strict=False), *((k.arg or "", k.value) for k in calls[0].keywords)]
    return [(p, value.id) for p, value in given if isinstance(value, ast.Name)]


def _without_magic(cell: str) -> str:
    return re.sub(r"^%%.*\n", "", cell)
