"""The user's names are found without reading the whole namespace, whatever was deleted and bound anew meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_numguard.names import UserNames
from jupyter_numguard.snapshot import is_users

changes = st.tuples(
    st.sampled_from(["bind", "delete", "look"]), st.sampled_from(["a", "b", "c", "_i1", "_2", "_i3", "In"])
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(changes, max_size=30))
def test_the_names_are_those_of_a_full_reading(program: list[tuple[str, str]]) -> None:
    """After any order of bindings, deletions and looks."""
    space: dict[str, Any] = {"_i1": 0, "a": 0}
    names = UserNames(lambda: space)
    for i, (what, name) in enumerate(program):
        if what == "bind":
            space[name] = i
        elif what == "delete":
            space.pop(name, None)
        else:
            names.values()

    assert {k: v for k, v in space.items() if is_users(k)} == names.values()


def test_another_namespace_is_read_anew() -> None:
    """`%reset` may replace the dictionary."""
    spaces: list[dict[str, Any]] = [{"a": 1, "_i1": 2}, {"b": 1, "_i1": 2}]
    names = UserNames(lambda: spaces[0])
    before = names.values()
    del spaces[0]

    assert ({"a": 1}, {"b": 1}) == (before, names.values())
