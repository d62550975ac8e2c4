"""The check names every non-finite leaf, once per device read, and what it could not look at is said."""

from __future__ import annotations

import gc
import math
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from jupyter_numguard import nonfinite
from jupyter_numguard.backends import loaded_backends
from jupyter_numguard.backends.base import Backend, Probe
from jupyter_numguard.backends.python import PythonBackend
from jupyter_numguard.backends.torch import TorchBackend
from jupyter_numguard.checking import Checks
from jupyter_numguard.model import Checked, Counts, NonFiniteState, Skipped
from jupyter_numguard.nonfinite import Left, NonFinite, find_nonfinite, probe
from jupyter_numguard.snapshot import Walk, walk

NAN, INF = math.nan, math.inf
BACKENDS: list[Backend] = [PythonBackend(), TorchBackend()]


def run(backends: Sequence[Backend] = BACKENDS, **roots: object) -> tuple[list[NonFinite], Checked]:
    """Walk, probe, read."""
    return find_nonfinite(probe(walk(roots, backends)))


def test_a_tensor_is_reported_with_its_numbers() -> None:
    """Path, root, counts, first index, state."""
    x = torch.tensor([[1.0, 2.0], [NAN, -INF]])
    found, checked = run(model={"w": x}, y=torch.ones(3))

    (n,) = found
    assert ('model["w"]', "model", Counts(4, 1, 0, 1), (1, 0)) == (n.path, n.root, n.counts, n.first_index)
    assert NonFiniteState(True, True) == n.state
    assert (1.0, 2.0) == n.finite_range
    assert n.value is x
    assert Checked(2, 28, ()) == checked


def test_a_list_of_numbers_names_the_first_non_finite_element() -> None:
    """`more` says how many further ones there are; the element itself is a number."""
    losses = [0.5] * 40
    losses[37:] = [NAN, INF, 1.0]
    (n,), checked = run(losses=losses)

    assert ("losses[37]", "losses", "losses", 1) == (n.path, n.leaf, n.root, n.more)
    assert (Counts(1, 1, 0, 0), (), ()) == (n.counts, n.first_index, n.tensor.shape)
    assert ("python", "float") == (n.tensor.framework, n.tensor.dtype)
    assert math.isnan(n.value)
    assert 1 == checked.tensors


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([1e308, 1e308, 1e308], None),  # the sum overflows, no element does
        ([1, 2.5, 10**400], None),  # an int that no float can hold
        ([1, True, -INF], "x[2]"),
        ((1.0, complex(0, NAN)), "x[1]"),
        (deque([1.0, INF]), "x[1]"),
        ([INF, -INF], "x[0]"),
        ([0.5, "text", NAN], "x[2]"),
        ([5e-324, -0.0], None),
        (INF, "x"),
        (complex(INF, 1), "x"),
        ([], None),
    ],
    ids=repr,
)
def test_python_numbers_are_judged_exactly(value: object, path: str | None) -> None:
    """The quick sum over a list never decides by itself that something is non-finite."""
    found, checked = run(x=value)

    assert () == checked.skipped
    expected = [] if path is None else [path]
    assert expected == [n.path for n in found]


def test_a_subclass_of_float_is_read_without_its_methods() -> None:
    """Overridden operators do not run."""

    class Loss(float):
        def __float__(self) -> float:
            raise RuntimeError("no")

        __add__ = __sub__ = __eq__ = __pos__ = __float__  # type: ignore[assignment]
        __hash__ = None  # type: ignore[assignment]

    found, checked = run(x=Loss(NAN), y=Loss(1.0))

    assert ["x"] == [n.path for n in found]
    assert 2 == checked.tensors
    assert () == checked.skipped


class Breaking(TorchBackend):
    """A torch backend whose verbs raise for tensors of one element."""

    def __init__(self, verb: str) -> None:
        self.calls = 0
        for name in verb.split():
            setattr(self, name, self._breaking(getattr(self, name)))

    def _breaking(self, verb: Any) -> Any:
        def call(tensor: Any) -> Any:
            self.calls += 1
            if any(t.numel() == 1 for t in (tensor if isinstance(tensor, list) else [tensor])):
                raise RuntimeError("CUDA error: misaligned address\nsecond line")
            return verb(tensor)

        return call


@pytest.mark.parametrize("verb", ["why_unchecked", "nbytes", "probe"])
def test_a_tensor_whose_verb_raises_is_skipped_and_the_rest_is_checked(verb: str) -> None:
    """The reason is the error's first line."""
    roots = {f"t{i}": torch.ones(2) for i in range(20)}
    roots["t7"] = torch.ones(1)
    roots["t13"] = torch.tensor([1.0, NAN])
    found, checked = run([Breaking(verb)], **roots)

    assert ["t13"] == [n.path for n in found]
    assert (Skipped("t7", "RuntimeError: CUDA error: misaligned address"),) == checked.skipped
    assert 19 == checked.tensors


@pytest.mark.parametrize("verb", ["count", "count info"])
def test_a_non_finite_tensor_that_cannot_be_counted_is_still_reported(verb: str) -> None:
    """Its numbers are not known; that it is non-finite is."""
    (n,), _ = run([Breaking(verb)], x=torch.tensor([NAN]))

    assert ("x", NonFiniteState(True, True), 0) == (n.path, n.state, n.counts.num_nonfinite)


def test_shared_memory_counts_once() -> None:
    """A tensor and its views are one piece of memory."""
    base = torch.ones(100)
    _, checked = run(a=base, b=base[:10], c=base.reshape(10, 10), d=torch.ones(5))

    assert (4, 420) == (checked.tensors, checked.bytes)


def test_what_cannot_be_checked_is_skipped_with_its_reason() -> None:
    """It is not counted as looked at."""
    found, checked = run(m=torch.ones(3, device="meta"), x=torch.ones(1))

    assert (Skipped("m", "meta device: no data"),) == checked.skipped
    assert (1, []) == (checked.tensors, found)


class Device(TorchBackend):
    """A torch backend that answers late, as for a device: flags stay pending until `read`."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.error: BaseException | None = None

    def probe(self, tensors: Sequence[Any]) -> Probe:
        """All pending."""
        return Probe([None] * len(tensors), [(tuple(range(len(tensors))), super().probe(tensors).flags)])

    def read(self, probes: Sequence[Probe]) -> None:
        """All at once."""
        self.reads.append(len(probes))
        if self.error is not None:
            raise self.error
        for p in probes:
            for positions, flags in p.pending:
                for position, flag in zip(positions, flags, strict=True):
                    p.flags[position] = flag
            p.pending.clear()


def test_all_probes_are_read_together() -> None:
    """Those that statements left behind and that of the end of the cell: one call of `read`."""
    device = Device()
    x = torch.tensor([NAN])
    earlier = [device.probe([torch.ones(2), x]) for _ in range(3)]
    found, _ = find_nonfinite(probe(walk({"x": x, "y": torch.ones(2)}, [device])), also=[(device, p) for p in earlier])

    assert [4] == device.reads
    assert ["x"] == [n.path for n in found]
    assert [[False, True]] * 3 == [p.flags for p in earlier]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("device lost"), "RuntimeError: device lost"), (KeyboardInterrupt(), "interrupted")],
    ids=["error", "interrupt"],
)
def test_flags_that_could_not_be_read_are_skipped(error: BaseException, reason: str) -> None:
    """Never finite, never raised."""
    device = Device()
    device.error = error
    found, checked = run([device], x=torch.ones(2))

    assert ([], 0, (Skipped("x", reason),)) == (found, checked.tensors, checked.skipped)


def test_an_interrupt_stops_the_check_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before stays found."""
    monkeypatch.setattr(nonfinite, "_CHUNK", 8)

    class Interrupted(TorchBackend):
        calls = 0

        def probe(self, tensors: Sequence[Any]) -> Probe:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().probe(tensors)

    pending = probe(walk({c: torch.tensor([NAN, 1.0]) for c in "abcd"}, [Interrupted()]))
    found, checked = find_nonfinite(pending)

    assert pending.interrupted
    assert ["a", "b"] == [n.path for n in found]
    assert (Skipped("c", "interrupted"), Skipped("d", "interrupted")) == checked.skipped
    assert (2, 16) == (checked.tensors, checked.bytes)


def test_a_long_check_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second, with the bytes done and to do; a short one says nothing."""
    clock = iter(range(100))
    monkeypatch.setattr(nonfinite, "_CHUNK", 8)
    snapshot = walk({c: torch.ones(2) for c in "abcd"}, BACKENDS)
    words: list[tuple[int, int]] = []
    probe(snapshot, on_progress=lambda done, total: words.append((done, total)))
    assert [] == words
    with monkeypatch.context() as m:
        m.setattr(time, "monotonic", lambda: next(clock))
        probe(snapshot, on_progress=lambda done, total: words.append((done, total)))

    assert [32] * len(words) == [total for _, total in words]
    assert [16, 32] == [done for done, _ in words][:2]


def test_a_finding_keeps_no_tensor_alive() -> None:
    """It knows the tensor only as long as the user does."""
    x = torch.tensor([NAN])
    gone = weakref.ref(x)
    (n,), _ = run(x=x)
    assert n.value is x
    del x
    gc.collect()

    assert gone() is None
    assert n.value is None
    assert n.finite_range is None


def test_numpy_arrays_are_checked_with_the_rest() -> None:
    """Read-only, masked, object and shared arrays; memory shared with torch is one memory."""
    numpy = pytest.importorskip("numpy")
    backends = loaded_backends()
    if "numpy" not in {b.framework_name for b in backends}:
        pytest.skip("no numpy backend")
    frozen = numpy.array([1.0, NAN])
    frozen.flags.writeable = False
    shared = numpy.array([INF, 1.0])
    found, _ = run(
        backends,
        frozen=frozen,
        masked=numpy.ma.masked_array([1.0, 2.0], mask=[0, 1]),
        objects=numpy.array([1.0, NAN], dtype=object),
        scalar=numpy.float64("nan"),
        shared=shared,
        view=torch.from_numpy(shared),
        ok=numpy.ones(3),
    )
    keys = {n.path: n.key for n in found}

    assert {"frozen", "scalar", "shared", "view"} <= set(keys)
    assert {"masked", "ok"}.isdisjoint(keys)
    assert keys["shared"] == keys["view"]


def _begun(**roots: object) -> Left:
    """What a cell's last statement left, looked at."""
    so_far = Walk(BACKENDS)
    leaves = [leaf for leaf in so_far.go_on(roots).leaves if leaf.backend.framework_name == "torch"]
    return Left(so_far, [(BACKENDS[1], leaves, BACKENDS[1].probe([leaf.value for leaf in leaves]))])


def test_what_was_looked_at_is_not_looked_at_again_unless_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are those of one check; what is long is read where its progress is shown."""
    roots = {"x": torch.ones(8), "y": torch.tensor([NAN])}
    left, words = _begun(**roots), []
    monkeypatch.setattr(nonfinite, "_PATIENCE", -1.0)
    show = lambda read, total: words.append((read, total))  # noqa: E731
    found, checked = find_nonfinite(probe(left.walk.go_on({}), show, left.done))
    monkeypatch.setattr(nonfinite, "_CHUNK", 8)
    again, as_much = find_nonfinite(probe(left.walk.go_on({}), show, left.done))

    assert [["y"], ["y"]] == [[n.path for n in some] for some in (found, again)]
    assert Checked(2, 36, ()) == checked == as_much
    assert [(32, 36), (36, 36)] == words


def test_a_name_that_leads_elsewhere_since_is_looked_at_anew() -> None:
    """A callback bound it after the last statement had been looked at."""
    left = _begun(x=torch.ones(3))
    reading = Checks().after_cell({"x": torch.tensor([NAN])}, None, lambda n: False, lambda *_: None, (), left)

    assert ["x"] == [n.path for n in reading.found]
