"""Random notebooks with aliases, views and changes in place: the slice reproduces the value when it is executed."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.followed import Followed, runs

NAMES = ("a", "b", "c", "d")
FORMS = (
    "{x} = [{k}, {k}]", "{x} = {{'p': {k}, 'q': [{k}]}}", "{x} = np.array([{k}., 2., 3.])", "{x} = {k}", "{x} = {y}",
    "{x} = {y}[1:]", "{x} = [{y}, {z}]", "{x} = {y}['q']", "{x} = {y}['p']", "{x} = {y} + {z}", "{x} += {y}",
    "{x}.append({y})", "{x}[0] = {y}", "{x}[0] = {k}", "{x}['p'] = {k}", "{x}['p'] = {y}", "{x}.sort()", "del {x}",
    "{x}[:] = {y}", "for i in {y}: {x} = i", "{x} = lambda: {y}", "{x} = {y}()", "{x}, {y} = {y}, {x}",
    "def f(): {x}.append({k})", "f()", "{x} = {y}.copy(); {x}[0] = {k}", "if {y}: {x} = {z}",
    "try:\n  {x} = {y}['zz']\nexcept Exception:\n  {x} = {k}",
)  # fmt: skip
cells = st.builds(
    lambda form, x, y, z, k: form.format(x=x, y=y, z=z, k=k),
    st.sampled_from(FORMS), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 9),
)  # fmt: skip


def spelled(value: object) -> str:
    """The value, functions without their address."""
    return re.sub(r" at 0x\w+", "", repr(value))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(cells, min_size=2, max_size=14))
def test_the_slice_reproduces_the_value(program: list[str]) -> None:
    """Only the executions that a lineage names, run again in a fresh namespace, give every variable its value."""
    kernel = Followed(np=np)
    for cell in program:
        kernel.run(cell)
    for name in NAMES:
        if name in kernel.space:
            executions = kernel.chronicle.lineage(name).executions
            space: dict[str, Any] = {"np": np}
            for e in executions:
                for node in ast.parse(program[e - 1]).body:
                    if not runs(node, space):
                        break

            assert (name, spelled(kernel.space[name])) == (name, spelled(space.get(name, "missing")))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(cells, min_size=1, max_size=8), st.integers(0, 9))
def test_binding_anew_replaces(program: list[str], k: int) -> None:
    """After `a = k` the lineage of a is that execution alone."""
    kernel = Followed(np=np)
    for cell in [*program, f"a = {k}"]:
        kernel.run(cell)

    assert (len(program) + 1,) == kernel.chronicle.lineage("a").executions
