"""The walk finds every tensor that the user can reach, once, under a path that leads to it, and runs no code of theirs."""

from __future__ import annotations

import collections
import dataclasses
import functools
import gc
import types
import weakref
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from jupyter_numguard.backends.base import Backend
from jupyter_numguard.backends.python import PythonBackend
from jupyter_numguard.backends.torch import TorchBackend
from jupyter_numguard.model import Skipped
from jupyter_numguard.snapshot import Snapshot, aliases_of, walk

BACKENDS: list[Backend] = [PythonBackend(), TorchBackend()]


def paths(**roots: object) -> list[str]:
    """The paths of all leaves, and each leads to its value."""
    found = walk(roots, BACKENDS)
    for leaf in found.leaves:
        if "<" not in leaf.path:
            value = eval(leaf.path, {"vars": vars, "list": list}, dict(roots))
            assert value is leaf.value, leaf.path
    return [leaf.path for leaf in found.leaves]


T = torch.ones


class Point(NamedTuple):
    """A namedtuple of the user's."""

    x: object
    y: object


@dataclasses.dataclass
class Record:
    """A dataclass of the user's."""

    loss: object
    note: str = "n"


@dataclasses.dataclass(slots=True)
class Slotted:
    """Without an instance dictionary."""

    loss: object
    unset: object = dataclasses.field(init=False)


class Trainer:
    """A plain class of the user's."""

    shared = T(1)

    def __init__(self, **kw: object) -> None:
        self.__dict__.update(kw)

    def step(self) -> None:
        """A method."""


class Dictionary(dict):  # type: ignore[type-arg]
    """A subclass with attributes and lies."""

    def items(self) -> Any:
        """Lie."""
        raise RuntimeError("no")

    __iter__ = __len__ = __getitem__ = keys = values = items


REACHED = [
    ("x", T(1), ["x"]),
    ("x", [T(1), (T(1), {"a": T(1)})], ["x[0]", "x[1][0]", 'x[1][1]["a"]']),
    ("x", {1: T(1), (2, "b"): T(1), None: T(1), b"c": T(1)}, ["x[1]", 'x[(2, "b")]', "x[None]", "x[b'c']"]),
    ("x", {"it's": T(1), 'a"b': T(1), "\n": T(1)}, ['x["it\'s"]', "x['a\"b']", "x['\\n']"]),
    ("x", {T(1)}, ["list(x)[0]"]),
    ("x", {T(1): 3}, ["list(x)[0]"]),
    ("x", frozenset([T(1)]), ["list(x)[0]"]),
    ("x", collections.deque([T(1)]), ["x[0]"]),
    ("x", collections.OrderedDict(a=T(1)), ['x["a"]']),
    ("x", collections.defaultdict(list, a=[T(1)]), ['x["a"][0]']),
    ("x", Point(T(1), T(1)), ["x.x", "x.y"]),
    ("x", Record(T(1)), ["x.loss"]),
    ("x", Slotted(T(1)), ["x.loss"]),
    ("x", types.SimpleNamespace(a=T(1), b=0.5), ["x.a", "x.b"]),
    ("x", functools.partial(int, T(1), k=T(1)), ["x.args[0]", 'x.keywords["k"]']),
    ("x", {"loss": 0.5, "n": 3, "s": "t"}, ['x["loss"]']),
    ("history", {"loss": [0.5, 0.25]}, ['history["loss"]']),
    ("x", [0.5, "a"], ["x[0]"]),
    ("x", [[0.5, 1], [1, 2]], ["x[0]"]),
    ("x", nn.Linear(2, 2), ["x.weight", "x.bias"]),
    ("x", nn.Sequential(nn.Linear(2, 2, bias=False)), ["x[0].weight"]),
    ("x", nn.Sequential(collections.OrderedDict(fc=nn.Linear(2, 2, bias=False))), ["x.fc.weight"]),
    ("x", nn.ModuleList([nn.Linear(2, 2, bias=False)]), ["x[0].weight"]),
    ("x", nn.ModuleDict({"a b": nn.Linear(2, 2, bias=False)}), ['x["a b"].weight']),
    ("x", nn.ParameterList([T(1), T(1)]), ["x[0]", "x[1]"]),
    ("x", nn.ParameterDict({"a": T(1), "b": T(1)}), ['x["a"]', 'x["b"]']),
    ("x", nn.BatchNorm1d(2, affine=False), ["x.running_mean", "x.running_var", "x.num_batches_tracked"]),
    ("x", types.SimpleNamespace(**{"if": T(1), "\u00b5": T(1)}), ['vars(x)["if"]', 'vars(x)["\u00b5"]']),
    ("x", torch.distributions.Normal(T(1), T(1)), ["x.loc", "x.scale"]),
]


@pytest.mark.parametrize(("name", "value", "expected"), REACHED, ids=[str(e) for _, _, e in REACHED])
def test_the_path_is_what_the_user_would_type(name: str, value: object, expected: list[str]) -> None:
    """And typing it gives the tensor."""
    assert expected == paths(**{name: value})


def test_gradients_and_optimizer_state_are_reached() -> None:
    """A parameter is named by its model even where the optimizer comes first."""
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(2, 1, bias=False))))))
    opt = torch.optim.Adam(model.parameters())
    model(T(3, 2)).sum().backward()
    opt.step()
    opt.param_groups[0]["lr"] = T(1)
    found = paths(opt=opt, model=model)

    assert {
        "model[0][0][0][0][0].weight",
        "model[0][0][0][0][0].weight.grad",
        'opt.state_dict()["state"][0]["exp_avg"]',
        'opt.state_dict()["state"][0]["exp_avg_sq"]',
        'opt.param_groups[0]["lr"]',
    } <= set(found)
    assert 'opt.param_groups[0]["params"][0]' in paths(opt=opt)


def test_a_state_whose_parameter_left_the_optimizer_is_reached() -> None:
    """`state_dict()` has no number for it; it is not left out."""
    p = T(1).requires_grad_()
    opt = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    p.sum().backward()
    opt.step()
    opt.param_groups[0]["params"] = []

    assert 'opt.state.<value 0>["momentum_buffer"]' in paths(opt=opt)


def test_a_module_has_its_own_attributes_and_no_bookkeeping() -> None:
    """A cache is the user's; a hook's closure is not looked into through the module's tables."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2, bias=False)
            self.cache = [T(1)]
            self.temperature = 0.5

    net, held = Net(), T(1)
    net.fc.register_forward_hook(lambda *a: held)

    assert {"net.temperature", "net.fc.weight", "net.cache[0]"} == set(paths(net=net))


def test_a_compiled_module_is_named_like_its_own() -> None:
    """`torch.compile` puts a wrapper around it that nobody types."""
    assert ["m.weight", "m.bias"] == paths(m=torch.compile(nn.Linear(2, 2), backend="eager"))


def test_a_module_s_oddly_named_attributes_are_reached() -> None:
    """Whatever `setattr` and `add_module` took."""
    m = nn.Module()
    setattr(m, "a b", T(1))
    m.add_module("1", nn.Linear(2, 2, bias=False))

    assert {'vars(m)["a b"]', 'm._modules["1"].weight'} == set(paths(m=m))


def test_script_modules_are_walked() -> None:
    """Their tables are no dictionaries."""
    assert ["m.weight", "m.bias"] == paths(m=torch.jit.script(nn.Linear(2, 2)))


def test_functions_and_classes_of_the_user_are_entered() -> None:
    """What a function took along, its defaults and attributes; a class's attributes; a bound method's object."""
    taken = T(1)

    two, three = T(2), T(3)

    def train(w: torch.Tensor = two, *, k: torch.Tensor = three) -> object:
        return taken

    train.calls = T(4)  # type: ignore[attr-defined]
    trainer = Trainer(state=T(5))
    found = paths(train=train, Trainer=Trainer, step=trainer.step)

    assert {
        "train.<closure>.taken", "train.__defaults__[0]", 'train.__kwdefaults__["k"]', "train.calls", "Trainer.shared",
        "step.__self__.state",
    } == set(found)  # fmt: skip


def test_a_library_is_not_entered() -> None:
    """Neither its modules, classes and functions, nor its objects' single numbers: they are settings."""
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD([T(1).requires_grad_()], lr=1e-3))
    assert scheduler.best == float("inf")
    found = paths(torch=torch, nn=nn, Linear=nn.Linear, relu=torch.relu, F=torch.nn.functional.relu, s=scheduler)

    assert ["s._last_lr", "s.optimizer"] == sorted({p.split(".param_groups")[0].split(".defaults")[0] for p in found})


def test_what_ipython_keeps_is_left_out() -> None:
    """History, output caches, the shell's functions; the user's private names stay."""
    hidden = "In Out _ __ ___ _i _ii _iii _i7 _12 _ih _oh _dh _exit_code __name__ get_ipython exit quit open".split()
    roots = {name: T(1) for name in [*hidden, "_x", "i", "Input"]}

    assert ["_x", "i", "Input"] == [leaf.path for leaf in walk(roots, BACKENDS).leaves]


def test_no_code_of_the_user_runs() -> None:
    """Properties, attribute hooks, lying containers and metaclasses."""

    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = __eq__  # type: ignore[assignment]

    class Evil(metaclass=Meta):
        def __init__(self) -> None:
            object.__getattribute__(self, "__dict__")["w"] = T(1)

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = __getattribute__ = __len__ = __iter__ = __bool__ = __repr__ = __eq__  # type: ignore[assignment]
        secret = property(__eq__)  # type: ignore[arg-type]

    class FakeDict:
        w = None

        @property
        def __dict__(self) -> dict[str, object]:  # type: ignore[override]
            raise RuntimeError("no")

        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise RuntimeError("no")

    lying = Dictionary()
    dict.__setitem__(lying, "a", T(1))
    lying.note = T(2)  # type: ignore[attr-defined]
    evil = Evil.__call__ if False else type.__call__(Evil)
    found = walk({"evil": evil, "fake": FakeDict(), "lying": lying, "many": [evil, 1.0, T(3)]}, BACKENDS)

    assert {"evil.w", 'lying["a"]', "lying.note", "many[1]", "many[2]"} == {leaf.path for leaf in found.leaves}
    assert () == found.skipped


def test_a_backend_that_raises_is_skipped_by_name() -> None:
    """The rest of the walk goes on."""

    class Breaking(TorchBackend):
        def children(self, value: object) -> Any:
            if isinstance(value, nn.Module):
                raise RuntimeError("broken module")
            return super().children(value)

    found = walk({"m": nn.Linear(1, 1), "x": T(1)}, [Breaking()])

    assert (Skipped("m", "RuntimeError: broken module"),) == found.skipped
    assert ["x"] == [leaf.path for leaf in found.leaves]


def test_depth_has_no_limit() -> None:
    """A chain of twenty thousand lists is walked to its end."""
    x: list[object] = [T(1)]
    for _ in range(20_000):
        x = [x]

    assert 1 == len(walk({"x": x}, BACKENDS).leaves)


def test_a_long_list_of_numbers_is_one_leaf() -> None:
    """However long; a list of its own for each that is not all numbers."""
    (leaf,) = walk({"x": [0.5] * 100_000}, BACKENDS).leaves

    assert ("x", True) == (leaf.path, leaf.elements)


def test_integers_and_text_are_no_leaves() -> None:
    """They cannot be non-finite."""
    assert () == walk({"x": list(range(1000)), "y": ["a"] * 9, "z": 3, "f": len, "m": torch}, BACKENDS).leaves


def test_aliases_are_the_other_paths_to_the_same_memory() -> None:
    """The same object, a view, a second name of a container: each is named once."""
    net = nn.Linear(2, 2, bias=False)
    found = walk({"net": net, "model": net, "w": net.weight, "rows": net.weight.data[1:], "n": 0.5, "m": 0.5}, BACKENDS)
    aliases = aliases_of(found)

    assert [("w", "net.weight", "model.weight", "rows")] == list(aliases.values())


def test_an_object_that_leads_to_itself_has_no_endless_aliases() -> None:
    """A cycle is walked once."""
    t = Trainer(w=T(1))
    t.me = t  # type: ignore[attr-defined]
    t.friends = [t]  # type: ignore[attr-defined]
    aliases = aliases_of(walk({"t": t}, BACKENDS))

    assert ("t.w",) in aliases.values()


def test_equal_numbers_are_not_aliases() -> None:
    """One float object under two names is two variables: each is found."""
    value = float("nan")

    assert ["a", "b", "c[0]"] == [
        leaf.path for leaf in walk({"a": value, "b": value, "c": [value, "x"]}, BACKENDS).leaves
    ]


def test_the_walk_keeps_nothing_alive() -> None:
    """Only the snapshot itself does."""
    x = Trainer(w=T(1))
    gone = weakref.ref(x), weakref.ref(x.w)  # type: ignore[attr-defined]
    found: Snapshot | None = walk({"x": x}, BACKENDS)
    assert found is not None
    assert 2 == len(found.leaves)
    del x, found
    gc.collect()

    assert (None, None) == (gone[0](), gone[1]())


# --- any nesting -------------------------------------------------------------------------------------------------------
def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One more level around `children`."""
    keys = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.tuples(st.integers(), st.text(max_size=2)))
    return st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        st.lists(children, max_size=4).map(collections.deque),
        st.dictionaries(keys, children, max_size=4),
        st.builds(Point, children, children),
        st.builds(Record, children),
        st.builds(Slotted, children),
        st.dictionaries(st.text(max_size=4), children, max_size=3).map(lambda d: Trainer(**d)),
        children.map(lambda c: functools.partial(int, c)),
    )


def tensors_in(value: object, seen: dict[int, object], out: dict[int, object]) -> None:
    """The reference: what the strategy above can build, opened by hand."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        out[id(value)] = value
    elif isinstance(value, dict):
        for child in value.values():
            tensors_in(child, seen, out)
    elif isinstance(value, list | tuple | collections.deque):
        for child in value:
            tensors_in(child, seen, out)
    elif isinstance(value, functools.partial):
        tensors_in(value.args, seen, out)
    elif isinstance(value, Slotted):
        tensors_in(value.loss, seen, out)
    elif isinstance(value, Record | Trainer):
        tensors_in(vars(value), seen, out)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_tensor_of_any_nesting_is_found_once_and_by_its_path(data: st.DataObject) -> None:
    """Random containers, with shared parts and cycles."""
    pool = [T(1) for _ in range(4)]
    leaves = st.one_of(st.sampled_from(pool), st.integers(), st.text(max_size=3), st.builds(lambda: T(2)))
    roots = data.draw(st.dictionaries(st.sampled_from("abcd"), st.recursive(leaves, containers, max_leaves=12)))
    lists = [v for v in roots.values() if isinstance(v, list)]
    for one in lists:
        one.append(data.draw(st.sampled_from([*lists, roots])))  # a cycle, or a list that several share
    expected: dict[int, object] = {}
    tensors_in(roots, {}, expected)

    found = [leaf for leaf in walk(roots, BACKENDS).leaves if leaf.backend.framework_name == "torch"]

    # `Trainer.shared` is reached through any instance, under its class.
    mine = [leaf for leaf in found if leaf.value is not Trainer.shared]
    assert sorted(expected) == sorted(id(leaf.value) for leaf in mine)
    for leaf in found:
        assert eval(leaf.path, {"vars": vars, "list": list}, roots) is leaf.value
