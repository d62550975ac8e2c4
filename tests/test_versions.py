"""The graph of versions over plain data: no IPython, no framework, objects are numbers."""

from __future__ import annotations

import ast

from jupyter_numguard.access import access_of
from jupyter_numguard.model import ExecutionRef
from jupyter_numguard.picture import Link, Look, Node, Picture
from jupyter_numguard.versions import Execution, Run, Versions, ancestors, executions_of, forget


class Notebook:
    """Cells of one statement; each says what the namespace looks like after it."""

    def __init__(self) -> None:
        self.versions = Versions()
        self.executions: list[Execution] = []

    def cell(
        self, code: str, names: dict[str, object], nodes: dict[int, Node] | None = None, gone: tuple[str, ...] = ()
    ) -> Execution:
        """Run one; `nodes` are the objects that its names lead to."""
        count = len(self.executions) + 1
        execution = Execution(ExecutionRef(count), count)
        self.executions.append(execution)
        access = access_of(ast.parse(code).body[0])
        parents = self.versions.read_by(access, self.versions.picture.code_names(access)[0])
        tokens = {n: Link(v) if isinstance(v, int) else v for n, v in names.items()}
        self.versions.take(Look(tokens, nodes or {}, gone), Run(execution, 0, 1, code), access, parents)  # type: ignore[arg-type]
        return execution

    def slice(self, name: str, *suffixes: str) -> list[int]:
        """The executions that a value rests on."""
        return executions_of(ancestors(self.versions.read(name, suffixes)))


def tensor(content: int, memory: object = None) -> Node:
    """A tensor with this content."""
    return Node(light=content, memory=memory)


def test_a_change_through_one_name_is_of_every_name_that_leads_to_the_object() -> None:
    """x and y are one object: what changes x has changed y, and y rests on it."""
    n = Notebook()
    n.cell("x = ones()", {"x": 7}, {7: tensor(1)})
    n.cell("y = x", {"y": 7}, {7: tensor(1)})
    changed = n.cell("x.add_(1)", {"x": 7}, {7: tensor(2)})

    assert ({"x", "y"}, [1, 2, 3]) == (changed.mutated, n.slice("y"))


def test_a_key_that_is_not_read_does_not_count() -> None:
    """`d["b"]` does not rest on the cell that wrote `d["a"]`."""
    n = Notebook()
    n.cell("d = {}", {"d": 1}, {1: Node({'["a"]': "1", '["b"]': "2"})})
    n.cell("d['a'] = nan", {"d": 1}, {1: Node({'["a"]': "nan", '["b"]': "2"})})
    n.cell("v = d['b']", {"v": "2"})

    assert ([1, 3], [1, 2]) == (n.slice("v"), n.slice("d"))


def test_writing_a_key_again_replaces_what_was_written() -> None:
    """The value that was overwritten is no part of the slice."""
    n = Notebook()
    n.cell("d = {}", {"d": 1}, {1: Node({'["a"]': "0"})})
    n.cell("d['a'] = 1", {"d": 1}, {1: Node({'["a"]': "1"})})
    n.cell("d['a'] = 2", {"d": 1}, {1: Node({'["a"]': "2"})})

    assert [1, 3] == n.slice("d")


def test_running_a_cell_again_does_not_rewrite_the_past() -> None:
    """y keeps the x that it was made from when x is bound anew."""
    n = Notebook()
    n.cell("x = 1", {"x": "1"})
    n.cell("y = x", {"y": "1"})
    n.cell("x = 2", {"x": "2"})

    assert ([1, 2], [3]) == (n.slice("y"), n.slice("x"))


def test_a_number_that_python_uses_again_is_another_object() -> None:
    """A new list at the address of a dead one has none of its past."""
    n = Notebook()
    n.cell("a = []", {"a": 5}, {5: Node(light=0)})
    n.cell("a.append(1)", {"a": 5}, {5: Node({"[0]": "1"}, light=1)})
    n.cell("del a", {}, gone=("a",))
    n.cell("b = [2]", {"b": 5}, {5: Node({"[0]": "2"}, light=1)})

    assert [4] == n.slice("b")


def test_a_function_brings_the_globals_that_it_reads() -> None:
    """The value of `scale` at the call counts, not the one at the definition."""
    n = Notebook()
    n.cell("scale = 1", {"scale": "1"})
    n.cell("def f(): pass", {"f": 3}, {3: Node(names=frozenset({"scale"}))})
    n.cell("scale = 2", {"scale": "2"})
    n.cell("out = f()", {"out": "2"})

    assert [2, 3, 4] == n.slice("out")


def test_what_a_failed_statement_did_not_bind_goes_back() -> None:
    """`x = f()` that raises leaves x with the version that it had."""
    n = Notebook()
    n.cell("x = 1", {"x": "1"})
    execution = Execution(ExecutionRef(2), 2)
    access = access_of(ast.parse("x = f()").body[0])
    unproved = n.versions.take(Look({"x": "1"}), Run(execution, 0, 1, "x = f()"), access)
    n.versions.revert(unproved, execution)

    assert ([1], set()) == (n.slice("x"), execution.bound)


def test_an_external_change_belongs_to_no_execution() -> None:
    """It is a step of the lineage, but no execution that would have to run again."""
    n = Notebook()
    n.cell("x = ones()", {"x": 7}, {7: tensor(1)})
    later = Execution(ExecutionRef(9), 9)
    access = access_of(ast.parse("pass").body[0])
    n.versions.take(Look({"x": Link(7)}, {7: tensor(2)}), Run(later, -1, 0, ""), access, external=True)

    past = ancestors(n.versions.read("x"))
    assert ([1], ["external", "bound"], {"x"}, set()) == (
        executions_of(past), [v.change for v in past], later.external, later.mutated,
    )  # fmt: skip


def test_executions_that_left_the_ring_are_numbers() -> None:
    """A counter of 100 executions keeps the slice, and not one version of the forgotten ones."""
    n = Notebook()
    n.cell("c = 0", {"c": "0"})
    for i in range(1, 100):
        n.cell("c = c + 1", {"c": str(i)})
    for execution in n.executions[:90]:
        forget(execution)

    past = ancestors(n.versions.read("c"))
    assert (list(range(1, 101)), 11) == (executions_of(past), len(past))


def test_cycles_end() -> None:
    """A list that holds itself is walked once, and forgotten when its name goes."""
    n = Notebook()
    n.cell("a = []", {"a": 1}, {1: Node({"[0]": Link(1)})})
    told = n.slice("a")
    n.cell("del a", {}, gone=("a",))

    assert ([1], {}) == (told, n.versions.picture.nodes)


def test_syntax_says_what_is_read() -> None:
    """Names that are bound before they are read, and bodies that do not run yet, are no reads."""
    read = {
        "for i in xs: s = s + i": {"xs", "s"},
        "fn = lambda v: v + base": set(),
        "r = sorted(xs, key=lambda v: v + base)": {"sorted", "xs", "base"},
        "g = (v * k for v in src)": {"src"},
        "[i * i for i in data]": {"data"},
        "def f(v, s=k): return v + z": {"k"},
        "exec('y = x * 2')": {"exec", "x"},
        "if c: a = 1\nelse: a = 2": {"c"},
        "with open(p) as fh: t = fh": {"open", "p"},
        "globals()['w'] + 1": {"globals", "w"},
    }
    told = {code: set(access_of(ast.parse(code).body[0]).reads) for code in read}

    assert read == told


def test_syntax_says_what_is_bound_for_sure() -> None:
    """A branch or a loop may not run."""
    certain = {"x = 1": {"x"}, "if c: x = 1": set(), "for i in xs: x = i": set(), "with c: x = 1": {"x"},
               "try:\n x = 1\nexcept E:\n x = 2": {"x"}}  # fmt: skip
    told = {code: set(access_of(ast.parse(code).body[0]).certain) for code in certain}

    assert certain == told


def test_each_name_leads_to_an_object_by_a_shortest_path() -> None:
    """Through parts that share objects, and through a circle."""
    picture = Picture()
    picture.put({
        1: Node({".a": Link(2), ".b": Link(3)}),
        2: Node({"[0]": Link(3)}),
        3: Node({".back": Link(1)}),
        4: Node(),
    })  # fmt: skip
    picture.bind("m", Link(1))
    picture.bind("t", Link(3))

    assert {2: {"m": "m.a", "t": "t.back.a"}, 3: {"m": "m.b", "t": "t"}, 4: {}} == picture.holders_of([2, 3, 4])
    assert {"m": "m.b", "t": "t"} == picture.holders(3)
