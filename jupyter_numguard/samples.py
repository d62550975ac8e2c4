"""Copies of what a finding's statements read, taken after the cell, for running a rewrite on them.

What was copied while the operation ran comes first (`record.py`); these fill the gaps. Whoever runs a rewrite on them sees
whether a variable has moved on since.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from .backends import loaded_backends
from .given import lengths_of
from .model import LineagePath
from .record import MAX_SAMPLE_BYTES
from .terms import overwritten, parse

# Words of code that asks TensorFlow for a gradient, directly or through Keras.
_TAPE = re.compile(r"Tape|gradient|\.fit\(|train|minimize|jacobian|optimi[sz]er")


def copies_of(path: LineagePath, roots: Mapping[str, object], cell: str) -> dict[str, object]:
    """Copies by the name that the statements use, as the values are now.

    Args:
        roots: The notebook's namespace.
        cell: What runs now: a parameter of the origin's function is what the cell gives it, if it calls the function
            once.
    """
    names = {name for s in (*path.statements, *path.later) for name in re.findall(r"[^\W\d]\w*", s.source)}
    if path.statements:
        names -= overwritten(path.statements[0])  # by now they hold the result
    out: dict[str, object] = {}
    if path.origin is None or path.origin.function is None:
        given = {name: roots[name] for name in names & roots.keys()}
    else:
        given = {p: value for p, value in _parameters(path, roots, cell) if p in names}
    for name, value in sorted(given.items()):
        owner = next((b for b in loaded_backends() if b.owns(value)), None)
        copy = owner.copy_sample(value, MAX_SAMPLE_BYTES) if owner is not None else None
        if copy is not None:
            out[name] = copy
        elif isinstance(value, (bool, int, float, str)):
            out[name] = value
    return {**lengths_of(given), **out}


def may_take_gradient(path: LineagePath, cell: str) -> bool:
    """Whether code around the origin asks for a gradient. torch's tensors say so themselves; TensorFlow's do not."""
    called = path.origin.called_from if path.origin is not None else ()
    sources: Iterable[str] = (cell, *(f"{f.function} {f.code}" for f in called), *(s.source for s in path.later))
    return any(_TAPE.search(source) for source in sources)


def _parameters(path: LineagePath, roots: Mapping[str, object], cell: str) -> Iterator[tuple[str, object]]:
    """(parameter, value) of the one call of the origin's function in a cell: of names and literals, defaults included."""
    name = path.origin.function if path.origin is not None else None
    defined = parse(_without_magic(path.source))
    functions = [n for n in defined.body if isinstance(n, ast.FunctionDef)] if defined is not None else []
    function = next((n for n in functions if n.name == name), None)
    calling = parse(_without_magic(cell))
    if function is None or calling is None:
        return
    nodes = [n for statement in calling.body for n in ast.walk(statement) if isinstance(n, ast.Call)]
    calls = [n for n in nodes if isinstance(n.func, ast.Name) and n.func.id == function.name]
    if len(calls) != 1 or any(k.arg is None for k in calls[0].keywords):
        return
    names = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
    given = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
    given |= {
        p.arg: d for p, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d is not None
    }
    given |= dict(zip(names, calls[0].args, strict=False))
    given |= {k.arg: k.value for k in calls[0].keywords if k.arg is not None}
    for parameter, node in given.items():
        if isinstance(node, ast.Name):
            if node.id in roots:
                yield parameter, roots[node.id]
            continue
        try:
            yield parameter, ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue


def _without_magic(cell: str) -> str:
    return re.sub(r"^%%.*\n", "", cell)
